package localcopy_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/heapstate/heapstate/internal/vfs"
	"github.com/heapstate/heapstate/localcopy"
	"github.com/heapstate/heapstate/localcopy/localcopytest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestHeapConforms(t *testing.T) {
	localcopytest.TestFormat(t, func(*testing.T) localcopy.Format { return localcopy.Heap() })
}

func TestFileConforms(t *testing.T) {
	localcopytest.TestFormat(t, func(t *testing.T) localcopy.Format { return localcopy.File(t.TempDir()) })
}

func TestFileReopens(t *testing.T) {
	localcopytest.TestReopen(t, func(t *testing.T) func() localcopy.Format {
		dir := t.TempDir()
		return func() localcopy.Format { return localcopy.File(dir) }
	})
}

func TestFileSurvivesDamage(t *testing.T) {
	for name, length := range map[string]func(size int64) int64{
		"empty": func(int64) int64 { return 0 }, "short": func(size int64) int64 { return size * 2 / 3 },
	} {
		t.Run(name, func(t *testing.T) {
			localcopytest.TestDamage(t, func(t *testing.T) localcopytest.Place {
				dir := t.TempDir()
				damage := func() {
					for _, path := range regularFiles(t, dir) {
						info, err := os.Stat(path)
						require.NoError(t, err)
						require.NoError(t, os.Truncate(path, length(info.Size())))
					}
				}
				return localcopytest.Place{Reopen: func() localcopy.Format { return localcopy.File(dir) }, Damage: damage}
			})
		})
	}
}

func TestFileFSConforms(t *testing.T) {
	localcopytest.TestFormat(t, func(t *testing.T) localcopy.Format {
		fsys, err := vfs.OpenRoot(t.TempDir())
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, fsys.Close()) })
		return localcopy.FileFS(fsys)
	})
}
