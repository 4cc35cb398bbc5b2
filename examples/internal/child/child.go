package child

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"sync/atomic"
	"time"

	"github.com/heapstate/heapstate/examples/internal/protocol"
	"github.com/heapstate/heapstate/recovery"
)

// progressEvery is how often the supervisor hears how far the sources are.
const progressEvery = 50 * time.Millisecond

// ErrInjected is what an injected panic panics with.
var ErrInjected = errors.New("injected failure")

// Child is a worker process. Its methods are safe for concurrent use.
type Child struct {
	// Start is what the supervisor said first; nobody changes it.
	Start *protocol.Start

	events   *events
	throttle *throttle
	trouble  atomic.Bool   // the next keyed task to look panics
	stop     chan struct{} // one deep: the supervisor wants the job to end with a savepoint
}

// Program is what one example adds.
type Program struct {
	// Name is the name of the job, and Operator that of its keyed operator.
	Name, Operator string
	// Task is one parallel instance.
	Task recovery.TaskFunc
	// OnCheckpoint, if not nil, hears of every checkpoint, as recovery.Config.OnCheckpoint does.
	OnCheckpoint func(recovery.CheckpointReport)
	// Done, if not nil, is called when all tasks have ended; what it returns is the last payload.
	Done func() []byte
}

// Main is the worker process: in and out are the supervisor's. It returns the
// exit code: 0 when the work is done or was stopped, 1 when it cannot be done. open is
// called once, with the supervisor's message.
func Main(in io.Reader, out io.Writer, open func(*Child) (*Program, error)) int {
	// An interrupt from the terminal reaches the whole process group; the supervisor decides what it means.
	signal.Ignore(os.Interrupt)
	messages := json.NewDecoder(bufio.NewReaderSize(in, 1<<16))
	var start *protocol.Start
	if err := messages.Decode(&start); err != nil {
		fmt.Fprintln(os.Stderr, "this is a worker process; it is started by the program itself:", err)
		return 1
	}
	c := New(start, out)
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	// These two end with the process: nothing waits for a pipe that may stay silent.
	go c.obey(messages)
	go c.events.progress(ctx, progressEvery)
	program, err := open(c)
	if err == nil {
		err = c.Run(ctx, program)
	}
	if err != nil {
		c.events.failed(err)
		return 1
	}
	return 0
}

// New returns a worker that nobody commands, and that reports to out.
func New(start *protocol.Start, out io.Writer) *Child {
	c := &Child{Start: start, stop: make(chan struct{}, 1)}
	c.events = newEvents(protocol.NewWriter(out), start.Tasks)
	c.throttle = newThrottle(start.Tasks, start.Limit, func() { c.events.send(protocol.Event{}) })
	c.events.read = c.throttle.read
	return c
}

// obey does what the supervisor says, and ends the process at once when the
// supervisor is gone: a worker without one would only be in the way of the next.
func (c *Child) obey(messages *json.Decoder) {
	for {
		var m protocol.Command
		if err := messages.Decode(&m); err != nil {
			os.Exit(1)
		}
		if m.Panic {
			c.trouble.Store(true)
		}
		if m.Stop {
			select {
			case c.stop <- struct{}{}:
			default: // it is stopping
			}
		}
		c.throttle.setLimit(m.Limit)
	}
}

// Control returns the control of a task's new source, which counts from what was
// read before its positions.
func (c *Child) Control(task int) *Control { return c.throttle.task(task) }

// First notes that a task has its first records after a start of all tasks, the
// attempts-th (recovery.Task.Attempts).
func (c *Child) First(attempts int) { c.events.first(attempts) }

// PanicOnDemand panics, once, if the supervisor asked for it: the injected
// failure. A keyed task calls it before a batch of records and at its end.
func (c *Child) PanicOnDemand() {
	if c.trouble.CompareAndSwap(true, false) {
		panic(ErrInjected)
	}
}

// Send sends the program's own message. When it returns, the message is in the
// pipe, from which the supervisor reads it even if this process is killed. It blocks while the supervisor does not read.
// payload is the caller's again afterwards.
func (c *Child) Send(payload []byte) error {
	return c.events.out.Write(protocol.Event{Read: c.throttle.read(), Payload: payload})
}

// oneLine is an error's text without line breaks.
func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }
