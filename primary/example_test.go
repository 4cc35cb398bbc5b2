package primary_test

import (
	"context"
	"fmt"
	"log"

	"github.com/heapstate/heapstate/keygroups"
	"github.com/heapstate/heapstate/primary"
)

// letters is a Source: one block for every third key group.
type letters struct{}

func (letters) Range() keygroups.Range { return keygroups.Range{First: 0, End: 8} }

func (letters) AppendGroup(dst []byte, group int) ([]byte, uint64, error) {
	if group%3 != 0 {
		return dst, 0, nil
	}
	return append(dst, 'a'+byte(group)), 1, nil
}

// Example writes the state of a task as an object and reads one key group of it.
func Example() {
	ctx := context.Background()
	store := primary.NewMemory()
	header := primary.Header{Job: "orders", Operator: "totals", M: 8, Range: letters{}.Range()}
	if _, err := primary.PutObject(ctx, store, "orders/objects/1/totals-0", header, letters{}, primary.WriteOptions{}); err != nil {
		log.Fatal(err)
	}

	size, err := store.Size(ctx, "orders/objects/1/totals-0")
	if err != nil {
		log.Fatal(err)
	}
	object := primary.ReaderOf(store, "orders/objects/1/totals-0")
	index, err := primary.ReadIndex(ctx, object, size)
	if err != nil {
		log.Fatal(err)
	}
	for _, segment := range index.Segments {
		block, err := primary.ReadBlock(ctx, object, segment, index.Header.Compression)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("key group %d: %q\n", segment.Group, block)
	}
	// Output:
	// key group 0: "a"
	// key group 3: "d"
	// key group 6: "g"
}
