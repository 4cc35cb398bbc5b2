package primary

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAbortAllThenSettle(t *testing.T) {
	bubble(t, func(t *testing.T, store Store) {
		hooked := &hookStore{Store: store}
		r := startRig(t, hooked)
		release := make(chan struct{})
		hooked.set(func(ctx context.Context, o op) error {
			if o.kind == "commit" && strings.Contains(o.name, "/log/") {
				<-release
			}
			return nil
		}, nil)
		id := r.trigger(false)
		r.ackAll(id, false)
		r.c.AbortAll(errTest)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, r.c.Settle(ctx), context.DeadlineExceeded)
		require.Nil(t, r.c.Latest())
		close(release)
		require.NoError(t, r.c.Settle(t.Context()))
		require.Equal(t, id, r.c.Latest().Checkpoint, "it was too late to abort it")

		second := r.trigger(false)
		require.NoError(t, r.ack(0, second, false))
		r.c.AbortAll(errTest)
		require.NoError(t, r.c.Settle(t.Context()))
		require.ErrorIs(t, r.outcome(second), errTest)
		require.Equal(t, id, r.c.Latest().Checkpoint)
	})
}

func TestHangingStoreBlocksNobody(t *testing.T) {
	bubble(t, func(t *testing.T, store Store) {
		hooked := &hookStore{Store: store}
		r := startRig(t, hooked, func(cfg *CoordinatorConfig) {
			cfg.MaxConcurrent, cfg.TolerableFailures, cfg.Timeout = 3, 2, time.Minute
		})
		kept := r.complete()
		hang := make(chan struct{})
		hooked.set(func(_ context.Context, o op) error {
			if strings.Contains(o.name, "/log/") || o.kind == "delete" || o.kind == "list" {
				<-hang
			}
			return nil
		}, nil)
		first, second := r.trigger(false), r.trigger(false)
		r.ackAll(first, false)
		r.ackAll(second, false)
		third := r.trigger(false)
		task := r.cfg.Tasks[0].TaskID
		require.NoError(t, r.c.Decline(task, r.attempts[task], third, errTest))
		require.ErrorIs(t, r.ack(1, third, false), ErrLate)
		require.Equal(t, kept, r.c.Latest())
		time.Sleep(time.Minute)
		synctest.Wait()
		require.ErrorIs(t, <-r.ran, ErrFailures, "the time of a commit that hangs counts as well")
		close(hang)
	})
}

func TestCommitThatFailsLeavesNothing(t *testing.T) {
	bubble(t, func(t *testing.T, store Store) {
		hooked := &hookStore{Store: store}
		r := startRig(t, hooked, func(cfg *CoordinatorConfig) { cfg.TolerableFailures = 1 })
		hooked.set(func(_ context.Context, o op) error {
			if o.kind == "commit" && strings.Contains(o.name, "/log/") {
				return errTest
			}
			return nil
		}, nil)
		id := r.trigger(false)
		r.ackAll(id, false)
		err := r.outcome(id)
		require.ErrorIs(t, err, ErrCommit)
		require.ErrorIs(t, err, errTest)
		require.Empty(t, r.objects())
		require.Equal(t, 1, r.c.Stats().FailuresInRow)
		hooked.set(nil, nil)
		r.complete()
		requireClean(t, store)
	})
}

func TestRunEndsAndMayBeRepeated(t *testing.T) {
	bubble(t, func(t *testing.T, store Store) {
		r := startRig(t, store)
		synctest.Wait()
		require.ErrorIs(t, r.c.Run(t.Context()), ErrRunning)
		id := r.trigger(false)
		require.NoError(t, r.ack(0, id, false))
		r.stop()
		require.NoError(t, r.ack(1, id, false), "messages wait for the next Run")
		r.run()
		require.NoError(t, r.outcome(id))
		require.NoError(t, r.c.Close())
		require.ErrorIs(t, <-r.ran, ErrClosed)
		require.NoError(t, r.c.Close())
		require.ErrorIs(t, r.c.Run(t.Context()), ErrClosed)
		_, err := r.c.Trigger(t.Context(), false)
		require.ErrorIs(t, err, ErrClosed)
	})
}

func TestCloseAbortsAndCleans(t *testing.T) {
	bubble(t, func(t *testing.T, store Store) {
		r := startRig(t, store)
		kept := r.complete()
		id := r.trigger(false)
		require.NoError(t, r.ack(0, id, false))
		require.NoError(t, r.c.Close())
		require.ErrorIs(t, r.outcome(id), ErrClosed)
		require.ErrorIs(t, r.ack(1, id, false), ErrLate)
		require.Equal(t, []uint64{kept.Checkpoint}, requireIntact(t, store))
	})
}

func TestCloseDoesNotWaitForAStoreThatHangs(t *testing.T) {
	bubble(t, func(t *testing.T, store Store) {
		hooked := &hookStore{Store: store}
		r := startRig(t, hooked)
		hang := make(chan struct{})
		hooked.set(func(_ context.Context, o op) error {
			if strings.Contains(o.name, "/log/") {
				<-hang
			}
			return nil
		}, nil)
		id := r.trigger(false)
		r.ackAll(id, false)
		begin := time.Now()
		require.NoError(t, r.c.Close())
		require.LessOrEqual(t, time.Since(begin), time.Minute)
		require.ErrorIs(t, r.outcome(id), ErrClosed)
		require.ErrorIs(t, <-r.ran, ErrClosed)
		close(hang) // the commit takes place after all: nobody minds
		synctest.Wait()
		require.Len(t, r.objects(), 2, "what may be committed is not deleted")
		requireIntact(t, store)
	})
}

func TestWait(t *testing.T) {
	bubble(t, func(t *testing.T, store Store) {
		r := startRig(t, store)
		_, err := r.c.Wait(t.Context(), 1)
		require.ErrorIs(t, err, ErrUnknownCheckpoint)
		id := r.trigger(false)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = r.c.Wait(ctx, id)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		r.ackAll(id, false)
		m, err := r.c.Wait(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, id, m.Checkpoint)
		require.Equal(t, m, r.c.Latest())
		for range historySize {
			r.complete()
		}
		_, err = r.c.Wait(t.Context(), id)
		require.ErrorIs(t, err, ErrUnknownCheckpoint)
	})
}

func TestLogsOnlyToTheGivenLogger(t *testing.T) {
	bubble(t, func(t *testing.T, store Store) {
		var b strings.Builder
		r := startRig(t, store, func(cfg *CoordinatorConfig) {
			cfg.Logger, cfg.TolerableFailures = slog.New(slog.NewTextHandler(&b, nil)), 1
		})
		id := r.trigger(false)
		task := r.cfg.Tasks[0].TaskID
		require.NoError(t, r.c.Decline(task, r.attempts[task], id, errors.New("disk full")))
		synctest.Wait()
		require.Contains(t, b.String(), "disk full")
		require.Contains(t, b.String(), "checkpoint=1")
	})
}

func TestCommitCutShortByTheEndOfRunIsTriedAgain(t *testing.T) {
	bubble(t, func(t *testing.T, store Store) {
		hooked := &hookStore{Store: store}
		r := startRig(t, hooked)
		hooked.set(func(ctx context.Context, o op) error {
			if o.kind == "create" && strings.Contains(o.name, "/log/") {
				<-ctx.Done()
				return ctx.Err()
			}
			return nil
		}, nil)
		id := r.trigger(false)
		r.ackAll(id, false)
		r.stop()
		hooked.set(nil, nil)
		require.Equal(t, 1, r.c.Stats().Pending)
		r.run()
		require.NoError(t, r.outcome(id))
		require.Equal(t, []uint64{id}, requireIntact(t, store))
	})
}
