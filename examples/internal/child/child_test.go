package child

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/examples/internal/protocol"
	"github.com/heapstate/heapstate/recovery"
)

func TestTheThrottleHoldsAllSourcesAtTheLimit(t *testing.T) {
	reached := 0
	th := newThrottle(2, 100, func() { reached++ })
	a, b := th.task(0), th.task(1)
	a.Advance(60)
	require.Nil(t, b.Ready())
	b.Advance(40)
	wait := a.Ready()
	require.NotNil(t, wait)
	require.NotNil(t, b.Ready())
	require.Equal(t, 2, reached)
	select {
	case <-wait:
		t.Fatal("open without a reason")
	default:
	}

	th.setLimit(101)
	<-wait
	require.Nil(t, a.Ready())
	a.Advance(1)
	wait = a.Ready()
	require.NotNil(t, wait)

	b = th.task(1) // it starts over, before the limit
	<-wait
	b.Advance(20)
	require.Equal(t, int64(81), th.read())
	require.Nil(t, a.Ready())
}

func TestACheckpointIsSealedWhenAllItsCopiesAre(t *testing.T) {
	var sealed []uint64
	c := newSealCounter(3, func(id uint64) { sealed = append(sealed, id) })
	for _, id := range []uint64{1, 1, 2, 2, 2, 1, 3, 3} {
		c.add(id)
	}
	require.Equal(t, []uint64{2}, sealed, "1 is older than 2, and 3 lacks one")
	c.add(3)
	require.Equal(t, []uint64{2, 3}, sealed)
}

// sent decodes the events in a buffer.
func sent(t *testing.T, b *bytes.Buffer) []protocol.Event {
	var out []protocol.Event
	for d := json.NewDecoder(b); d.More(); {
		var e protocol.Event
		require.NoError(t, d.Decode(&e))
		out = append(out, e)
	}
	return out
}

func testEvents(tasks int) (*events, *bytes.Buffer) {
	b := &bytes.Buffer{}
	e := newEvents(protocol.NewWriter(b), tasks)
	e.read = func() int64 { return 7 }
	return e, b
}

// restored is the report of a task with one key group.
func restored(task, start int, source string) recovery.RecoveryReport {
	group := recovery.GroupReport{Group: task, Source: source, Letter: recovery.LetterEmpty}
	if source != "" {
		group.Letter, group.Bytes, group.Entries, group.Took = source[0]-'a'+'A', 10, 2, 3
	}
	return recovery.RecoveryReport{
		Task: task, Attempts: start, Cause: errors.New("cause"), Restored: time.Unix(int64(task), 0),
		Report: &recovery.Report{Checkpoint: 5, Took: time.Duration(task), Groups: []recovery.GroupReport{group}},
	}
}

func TestTheReportsOfAllTasksBecomeOne(t *testing.T) {
	e, b := testEvents(3)
	e.recovery(restored(1, 1, "heap"))
	e.recovery(restored(0, 2, "heap")) // it failed again before task 0 and 2 were back
	e.recovery(restored(2, 2, ""))
	require.Empty(t, sent(t, b))
	e.recovery(restored(1, 2, "file"))
	got := sent(t, b)
	require.Len(t, got, 1)
	r := got[0].Recovery
	require.Equal(t, int64(7), got[0].Read)
	require.Equal(t, 2, r.Start)
	require.Equal(t, uint64(5), r.Checkpoint)
	require.Equal(t, 3, r.Groups)
	require.Equal(t, 1, r.Empty)
	require.Equal(t, uint64(4), r.Entries)
	require.Equal(t, time.Duration(2), r.Took)
	require.Equal(t, []protocol.Source{{Name: "file", Groups: 1, Bytes: 10, Entries: 2, Took: 3}, {Name: "heap", Groups: 1, Bytes: 10, Entries: 2, Took: 3}}, r.Sources)
	require.Contains(t, r.Grid, "HF.", "in the order of the key groups")
}

func TestOnlyTheFirstRecordOfAStartIsSent(t *testing.T) {
	e, b := testEvents(2)
	e.first(1)
	e.first(1)
	e.first(2)
	e.first(1)
	got := sent(t, b)
	require.Len(t, got, 2)
	require.Equal(t, 1, got[0].First.Start)
	require.Equal(t, 2, got[1].First.Start)
}

func TestWarningsAreOneLineAndInjectedOnesNone(t *testing.T) {
	e, b := testEvents(1)
	log := e.logger()
	log.Info("nothing")
	log.Warn("task failed", "error", fmt.Errorf("task: %w", ErrInjected))
	log.Warn("disk\nfull", "path", "x", "stack", "a\nb")
	got := sent(t, b)
	require.Len(t, got, 1)
	require.Equal(t, "disk full path=x", got[0].Warning)
}

func TestCheckpointsAreSummed(t *testing.T) {
	e, b := testEvents(2)
	e.checkpoint(recovery.CheckpointReport{Checkpoint: 3, Tasks: []recovery.TaskCheckpoint{
		{Bytes: 10, Entries: 1, Paused: 5, Took: 100}, {Task: 1, Bytes: 20, Entries: 2, Paused: 9, Took: 50},
	}})
	e.checkpoint(recovery.CheckpointReport{Checkpoint: 4, Err: errors.New("why")})
	got := sent(t, b)
	require.Equal(t, protocol.Checkpoint{ID: 3, Bytes: 30, Entries: 3, Paused: 9, Took: 100}, *got[0].Checkpoint)
	require.Equal(t, "why", got[1].Checkpoint.Error)
}
