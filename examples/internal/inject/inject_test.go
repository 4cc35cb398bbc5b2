package inject

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestParse(t *testing.T) {
	for _, row := range []struct {
		list string
		want []Injection
	}{
		{"none", nil},
		{"", nil},
		{"kill@50%", []Injection{{Kill, 50}}},
		{"losedisk@75%, panic@25%,kill@50%", []Injection{{Panic, 25}, {Kill, 50}, {LoseDisk, 75}}},
		{"kill@12.5%,panic@12.5%", []Injection{{Kill, 12.5}, {Panic, 12.5}}},
	} {
		got, err := Parse(row.list)
		require.NoError(t, err, row.list)
		require.Equal(t, row.want, got, row.list)
	}
	for _, list := range []string{"kill", "kill@", "kill@50", "kill@0%", "kill@100%", "kill@-1%", "kill@NaN%", "explode@5%", "kill@5%,", "@5%", "none,kill@5%", "kill@x%"} {
		_, err := Parse(list)
		require.ErrorIs(t, err, ErrInjection, list)
	}
	require.Equal(t, "kill@12.5%", Injection{Kill, 12.5}.String())
}

func TestAnInjectionWaitsForACheckpointAndItsLocalCopies(t *testing.T) {
	s, passed := NewSchedule([]Injection{{Kill, 50}}, 1000, 0, time.Second, true)
	require.Empty(t, passed)
	require.Equal(t, int64(480), s.Limit(), "held before the share until there is a checkpoint")
	s.read = 480
	_, ok := s.Due()
	require.False(t, ok)
	s.Checkpoint(1)
	require.Equal(t, int64(500), s.Limit())
	_, ok = s.Due()
	require.False(t, ok, "not at its share")
	s.read = 501
	_, ok = s.Due()
	require.False(t, ok, "the local copies are missing")
	s.sealed = 1
	got, ok := s.Due()
	require.True(t, ok)
	require.Equal(t, Injection{Kill, 50}, got)
	require.Equal(t, int64(math.MaxInt64), s.Limit())
	_, ok = s.Due()
	require.False(t, ok)
}

func TestAnInjectionDoesNotWaitForever(t *testing.T) {
	s, _ := NewSchedule([]Injection{{Kill, 50}}, 1000, 0, time.Second, true)
	s.read = 500
	for id := range uint64(unsealed) {
		_, ok := s.Due()
		require.False(t, ok)
		s.Checkpoint(id + 1)
	}
	_, ok := s.Due()
	require.True(t, ok, "local copies that never come")

	s, _ = NewSchedule([]Injection{{Kill, 50}}, 1000, 0, time.Hour, true)
	require.Equal(t, int64(500), s.Limit())
	s.read = 500
	_, ok = s.Due()
	require.True(t, ok, "checkpoints that hardly ever come")

	s, _ = NewSchedule([]Injection{{Kill, 50}}, 1000, 0, time.Second, false)
	s.read = 500
	s.Checkpoint(1)
	_, ok = s.Due()
	require.True(t, ok, "no local copies at all")
}

func TestAnInjectionDoesNotTakeAnEmptyCheckpointForOne(t *testing.T) {
	s, _ := NewSchedule([]Injection{{Kill, 50}}, 1000, 0, time.Second, false)
	for id := range uint64(10) {
		s.Empty(id + 1) // nothing has been read yet
	}
	s.read = s.Limit()
	require.Equal(t, int64(480), s.read, "still held")
	s.Checkpoint(11)
	require.Equal(t, int64(500), s.Limit())

	s, _ = NewSchedule([]Injection{{Kill, 50}}, 1000, 0, time.Second, false)
	s.read = s.Limit()
	for id := range uint64(unsealed) {
		require.Equal(t, int64(480), s.Limit())
		s.Empty(id + 1)
	}
	require.Equal(t, int64(500), s.Limit(), "there is no state: it does not wait for ever")
}

func TestEveryInjectionHasACheckpointOfItsOwn(t *testing.T) {
	s, _ := NewSchedule([]Injection{{Panic, 25}, {Kill, 25}}, 1000, 0, time.Second, false)
	s.read = 300
	s.Checkpoint(1)
	got, ok := s.Due()
	require.True(t, ok)
	require.Equal(t, Panic, got.Failure)
	require.Equal(t, int64(311), s.Limit(), "a record has to come along for the panic")
	s.Checkpoint(2)
	_, ok = s.Due()
	require.False(t, ok, "the tasks are not back")
	s.Restarted()
	_, ok = s.Due()
	require.False(t, ok)
	require.LessOrEqual(t, s.Limit(), int64(300), "the second one is past its place: everything waits for a checkpoint")
	s.Checkpoint(3)
	got, ok = s.Due()
	require.True(t, ok)
	require.Equal(t, Kill, got.Failure)
}

func TestInjectionsBeforeTheStartAreDropped(t *testing.T) {
	s, passed := NewSchedule([]Injection{{Panic, 25}, {Kill, 50}}, 1000, 250, time.Second, true)
	require.Equal(t, []Injection{{Panic, 25}}, passed)
	require.Equal(t, []Injection{{Kill, 50}}, s.pending)
}

func TestAPanicThatFindsNoRecordHoldsNobodyForever(t *testing.T) {
	s, _ := NewSchedule([]Injection{{Panic, 25}, {Kill, 26}}, 1000, 0, time.Hour, false)
	s.Progress(250)
	_, ok := s.Due()
	require.True(t, ok)
	for range hopeless {
		s.Progress(261)
		require.Equal(t, int64(261), s.Limit())
	}
	s.Progress(261)
	require.Equal(t, int64(math.MaxInt64), s.Limit())
}

func TestNothingMoreIsReadBeforeARescale(t *testing.T) {
	s, _ := NewSchedule([]Injection{{Rescale, 50}}, 1000, 0, time.Hour, false)
	s.Progress(510)
	_, ok := s.Due()
	require.True(t, ok)
	for range hopeless + 1 {
		s.Progress(510)
		require.Equal(t, int64(510), s.Limit())
	}
	s.Restarted()
	require.Equal(t, int64(math.MaxInt64), s.Limit())
}
