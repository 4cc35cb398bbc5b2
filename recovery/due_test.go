package recovery

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// An engine that only waits for DueC takes the token of a second checkpoint while Due still names the first: it is told again
// once the second one's turn has come.
func TestTaskIsToldOfTheNextDueCheckpoint(t *testing.T) {
	for name, end := range map[string]func(*Task){
		"captured": func(task *Task) { task.takeDue(1) },
		"aborted":  func(task *Task) { task.abort(1, errSkipped) },
	} {
		t.Run(name, func(t *testing.T) {
			task := &Task{dueC: make(chan struct{}, 1)}
			for id := range uint64(2) {
				require.NoError(t, task.trigger(dueCheckpoint{id: id + 1}))
				<-task.DueC()
				due, ok := task.Due()
				require.True(t, ok)
				require.EqualValues(t, 1, due, "the oldest one")
			}
			end(task)
			require.Len(t, task.dueC, 1)
			due, _ := task.Due()
			require.EqualValues(t, 2, due)
			task.takeDue(2)
			<-task.DueC()
			require.Empty(t, task.dueC)
		})
	}
}
