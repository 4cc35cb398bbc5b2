package recovery_test

import (
	"context"
	"fmt"
	"log"
	"slices"
	"time"

	"github.com/heapstate/heapstate/heapbackend"
	"github.com/heapstate/heapstate/localcopy"
	"github.com/heapstate/heapstate/primary"
	"github.com/heapstate/heapstate/recovery"
)

// The program of the README, word for word; internal/layout checks that it is.
func Example_readme() {
	store := primary.NewMemory() // or store, err := primary.OpenDir("/var/lib/orders/checkpoints")
	job, err := recovery.NewJob(recovery.Config{
		Name: "orders", Tasks: 2, Primary: store, Every: 10 * time.Second,
		Local: localcopy.Stack(localcopy.Heap()), // and localcopy.File("/var/lib/orders/local"), with a Worker name
	})
	if err != nil {
		log.Fatal(err)
	}
	err = job.Run(context.Background(), func(ctx context.Context, t *recovery.Task) error {
		b, err := heapbackend.For[string](t) // the keyed state of this task's key groups
		if err != nil {
			return err
		}
		totals, err := heapbackend.NewValue[Total](b, "totals") // register every state ...
		if err != nil {
			return err
		}
		if _, err := t.Restore(ctx); err != nil { // ... then restore: heap, file, primary, group by group
			return err
		}
		for offset, order := range ordersFrom(t.Offset()) {
			if !t.Applied(b.Group(order.Customer), offset) { // one of this task's, and not counted yet
				totals.Update(order.Customer, func(x *Total) { x.Sum += order.Amount; x.N++ })
			}
			if err := t.Advance(ctx, offset+1); err != nil { // a due checkpoint is captured here
				return err
			}
		}
		return printAll(totals)
	})
	fmt.Println("run:", err)
	// Unordered output:
	// ann 6000 in 2000 orders
	// bob 7000 in 1000 orders
	// run: <nil>
}

// ordersFrom yields the orders of the example's source, and their offsets, from an offset on.
func ordersFrom(offset int64) func(func(int64, Order) bool) {
	return func(yield func(int64, Order) bool) {
		for o := offset; o < int64(len(orders)) && yield(o, orders[o]); o++ {
		}
	}
}

func printAll(totals *heapbackend.Value[string, Total]) error {
	for customer, x := range totals.All() {
		fmt.Printf("%s %d in %d orders\n", customer, x.Sum, x.N)
	}
	return nil
}

// Order is a record of the examples' source, which can be read again from any offset.
type Order struct {
	Customer string
	Amount   int64
}

// Total is the state of one customer.
type Total struct{ Sum, N int64 }

var orders = slices.Repeat([]Order{{"ann", 5}, {"bob", 7}, {"ann", 1}}, 1000)
