package recovery

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/heapstate/heapstate/keygroups"
	"github.com/heapstate/heapstate/primary"
)

func TestPositionRoundTrip(t *testing.T) {
	for name, p := range map[string]position{
		"start":     {},
		"an offset": {next: 1 << 40},
		"floors":    {next: 5, floors: []floor{{rng(0, 3), 9}, {rng(3, 4), 7}, {rng(10, keygroups.Max), 1 << 50}}},
	} {
		t.Run(name, func(t *testing.T) {
			b := p.append(nil)
			got, err := decodePosition(b)
			require.NoError(t, err)
			require.Equal(t, p, got)
			for n := range b {
				_, err := decodePosition(b[:n])
				require.Error(t, err, "prefix of %d bytes", n)
			}
			_, err = decodePosition(append(b, 0))
			require.Error(t, err)
		})
	}
	_, err := decodePosition([]byte("an engine's own"))
	require.Error(t, err)
}

func TestPositionDecodeRefuses(t *testing.T) {
	for name, p := range map[string]position{
		"a floor below next":       {next: 5, floors: []floor{{rng(0, 3), 5}}},
		"floors out of order":      {next: 5, floors: []floor{{rng(3, 4), 7}, {rng(0, 3), 9}}},
		"floors that overlap":      {next: 5, floors: []floor{{rng(0, 3), 7}, {rng(2, 4), 9}}},
		"an empty floor":           {next: 5, floors: []floor{{rng(3, 3), 7}}},
		"a floor beyond the limit": {next: 5, floors: []floor{{rng(3, keygroups.Max+1), 7}}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := decodePosition(p.append(nil))
			require.Error(t, err)
		})
	}
}

// TestPositionAcrossRescales reads one log by any number of tasks that change in number at random: whatever offsets
// the tasks were at, every key group sees every record exactly once.
func TestPositionAcrossRescales(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := rapid.IntRange(1, 24).Draw(t, "m")
		const records = 40
		seen := make([][]bool, m) // by group, by offset
		for g := range seen {
			seen[g] = make([]bool, records)
		}
		var old []primary.TaskState
		for range rapid.IntRange(1, 5).Draw(t, "rescales") {
			p := rapid.IntRange(1, m).Draw(t, "p")
			ranges, err := keygroups.Ranges(m, p)
			require.NoError(t, err)
			var now []primary.TaskState
			for i, r := range ranges {
				at, err := positionFor(r, old)
				require.NoError(t, err)
				task := Task{groups: r, start: at, position: at.clone()}
				end := rapid.Int64Range(task.Offset(), records).Draw(t, "end")
				readUpTo(t, &task, end, m, seen)
				now = append(now, primary.TaskState{Task: i, Range: r, Position: task.position.append(nil)})
			}
			old = now
		}
		at, err := positionFor(keygroups.Range{End: m}, old)
		require.NoError(t, err)
		task := Task{groups: keygroups.Range{End: m}, start: at, position: at.clone()}
		readUpTo(t, &task, records, m, seen)
		for g := range seen {
			for o := range seen[g] {
				require.True(t, seen[g][o], "key group %d never saw record %d", g, o)
			}
		}
	})
}

// readUpTo plays a task: each record is for every key group.
func readUpTo(t require.TestingT, task *Task, end int64, m int, seen [][]bool) {
	for o := task.Offset(); o < end; o++ {
		for g := range m {
			if !task.Applied(g, o) {
				require.False(t, seen[g][o], "key group %d saw record %d twice", g, o)
				seen[g][o] = true
			}
		}
		task.position.advance(o + 1)
	}
}
