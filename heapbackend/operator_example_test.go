package heapbackend_test

import (
	"fmt"
	"log"
	"slices"

	"github.com/heapstate/heapstate/heapbackend"
	"github.com/heapstate/heapstate/keygroups"
)

// partition is a part of a source, and how far it has been read.
type partition struct {
	Name   string
	Offset int64
}

// newSource makes the backend of one task of several, with the partitions that the task reads.
func newSource(task, tasks int) (*heapbackend.Backend[string], *heapbackend.OperatorList[partition]) {
	owned, err := keygroups.RangeOf(16, tasks, task)
	if err != nil {
		log.Fatal(err)
	}
	b, err := heapbackend.New[string](heapbackend.Config{M: 16, Range: owned, Task: task, Tasks: tasks})
	if err != nil {
		log.Fatal(err)
	}
	partitions, err := heapbackend.NewSplitList[partition](b, "partitions")
	if err != nil {
		log.Fatal(err)
	}
	return b, partitions
}

// The partitions of a source are shared out when two tasks become three.
func ExampleNewSplitList() {
	var old []*heapbackend.Snapshot
	var have []heapbackend.OperatorBlock
	for task, names := range [][]string{{"p0", "p1", "p2"}, {"p3"}} {
		b, partitions := newSource(task, 2)
		for i, name := range names {
			if err := partitions.Append(partition{name, int64(100 * i)}); err != nil {
				log.Fatal(err)
			}
		}
		s, err := b.Capture()
		if err != nil {
			log.Fatal(err)
		}
		group, _ := b.Config().OperatorGroup()
		old, have = append(old, s), append(have, heapbackend.OperatorBlock{Group: group, Schema: s.Schema()})
	}
	for task := range 3 {
		b, partitions := newSource(task, 3)
		needed, err := heapbackend.OperatorBlocks(b.Config(), have)
		if err != nil {
			log.Fatal(err)
		}
		var staged []*heapbackend.Staged
		for _, group := range needed {
			s, err := b.StageSnapshot(old[group-16], group)
			if err != nil {
				log.Fatal(err)
			}
			staged = append(staged, s)
		}
		if err := b.Install(staged); err != nil {
			log.Fatal(err)
		}
		fmt.Println(task, slices.Collect(partitions.All()))
	}
	// Output:
	// 0 [{p0 0} {p1 100}]
	// 1 [{p2 200}]
	// 2 [{p3 0}]
}
