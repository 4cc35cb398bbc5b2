package vfs_test

import (
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestLockOfAFileThatIsRemoved has every holder remove the lock file before it
// lets go: whoever waited on the removed file must not believe that it holds
// anything.
func TestLockOfAFileThatIsRemoved(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no locks here")
	}
	fsys, _ := openRoot(t)
	var held, most, wins atomic.Int64
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 2000 {
				lock, err := fsys.Lock("lock")
				if err != nil {
					continue
				}
				wins.Add(1)
				if n := held.Add(1); n > most.Load() {
					most.Store(n)
				}
				runtime.Gosched()
				held.Add(-1)            // from Remove on, a new file of the name may be locked
				_ = fsys.Remove("lock") // nobody else removes it while it is held
				_ = lock.Close()
			}
		})
	}
	wg.Wait()
	require.Equal(t, int64(1), most.Load(), "holders at once")
	require.NotZero(t, wins.Load())
}

// TestOpenOfANameThatChangesHands swaps a file for a symbolic link as fast as it
// can: what is opened is the file or nothing.
func TestOpenOfANameThatChangesHands(t *testing.T) {
	fsys, dir := openRoot(t)
	write(t, fsys, "secret", "secret")
	write(t, fsys, "plain", "plain")
	if err := os.Symlink("secret", filepath.Join(dir, "link")); err != nil {
		t.Skip(err)
	}
	require.NoError(t, os.Link(filepath.Join(dir, "plain"), filepath.Join(dir, "name")))
	var stop atomic.Bool
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop.Store(true)
	wg.Go(func() {
		for !stop.Load() {
			_ = os.Symlink("secret", filepath.Join(dir, "next"))
			_ = os.Rename(filepath.Join(dir, "next"), filepath.Join(dir, "name"))
			_ = os.Link(filepath.Join(dir, "plain"), filepath.Join(dir, "next2"))
			_ = os.Rename(filepath.Join(dir, "next2"), filepath.Join(dir, "name"))
		}
	})
	opened := 0
	for range 20_000 {
		f, err := fsys.Open("name")
		if err != nil {
			continue // the name was gone, or a link
		}
		opened++
		p := make([]byte, 5)
		_, err = f.ReadAt(p, 0)
		require.NoError(t, err)
		require.Equal(t, "plain", string(p))
		require.NoError(t, f.Close())
	}
	t.Logf("opened %d of 20000 times", opened)
}
