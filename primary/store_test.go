package primary_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/primary"
	"github.com/heapstate/heapstate/primary/primarytest"
)

func TestDirConforms(t *testing.T) {
	primarytest.TestStore(t, func(t *testing.T) primary.Store {
		d, err := primary.OpenDir(t.TempDir())
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, d.Close()) })
		return d
	})
}

func TestMemoryConforms(t *testing.T) {
	primarytest.TestStore(t, func(*testing.T) primary.Store { return primary.NewMemory() })
}

func TestCheckPrefixAgreesWithCheckName(t *testing.T) {
	for _, name := range []string{"a", "a/b", "..x/y", "a.b/c-d", ".x"} {
		require.NoError(t, primary.CheckName(name))
		for n := range len(name) {
			require.NoError(t, primary.CheckPrefix(name[:n]), "%q begins %q", name[:n], name)
		}
	}
}
