// Package primarytest is the conformance suite of primary.Store: what a store
// must do for checkpoints in it to be worth anything. An implementation's test is
// a call of [TestStore]:
//
//	func TestStore(t *testing.T) {
//		primarytest.TestStore(t, func(t *testing.T) primary.Store { return mystore.New(t.TempDir()) })
//	}
//
// Every MUST of the interface's documentation is a subtest named for it. The
// suite writes at most a few megabytes and asks for stores that are empty and
// not shared; it closes nothing: use t.Cleanup.
package primarytest
