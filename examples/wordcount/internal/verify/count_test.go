package verify

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCounts(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.txt")
	require.NoError(t, os.WriteFile(path, []byte("The cat, the CAT; c4t\xe9the"), 0o600))
	c := Counts{}
	require.NoError(t, c.AddFile(t.Context(), path, 24))
	require.Equal(t, Counts{"the": 2, "cat": 2, "c": 1, "t": 1, "th": 1}, c, "the last byte came after the list was made")
	require.NoError(t, c.AddFile(t.Context(), path, 3))
	require.Equal(t, uint64(3), c["the"])
	require.ErrorIs(t, c.AddFile(t.Context(), path, 26), ErrShrunk)
	require.ErrorIs(t, c.AddFile(t.Context(), path+"x", 1), os.ErrNotExist)
}
