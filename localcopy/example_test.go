package localcopy_test

import (
	"bytes"
	"context"
	"fmt"
	"log"

	"github.com/google/uuid"

	"github.com/heapstate/heapstate/heapbackend"
	"github.com/heapstate/heapstate/keygroups"
	"github.com/heapstate/heapstate/localcopy"
	"github.com/heapstate/heapstate/primary"
)

// An engine with barriers of its own tells a Keeper what becomes of its checkpoints, and after a failure adopts the copy.
func Example() {
	ctx := context.Background()
	cfg := heapbackend.Config{M: 128, Range: keygroups.Range{First: 0, End: 128}, Seed: 42}
	backend, err := heapbackend.New[string](cfg)
	check(err)
	totals, err := heapbackend.NewValue[int64](backend, "totals")
	check(err)
	check(totals.Put("alice", 3))

	owner := localcopy.Owner{Job: "orders", Operator: "sum", Allocation: uuid.New()}
	keeper := localcopy.NewKeeper(localcopy.KeeperConfig{Formats: localcopy.Stack(localcopy.Heap()), Owner: owner})
	defer keeper.Dispose(true)

	// A checkpoint: capture, register the copies, write the primary, acknowledge, confirm.
	snapshot, err := backend.Capture()
	check(err)
	meta := localcopy.Meta{
		Attempt: uuid.New(), Checkpoint: 1, M: cfg.M, Seed: cfg.Seed, Range: cfg.Range, Schema: snapshot.Schema(),
	}
	keeper.Store(meta, snapshot)
	header := primary.Header{
		Job: owner.Job, Operator: owner.Operator, Attempt: meta.Attempt, Checkpoint: 1,
		M: cfg.M, Range: cfg.Range, Seed: cfg.Seed, Schema: meta.Schema,
	}
	index, err := primary.WriteObject(ctx, &bytes.Buffer{}, header, snapshot, primary.WriteOptions{})
	check(err)
	snapshot.Release()
	keeper.PrimaryDone(1, index.Segments)
	keeper.Confirm(1)

	// The task goes on, and fails.
	check(totals.Put("alice", 99))
	check(backend.Close())

	// The next attempt adopts the copy.
	backend, err = heapbackend.New[string](cfg)
	check(err)
	totals, err = heapbackend.NewValue[int64](backend, "totals")
	check(err)
	c := keeper.Copies(1)[0]
	var staged []*heapbackend.Staged
	for _, group := range c.Groups() {
		s, err := c.Load(ctx, group.Group, backend)
		check(err)
		staged = append(staged, s)
	}
	check(backend.Install(staged))
	keeper.Restored(1)
	v, _ := totals.Get("alice")
	fmt.Println("alice", v)
	// Output: alice 3
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
