package primary_test

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/heapstate/heapstate/keygroups"
	"github.com/heapstate/heapstate/primary"
)

// inProcess is a transport for tasks that are goroutines of the same process:
// here it plays the only task itself.
type inProcess struct {
	store       primary.Store
	coordinator *primary.Coordinator
}

func (p *inProcess) Trigger(task primary.TaskID, attempt uuid.UUID, c primary.Trigger) error {
	go func() { // a real task captures its state, and writes it with primary.WriteObject
		ctx := context.Background()
		w, err := p.store.Create(ctx, c.Object)
		if err == nil {
			_, _ = w.Write([]byte("the state"))
			err = w.Commit(ctx)
		}
		if err != nil {
			_ = p.coordinator.Decline(task, attempt, c.Checkpoint, err)
			return
		}
		_ = p.coordinator.Ack(ctx, primary.Ack{
			Task: task, Attempt: attempt, Checkpoint: c.Checkpoint,
			Objects: []string{c.Object}, Position: []byte("offset 42"),
		})
	}()
	return nil
}

func (p *inProcess) Confirm(primary.TaskID, uuid.UUID, uint64)      {}
func (p *inProcess) Abort(primary.TaskID, uuid.UUID, uint64, error) {}

func ExampleCoordinator() {
	ctx := context.Background()
	store := primary.NewMemory()
	transport := &inProcess{store: store}
	task := primary.TaskID{Operator: "totals", Task: 0}
	c, err := primary.OpenCoordinator(ctx, primary.CoordinatorConfig{
		Store: store, Job: "orders", M: 128, Transport: transport, Retain: 3,
		Tasks: []primary.TaskPlan{{TaskID: task, Range: keygroups.Range{First: 0, End: 128}}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	transport.coordinator = c
	ran := make(chan error)
	go func() { ran <- c.Run(ctx) }()

	// The task runs: checkpoints can begin.
	if err := c.SetAttempt(task, uuid.New()); err != nil {
		fmt.Println(err)
	}
	id, err := c.Trigger(ctx, false)
	if err != nil {
		fmt.Println(err)
		return
	}
	m, err := c.Wait(ctx, id)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("checkpoint %d at %s\n", m.Checkpoint, m.Operators[0].Tasks[0].Position)
	_ = c.Close()
	fmt.Println(<-ran)

	// Later, or elsewhere, nobody needs a coordinator to read.
	retained, err := primary.LoadRetained(ctx, store, "orders")
	fmt.Println(len(retained), err)
	// Output:
	// checkpoint 1 at offset 42
	// primary: coordinator of job "orders": primary: closed
	// 1 <nil>
}
