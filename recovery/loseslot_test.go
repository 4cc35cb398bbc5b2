package recovery

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// slowLog takes a second for each line, so that everything else that can happen has happened by then.
type slowLog struct{}

func (slowLog) Enabled(context.Context, slog.Level) bool { return true }
func (l slowLog) WithAttrs([]slog.Attr) slog.Handler     { return l }
func (l slowLog) WithGroup(string) slog.Handler          { return l }
func (slowLog) Handle(context.Context, slog.Record) error {
	time.Sleep(time.Second)
	return nil
}

// A slot that is lost while a checkpoint is uploaded is one failure, and the checkpoint none: its upload was cancelled
// for it.
func TestJobLosingASlotCountsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFaultStore()
		store.commit = func(ctx context.Context, name string) error {
			if !isObject(name) {
				return nil
			}
			<-ctx.Done()
			return ctx.Err()
		}
		recovered := 0
		cfg := Config{Name: "j", Tasks: 2, M: 8, Primary: store, Restart: Fixed{Attempts: 1}, OnRecovery: func(RecoveryReport) { recovered++ }, Logger: slog.New(slowLog{})}
		job, done := begin(t, cfg, idle(attach))
		time.Sleep(time.Minute)
		ended := make(chan error, 1)
		go func() {
			_, err := job.Checkpoint(context.Background())
			ended <- err
		}()
		synctest.Wait()
		require.NoError(t, job.LoseSlot(context.Background(), 0))
		require.Error(t, <-ended)
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Equal(t, 4, recovered)
		_, err := job.Stop(context.Background(), false)
		require.NoError(t, err)
		require.NoError(t, <-done)
	})
}

// What a run remembers of lost slots does not grow with their number.
func TestJobForgetsLostSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		job, done := begin(t, Config{Name: "j", Tasks: 1, M: 8, Primary: newFaultStore(), Restart: Fixed{}}, idle(attach))
		for i := range 50 {
			time.Sleep(time.Second)
			synctest.Wait()
			require.NoError(t, job.LoseSlot(context.Background(), i))
		}
		time.Sleep(time.Second)
		synctest.Wait()
		job.run.mu.Lock()
		require.LessOrEqual(t, len(job.run.retired), 1)
		job.run.mu.Unlock()
		stop(t, job, done)
	})
}
