package keygroups_test

import (
	"fmt"

	"github.com/google/uuid"

	"github.com/heapstate/heapstate/keygroups"
)

// From a key to the task that owns it.
func Example() {
	const seed, tasks = 42, 3
	m, err := keygroups.DefaultMax(tasks)
	if err != nil {
		panic(err)
	}
	ranges, err := keygroups.Ranges(m, tasks)
	if err != nil {
		panic(err)
	}
	hasher, err := keygroups.NewHasher[string](seed)
	if err != nil {
		panic(err)
	}
	for _, word := range []string{"state", "in", "memory"} {
		group := keygroups.Of(hasher.Hash(word), m)
		task, err := keygroups.TaskOf(m, tasks, group)
		if err != nil {
			panic(err)
		}
		fmt.Printf("%s: key group %d, task %d of %v\n", word, group, task, ranges[task])
	}
	// Output:
	// state: key group 84, task 1 of [43,86)
	// in: key group 103, task 2 of [86,128)
	// memory: key group 20, task 0 of [0,43)
}

// After a rescale from three tasks to four, the second one needs key groups of
// two old tasks.
func ExampleOverlaps() {
	before, err := keygroups.Ranges(128, 3)
	if err != nil {
		panic(err)
	}
	now, err := keygroups.RangeOf(128, 4, 1)
	if err != nil {
		panic(err)
	}
	for _, o := range keygroups.Overlaps(before, now) {
		fmt.Printf("task %d held %v\n", o.From, o.Range)
	}
	// Output:
	// task 0 held [32,43)
	// task 1 held [43,64)
}

func ExampleHasher() {
	type reading struct {
		Sensor int32
		Place  string
	}
	hasher, err := keygroups.NewHasher[reading](0)
	if err != nil {
		panic(err)
	}
	key := reading{Sensor: -2, Place: "hi"}
	fmt.Println(hasher.Type())
	fmt.Printf("% x\n", hasher.Append(nil, key))
	fmt.Printf("%016x\n", hasher.Hash(key))

	ids, err := keygroups.NewHasher[uuid.UUID](0)
	if err != nil {
		panic(err)
	}
	fmt.Println(ids.Type())

	_, err = keygroups.NewHasher[struct{ Customer *string }](0)
	fmt.Println(err)
	// Output:
	// struct{Sensor int32; Place string}
	// fe ff ff ff 02 68 69
	// 60e380422e756c92
	// [16]uint8
	// keygroups: unsupported key type: struct { Customer *string }: Customer is of kind ptr
}

func ExampleHashAny() {
	for _, key := range []any{uint64(7), "seven", [2]int32{7, 7}, nil, []byte("seven")} {
		hash, err := keygroups.HashAny(key, 42)
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(keygroups.Of(hash, 128))
	}
	// Output:
	// 113
	// 34
	// 78
	// keygroups: nil key
	// keygroups: unsupported key type: []uint8 is of kind slice
}

func ExampleFlinkGroup() {
	fmt.Println(keygroups.Murmur(42), keygroups.FlinkGroup(42, 128))
	// Output: 1134849565 29
}
