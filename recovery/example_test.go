package recovery_test

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/heapstate/heapstate/heapbackend"
	"github.com/heapstate/heapstate/keygroups"
	"github.com/heapstate/heapstate/localcopy"
	"github.com/heapstate/heapstate/primary"
	"github.com/heapstate/heapstate/recovery"
)

// Order is a record of the example's source, which can be read again from any offset.
type Order struct {
	Customer string
	Amount   int64
}

// Total is the state of one customer.
type Total struct{ Sum, N int64 }

var orders = slices.Repeat([]Order{{"ann", 5}, {"bob", 7}, {"ann", 1}}, 1000)

// A job with two tasks sums orders by customer. Each task reads all orders and keeps those of its own key groups.
func Example() {
	store := primary.NewMemory() // primary.OpenDir("/var/lib/orders/checkpoints") outlives the process
	job, err := recovery.NewJob(recovery.Config{
		Name: "orders", Tasks: 2, Primary: store, Every: 10 * time.Second,
		Local: localcopy.Stack(localcopy.Heap()), // and localcopy.File("/var/lib/orders/local") to survive a kill
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	totals := make(chan string, 2)
	err = job.Run(context.Background(), func(ctx context.Context, t *recovery.Task) error {
		b, err := heapbackend.For[string](t) // the state of this task's key groups
		if err != nil {
			return err
		}
		state, err := heapbackend.NewValue[Total](b, "totals") // register every state ...
		if err != nil {
			return err
		}
		if _, err := t.Restore(ctx); err != nil { // ... then restore: heap, file, primary, group by group
			return err
		}
		customers, err := keygroups.NewHasher[string](t.BackendConfig().Seed)
		if err != nil {
			return err
		}
		for o := t.Offset(); o < int64(len(orders)); o++ {
			order := orders[o]
			if group := keygroups.Of(customers.Hash(order.Customer), t.M()); !t.Applied(group, o) {
				if err := state.Update(order.Customer, func(x *Total) { x.Sum += order.Amount; x.N++ }); err != nil {
					return err
				}
			}
			if err := t.Advance(ctx, o+1); err != nil { // a due checkpoint is captured here, in microseconds
				return err
			}
		}
		for customer, x := range state.All() {
			totals <- fmt.Sprintf("%s %d in %d orders", customer, x.Sum, x.N)
		}
		return nil
	})
	fmt.Println("run:", err)
	lines := []string{<-totals, <-totals}
	slices.Sort(lines)
	fmt.Println(lines[0])
	fmt.Println(lines[1])
	// Output:
	// run: <nil>
	// ann 6000 in 2000 orders
	// bob 7000 in 1000 orders
}

// Placement is a pure function: tasks return to where they were, and the one whose slot is gone displaces nobody.
func ExamplePlace() {
	a, b, c := recovery.Slot{Allocation: [16]byte{1}}, recovery.Slot{Allocation: [16]byte{2}}, recovery.Slot{Allocation: [16]byte{3}}
	assigned, err := recovery.Place([]recovery.Claim{
		{Task: 0, Previous: a.Allocation}, // its slot is lost
		{Task: 1, Previous: b.Allocation},
	}, []recovery.Slot{b, c})
	if err != nil {
		fmt.Println(err)
	}
	for _, x := range assigned {
		fmt.Println("task", x.Task, "slot", x.Slot, "returned", x.Returned)
	}
	// Output:
	// task 0 slot 1 returned false
	// task 1 slot 0 returned true
}
