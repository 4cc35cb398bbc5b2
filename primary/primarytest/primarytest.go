package primarytest

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/primary"
)

// TestStore tries a store. open is called once for each subtest and MUST return
// an empty store each time.
func TestStore(t *testing.T, open func(t *testing.T) primary.Store) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, s primary.Store)
	}{
		{"nothing is visible before commit", testInvisible},
		{"what was written is read", testRoundTrip},
		{"write keeps no reference", testWriteCopies},
		{"reads of every range", testRanges},
		{"the blocks of a task are read one by one", testBlocks},
		{"reads beyond the end", testReadBeyond},
		{"missing objects", testMissing},
		{"commit does not replace", testExist},
		{"one of many writers of a name wins", testRace},
		{"abort leaves nothing", testAbort},
		{"a writer ends once", testEnded},
		{"delete", testDelete},
		{"commits and deletes side by side", testChurn},
		{"list is in byte order of whole names", testListOrder},
		{"list by prefix", testListPrefix},
		{"list stops when told", testListStop},
		{"list sees what stays", testListStays},
		{"context that is over", testContext},
		{"names refused", testNamesRefused},
		{"names taken", testNamesTaken},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, open(t)) })
	}
}

// put stores b under name.
func put(t require.TestingT, s primary.Store, name string, b []byte) {
	require.NoError(t, tryPut(context.Background(), s, name, b))
}

func tryPut(ctx context.Context, s primary.Store, name string, b []byte) error {
	w, err := s.Create(ctx, name)
	if err != nil {
		return err
	}
	if _, err := w.Write(b); err != nil {
		_ = w.Abort() // the error of Write is the one to report
		return err
	}
	return w.Commit(ctx)
}

// get reads the whole object.
func get(t require.TestingT, s primary.Store, name string) []byte {
	ctx := context.Background()
	size, err := s.Size(ctx, name)
	require.NoError(t, err)
	b := make([]byte, size)
	require.NoError(t, s.ReadAt(ctx, name, b, 0))
	return b
}

// names lists the store.
func names(t require.TestingT, s primary.Store, prefix string) []string {
	got := []string{}
	for info, err := range s.List(context.Background(), prefix) {
		require.NoError(t, err)
		got = append(got, info.Name)
	}
	return got
}

// pattern is n bytes that differ from place to place.
func pattern(n int) []byte {
	b := make([]byte, n)
	x := uint32(n) + 1
	for i := range b {
		x = x*1664525 + 1013904223
		b[i] = byte(x >> 24)
	}
	return b
}

func absent(t *testing.T, s primary.Store, name string) {
	t.Helper()
	_, err := s.Size(t.Context(), name)
	require.ErrorIs(t, err, primary.ErrNotExist)
	require.ErrorIs(t, s.ReadAt(t.Context(), name, make([]byte, 1), 0), primary.ErrNotExist)
	require.NotContains(t, names(t, s, ""), name)
}

func numbered(format string, n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf(format, i)
	}
	return list
}
