package recovery

import (
	"errors"
	"fmt"
	"runtime/debug"
)

// What a caller can decide on; test with errors.Is.
var (
	// ErrConfig: a configuration has faults; the message names all of them.
	ErrConfig = errors.New("recovery: bad configuration")
	// ErrNotRunning: the job is not running.
	ErrNotRunning = errors.New("recovery: job is not running")
	// ErrRunning: the job is running already.
	ErrRunning = errors.New("recovery: job is running")
	// ErrStopped is the cause of the context of a task whose job was stopped.
	ErrStopped = errors.New("recovery: job stopped")
	// ErrRestarting is the cause of the context of a task that has to start again because of another's failure.
	ErrRestarting = errors.New("recovery: restarting")
	// ErrSlotLost is the cause of the context of a task whose slot was lost.
	ErrSlotLost = errors.New("recovery: slot lost")
	// ErrZombie: the attempt is no longer the current one of its task; nothing it does counts.
	ErrZombie = errors.New("recovery: attempt is no longer current")
	// ErrNoBackend: the task has no backend; heapbackend.For attaches one.
	ErrNoBackend = errors.New("recovery: task has no backend")
	// ErrAttached: the task has a backend already.
	ErrAttached = errors.New("recovery: task has a backend already")
	// ErrNotRestored: the task has not been restored, so that a checkpoint of it would lose its state.
	ErrNotRestored = errors.New("recovery: task was not restored")
	// ErrRestored: the task was restored already.
	ErrRestored = errors.New("recovery: task was restored already")
	// ErrPosition: the checkpoint has no offset a task that calls Advance could go on from, because its positions were
	// given to Task.Checkpoint, or are damaged.
	ErrPosition = errors.New("recovery: position is not one of Task.Advance")
	// ErrGoexit: a task function, or another function of the user's, ended its goroutine with runtime.Goexit.
	ErrGoexit = errors.New("recovery: function called runtime.Goexit")
	// ErrGivenUp: the restart strategy allows no further restart.
	ErrGivenUp = errors.New("recovery: restart strategy gave up")
)

// PanicError is a panic that was turned into an error.
type PanicError struct {
	// Value is what was passed to panic.
	Value any
	// Stack is the stack of the goroutine that panicked.
	Stack []byte
}

// Error is the panic's value in one line; the stack is left to the field.
func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

// Unwrap returns the panic's value if it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// TaskError is the failure of one attempt of a task. It unwraps to Err.
type TaskError struct {
	// Task is the task's index and Attempts how often it had been started, this attempt included.
	Task, Attempts int
	// Err is what the task function returned, or a PanicError.
	Err error
}

// Error names the task and the cause.
func (e *TaskError) Error() string {
	return fmt.Sprintf("recovery: task %d, attempt %d: %v", e.Task, e.Attempts, e.Err)
}

// Unwrap returns the cause.
func (e *TaskError) Unwrap() error { return e.Err }

// permanentError marks an error that a restart cannot cure.
type permanentError struct{ error }

// Unwrap returns the marked error.
func (e permanentError) Unwrap() error { return e.error }

// Permanent marks an error of a task function as one that a restart cannot cure: the job ends with it, whatever its
// restart strategy is. It returns nil for nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return permanentError{err}
}

// contained calls a function of the user's on a goroutine of its own and waits for it. It returns nil if the function
// returned, and otherwise how it ended: a PanicError, or ErrGoexit.
func contained(call func()) error {
	ended := make(chan error, 1)
	go func() { // ends with the call
		err := ErrGoexit
		defer func() {
			if v := recover(); v != nil {
				err = &PanicError{Value: v, Stack: debug.Stack()}
			}
			ended <- err
		}()
		call()
		err = nil
	}()
	return <-ended
}
