// Package localcopytest is the conformance suite of localcopy.Format: what every format of local copies must do,
// whoever wrote it.
//
// # Use
//
//	func TestFormat(t *testing.T) {
//		localcopytest.TestFormat(t, func(t *testing.T) localcopy.Format { return mine.New(t.TempDir()) })
//	}
//
// [TestFormat] is for every format; [TestReopen] and [TestDamage] are for those whose copies outlive the process. All
// build real backends, capture them, and compare what is loaded with a plain map. The subtests are named for the rule
// they check.
//
// # Concurrency
//
// The subtests run one after the other, and each opens a format of its own. A format that starts goroutines must have
// ended them when Seal, Abandon, Drop, Claim and Free have returned, unless it says otherwise.
package localcopytest
