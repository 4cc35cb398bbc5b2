package localcopy_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/heapbackend"
	"github.com/heapstate/heapstate/localcopy"
)

// eachStack runs a rule for every kind of stack.
func eachStack(t *testing.T, rule func(t *testing.T, s *state, k *localcopy.Keeper, f localcopy.Formats)) {
	for name, stack := range map[string]func(dir string) localcopy.Formats{
		"heap":      func(string) localcopy.Formats { return localcopy.Stack(localcopy.Heap()) },
		"file":      func(dir string) localcopy.Formats { return localcopy.Stack(localcopy.File(dir)) },
		"heap+file": func(dir string) localcopy.Formats { return localcopy.Stack(localcopy.Heap(), localcopy.File(dir)) },
	} {
		t.Run(name, func(t *testing.T) {
			s, f := newState(t), stack(t.TempDir())
			rule(t, s, s.keep(f...), f)
		})
	}
}

func TestDisabledKeepsNothing(t *testing.T) {
	s := newState(t)
	k := s.keep(localcopy.Disabled()...)
	s.store(k, 1)
	k.Confirm(1)
	require.Empty(t, held(t, k))
	require.Empty(t, k.Stats())
}

func TestStackKeepsOrderOfPreference(t *testing.T) {
	s := newState(t)
	k := s.keep(localcopy.Heap(), nil, localcopy.File(t.TempDir()))
	s.store(k, 1)
	settle(t, k)
	copies := k.Copies(1)
	require.Len(t, copies, 2)
	for _, c := range copies {
		requireValue(t, c, 1)
	}
	require.Equal(t, "heap", k.Stats()[0].Format)
	require.Equal(t, "file", k.Stats()[1].Format)
}

// A copy is registered before the ack: once PrimaryDone has returned, Copies has it without any other wait.
func TestRegisteredBeforeTheAck(t *testing.T) {
	eachStack(t, func(t *testing.T, s *state, k *localcopy.Keeper, _ localcopy.Formats) {
		for id := range uint64(10) {
			s.store(k, id)
			require.NotEmpty(t, k.Copies(id))
			requireValue(t, k.Copies(id)[0], int64(id))
		}
	})
}

func TestNotSealedBeforeThePrimaryIsDurable(t *testing.T) {
	eachStack(t, func(t *testing.T, s *state, k *localcopy.Keeper, f localcopy.Formats) {
		m, snapshot, twin := s.checkpoint(1, 1)
		k.Store(m, snapshot)
		require.Empty(t, held(t, k))
		for _, f := range f {
			require.Empty(t, s.found(f))
		}
		k.PrimaryDone(1, twin)
		require.Equal(t, []uint64{1}, held(t, k))
	})
}

func TestConfirmDropsOlder(t *testing.T) {
	eachStack(t, func(t *testing.T, s *state, k *localcopy.Keeper, f localcopy.Formats) {
		m, snapshot, twin := s.checkpoint(1, 1)
		k.Store(m, snapshot) // still waits for its primary when 3 is confirmed
		s.store(k, 2)
		s.store(k, 3)
		s.store(k, 4)
		m, snapshot, late := s.checkpoint(5, 5)
		k.Store(m, snapshot)
		settle(t, k)
		k.Confirm(3)
		k.PrimaryDone(1, twin)
		require.Equal(t, []uint64{3, 4}, held(t, k))
		k.PrimaryDone(5, late)
		require.Equal(t, []uint64{3, 4, 5}, held(t, k), "what is newer goes on")
		for _, f := range f {
			require.Equal(t, []uint64{3, 4, 5}, s.found(f))
		}
		k.Confirm(5)
		k.Confirm(4)
		require.Equal(t, []uint64{5}, held(t, k))
	})
}

func TestStoreOlderThanConfirmedIsDiscarded(t *testing.T) {
	eachStack(t, func(t *testing.T, s *state, k *localcopy.Keeper, _ localcopy.Formats) {
		s.store(k, 3)
		k.Confirm(3)
		s.store(k, 2)
		require.Equal(t, []uint64{3}, held(t, k))
		require.Equal(t, uint64(1), k.Stats()[0].Discarded)
	})
}

func TestSavepointWritesNone(t *testing.T) {
	eachStack(t, func(t *testing.T, s *state, k *localcopy.Keeper, f localcopy.Formats) {
		m, snapshot, twin := s.checkpoint(1, 1)
		m.Savepoint = true
		k.Store(m, snapshot)
		k.PrimaryDone(1, twin)
		require.Empty(t, held(t, k))
		require.Zero(t, k.Stats()[0].Begun)
		require.Empty(t, s.found(f[0]))
	})
}

func TestConfirmOfSavepointDropsNothingUsable(t *testing.T) {
	eachStack(t, func(t *testing.T, s *state, k *localcopy.Keeper, _ localcopy.Formats) {
		s.store(k, 1)
		k.Confirm(1)
		m, snapshot, twin := s.checkpoint(2, 2)
		m.Savepoint = true
		k.Store(m, snapshot)
		k.PrimaryDone(2, twin)
		k.Confirm(2)
		require.Equal(t, []uint64{1}, held(t, k))
		k.Confirm(3) // a savepoint the keeper was never told of
		require.Equal(t, []uint64{1}, held(t, k))
	})
}

func TestAbortDropsOnlyThat(t *testing.T) {
	eachStack(t, func(t *testing.T, s *state, k *localcopy.Keeper, f localcopy.Formats) {
		for id := range uint64(4) {
			s.store(k, id)
		}
		settle(t, k)
		k.Abort(2)
		require.Equal(t, []uint64{0, 1, 3}, held(t, k))
		for _, f := range f {
			require.Equal(t, []uint64{0, 1, 3}, s.found(f))
		}
	})
}

func TestAbortWhileThePrimaryIsWritten(t *testing.T) {
	eachStack(t, func(t *testing.T, s *state, k *localcopy.Keeper, f localcopy.Formats) {
		m, snapshot, twin := s.checkpoint(1, 1)
		k.Store(m, snapshot)
		k.Abort(1) // the primary failed
		k.PrimaryDone(1, twin)
		require.Empty(t, held(t, k))
		require.Empty(t, s.found(f[0]))
		require.Equal(t, uint64(1), k.Stats()[0].Abandoned)
		require.Zero(t, k.Stats()[0].Failed, "nothing of ours failed")
	})
}

func TestAbortBeforeStoreDropsIt(t *testing.T) {
	eachStack(t, func(t *testing.T, s *state, k *localcopy.Keeper, f localcopy.Formats) {
		s.store(k, 1)
		k.Abort(2)
		s.store(k, 2)
		s.store(k, 3)
		require.Equal(t, []uint64{1, 3}, held(t, k))
		require.Equal(t, []uint64{1, 3}, s.found(f[0]))
		require.Equal(t, uint64(1), k.Stats()[0].Discarded)
	})
}

func TestManyEarlyAbortsAreBounded(t *testing.T) {
	s := newState(t)
	k := s.keep(localcopy.Heap())
	for id := uint64(1); id < 5000; id++ {
		k.Abort(id)
	}
	s.store(k, 4999)
	require.Empty(t, k.Copies(4999), "the newest are remembered")
	s.store(k, 1)
	require.Len(t, k.Copies(1), 1, "the oldest are not")
}

func TestRestoredKeepsOnlyThat(t *testing.T) {
	eachStack(t, func(t *testing.T, s *state, k *localcopy.Keeper, f localcopy.Formats) {
		for id := range uint64(4) {
			s.store(k, id)
		}
		m, snapshot, twin := s.checkpoint(4, 4)
		k.Store(m, snapshot)
		settle(t, k)
		k.Restored(2)
		k.PrimaryDone(4, twin)
		require.Equal(t, []uint64{2}, held(t, k))
		require.Equal(t, []uint64{2}, s.found(f[0]))
		requireValue(t, k.Copies(2)[0], 2)
		s.store(k, 5)
		require.Equal(t, []uint64{2, 5}, held(t, k))
		k.Confirm(5)
		require.Equal(t, []uint64{5}, held(t, k))
	})
}

func TestRestoredFromOlderStartsIdsAgain(t *testing.T) {
	eachStack(t, func(t *testing.T, s *state, k *localcopy.Keeper, _ localcopy.Formats) {
		s.store(k, 5)
		k.Confirm(5)
		k.Abort(6)
		k.Restored(3) // stepped back: 5 could not be read
		require.Empty(t, held(t, k))
		s.store(k, 4)
		s.store(k, 6)
		require.Equal(t, []uint64{4, 6}, held(t, k))
	})
}

func TestCopySurvivesForASecondFailure(t *testing.T) {
	eachStack(t, func(t *testing.T, s *state, k *localcopy.Keeper, _ localcopy.Formats) {
		s.store(k, 1)
		for range 3 {
			require.Equal(t, []uint64{1}, held(t, k))
			requireValue(t, k.Copies(1)[0], 1)
			k.Restored(1)
		}
	})
}

func TestStoreTwiceKeepsNewer(t *testing.T) {
	for _, sealed := range []bool{false, true} {
		eachStack(t, func(t *testing.T, s *state, k *localcopy.Keeper, f localcopy.Formats) {
			m, snapshot, twin := s.checkpoint(1, 100)
			k.Store(m, snapshot)
			if sealed {
				k.PrimaryDone(1, twin)
			}
			settle(t, k)
			m, snapshot, twin = s.checkpoint(1, 200)
			m.Attempt = uuid.New()
			k.Store(m, snapshot)
			k.PrimaryDone(1, twin)
			require.Equal(t, []uint64{1}, held(t, k))
			require.Len(t, k.Copies(1), len(f))
			for _, c := range k.Copies(1) {
				require.Equal(t, m.Attempt, c.Meta().Attempt)
				requireValue(t, c, 200)
			}
			require.Equal(t, []uint64{1}, s.found(f[0]))
		})
	}
}

func TestLateStoreAfterDisposeIsDiscarded(t *testing.T) {
	eachStack(t, func(t *testing.T, s *state, k *localcopy.Keeper, f localcopy.Formats) {
		s.store(k, 1)
		m, snapshot, twin := s.checkpoint(2, 2)
		k.Store(m, snapshot)
		settle(t, k)
		k.Dispose(false)
		k.PrimaryDone(2, twin)
		s.store(k, 3)
		require.Empty(t, held(t, k))
		require.Equal(t, uint64(1), k.Stats()[0].Discarded)
		for _, f := range f {
			require.Equal(t, []uint64{1}, s.found(f), "what was sealed stays for the next keeper")
		}
	})
}

func TestNextKeeperFindsWhatWasSealed(t *testing.T) {
	eachStack(t, func(t *testing.T, s *state, k *localcopy.Keeper, f localcopy.Formats) {
		s.store(k, 1)
		s.store(k, 2)
		settle(t, k)
		k.Dispose(false)
		next := s.keep(f...)
		require.NotEmpty(t, next.Copies(2), "found without any other wait")
		require.Equal(t, []uint64{1, 2}, held(t, next))
		require.Len(t, next.Copies(2), len(f))
		next.Restored(2)
		require.Equal(t, []uint64{2}, held(t, next))
		requireValue(t, next.Copies(2)[0], 2)
	})
}

func TestFreedAllocationLosesItsCopies(t *testing.T) {
	eachStack(t, func(t *testing.T, s *state, k *localcopy.Keeper, f localcopy.Formats) {
		s.store(k, 1)
		m, snapshot, _ := s.checkpoint(2, 2)
		k.Store(m, snapshot)
		k.Dispose(false)
		k.Dispose(true)
		settle(t, k)
		for _, f := range f {
			require.Empty(t, s.found(f))
		}
	})
}

func TestLeftoversAreKeptOnlyIfClaimed(t *testing.T) {
	dir := t.TempDir()
	mine, gone := newState(t), newState(t)
	for _, s := range []*state{mine, gone} {
		k := s.keep(localcopy.File(dir))
		s.store(k, 1)
		settle(t, k)
	}
	f := localcopy.Stack(localcopy.File(dir)) // a new process
	require.NoError(t, f.Claim(t.Context(), "orders", []uuid.UUID{mine.meta.Allocation}))
	require.Equal(t, []uint64{1}, held(t, mine.keep(f...)))
	require.Empty(t, held(t, gone.keep(f...)))
}

func TestMismatchIsAbandonedCountedAndLogged(t *testing.T) {
	eachStack(t, func(t *testing.T, s *state, _ *localcopy.Keeper, f localcopy.Formats) {
		logs := &recorder{}
		k := s.keepWith(localcopy.KeeperConfig{Formats: f, Logger: newLogger(logs)})
		for id := range uint64(2) {
			m, snapshot, twin := s.checkpoint(id, int64(id))
			twin[3].Entries++
			k.Store(m, snapshot)
			k.PrimaryDone(id, twin)
		}
		require.Empty(t, held(t, k))
		for _, stats := range k.Stats() {
			require.Equal(t, uint64(2), stats.Mismatched)
			require.Equal(t, uint64(2), stats.Failed)
		}
		require.Equal(t, 2*len(f), logs.warnings(), "a wrong copy is logged each time")
		require.Empty(t, s.found(f[0]))
	})
}

func TestFileComparesDigests(t *testing.T) {
	s := newState(t)
	k := s.keep(localcopy.File(t.TempDir()))
	m, snapshot, twin := s.checkpoint(1, 1)
	twin[3].Digest ^= 1
	k.Store(m, snapshot)
	k.PrimaryDone(1, twin)
	require.Empty(t, held(t, k))
	require.Equal(t, uint64(1), k.Stats()[0].Mismatched)
}

// handles is a format that remembers the snapshot handles it was given.
type handles struct {
	localcopy.Format
	seen []*heapbackend.Snapshot
}

func (h *handles) Begin(ctx context.Context, m localcopy.Meta, s *heapbackend.Snapshot) (localcopy.Writer, error) {
	h.seen = append(h.seen, s)
	if len(h.seen) == 2 {
		return nil, errors.New("no")
	}
	return h.Format.Begin(ctx, m, s)
}

func TestKeeperLetsGoOfTheSnapshot(t *testing.T) {
	s := newState(t)
	f := &handles{Format: localcopy.File(t.TempDir())}
	k := s.keep(f)
	for id := range uint64(4) {
		s.store(k, id)
		settle(t, k)
	}
	require.Len(t, f.seen, 4)
	for _, handle := range f.seen {
		_, err := handle.Retain()
		require.ErrorIs(t, err, heapbackend.ErrReleased)
	}
}

func TestCountersAddUp(t *testing.T) {
	s := newState(t)
	k := s.keep(localcopy.Heap())
	for id := range uint64(6) {
		s.store(k, id)
	}
	settle(t, k)
	k.Confirm(4)
	settle(t, k)
	stats := k.Stats()
	require.Equal(t, []localcopy.FormatStats{{Format: "heap", Begun: 6, Sealed: 6, Dropped: 4, Held: 2}}, stats)
	require.True(t, slices.Equal([]uint64{4, 5}, held(t, k)))
}
