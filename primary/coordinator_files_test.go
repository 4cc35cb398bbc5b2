package primary

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/heapstate/heapstate/primary/internal/commitlog"
)

// The same in real time, over files, and with nothing left running.
func TestCoordinatorOverFiles(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	dir := t.TempDir()
	var kept uint64
	for range 3 {
		store, err := OpenDir(dir)
		require.NoError(t, err)
		r := newRig(t, store, func(cfg *CoordinatorConfig) {
			cfg.Interval, cfg.Retain, cfg.MaxConcurrent = time.Millisecond, 2, 2
		})
		r.open()
		if kept > 0 {
			require.GreaterOrEqual(t, r.c.Latest().Checkpoint, kept)
		}
		done := make(chan uint64, 1000)
		r.sent.onTrigger = func(m message) error {
			name := m.trigger.Object
			if err := createObject(context.Background(), store, name, []byte("state")); err != nil {
				return err
			}
			err := r.c.Ack(context.Background(), testAck(r.cfg.Tasks[m.task.Task], m.attempt, m.checkpoint, []string{name}))
			if m.task.Task == 1 {
				done <- m.checkpoint
			}
			if errors.Is(err, ErrLate) {
				return nil
			}
			return err
		}
		r.startTasks()
		r.run()
		for range 10 {
			id := <-done
			m, err := r.c.Wait(t.Context(), id)
			if err == nil {
				kept = max(kept, m.Checkpoint)
			}
		}
		r.stop()
		ids := requireIntact(t, store)
		require.NotEmpty(t, ids)
		require.LessOrEqual(t, len(ids), 2)
		require.GreaterOrEqual(t, ids[0], kept)
		closeStore(t, store)
	}
}

// What stands in the place of a file of the log and is none.
func TestIrregularFilesOfTheLog(t *testing.T) {
	puts := map[string]func(name string) error{
		"link to nothing": func(name string) error { return os.Symlink("nothing", name) },
		"link to itself":  func(name string) error { return os.Symlink(filepath.Base(name), name) },
		"link to a file": func(name string) error {
			return errors.Join(os.WriteFile(name+".moved", []byte("x"), 0o600), os.Symlink(name+".moved", name))
		},
		"directory":      func(name string) error { return os.Mkdir(name, 0o700) },
		"full directory": func(name string) error { return os.MkdirAll(filepath.Join(name, "00000000000000000009"), 0o700) },
	}
	for what, put := range puts {
		for _, place := range []string{
			commitlog.RecordName(testJob, 5), commitlog.CopyName(testJob, 5), commitlog.OriginName(testJob),
			commitlog.RecordName(testJob, 6), commitlog.CopyName(testJob, 6),
		} {
			t.Run(what+"/"+place, func(t *testing.T) {
				now, _, _, newest := aJob(t, situations["after a checkpoint"], 1)
				dir := t.TempDir()
				store, err := OpenDir(dir)
				require.NoError(t, err)
				defer closeStore(t, store)
				for name, b := range now {
					require.NoError(t, createObject(t.Context(), store, name, b))
				}
				file := filepath.Join(dir, filepath.FromSlash(place))
				require.NoError(t, os.RemoveAll(file))
				if err := put(file); err != nil {
					t.Skip(err)
				}
				for range 2 {
					c, err := OpenCoordinator(t.Context(), newRig(t, store).cfg)
					if err != nil { // it may have been a newer record: somebody has to look
						require.Contains(t, place, commitlog.Padded(6))
						require.NotErrorIs(t, err, ErrFenced)
						for name, b := range now {
							got, err := readObject(t.Context(), store, name)
							require.NoError(t, err)
							require.Equal(t, b, got)
						}
						return
					}
					require.Equal(t, newest, c.Latest().Checkpoint)
				}
				_, err = os.Lstat(file)
				require.NoError(t, err, "it is not ours")
			})
		}
	}
}

func closeStore(t *testing.T, s Store) {
	if c, ok := s.(interface{ Close() error }); ok {
		require.NoError(t, c.Close())
	}
}
