package recovery_test

import (
	"fmt"

	"github.com/heapstate/heapstate/recovery"
)

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
