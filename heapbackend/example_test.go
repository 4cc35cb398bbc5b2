package heapbackend_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log"
	"maps"
	"slices"
	"sync"

	"github.com/heapstate/heapstate/heapbackend"
	"github.com/heapstate/heapstate/keygroups"
)

// account is what the examples keep for a customer.
type account struct {
	Sum int64
	N   int
}

// newAccounts makes the backend of one task of a job with 16 key groups; this task holds all of them.
func newAccounts() (*heapbackend.Backend[string], *heapbackend.Value[string, account]) {
	b, err := heapbackend.New[string](heapbackend.Config{M: 16, Range: keygroups.Range{First: 0, End: 16}, Seed: 42})
	if err != nil {
		log.Fatal(err)
	}
	accounts, err := heapbackend.NewValue[account](b, "accounts")
	if err != nil {
		log.Fatal(err)
	}
	return b, accounts
}

// A backend without a job: state is written, captured, encoded group by group, and restored in another backend.
func Example() {
	b, accounts := newAccounts()
	for i, customer := range []string{"ada", "grace", "ada", "edsger"} {
		err := accounts.Update(customer, func(a *account) {
			a.Sum += int64(i) * 100
			a.N++
		})
		if err != nil {
			log.Fatal(err)
		}
	}
	snapshot, err := b.Capture()
	if err != nil {
		log.Fatal(err)
	}
	defer snapshot.Release()
	_ = accounts.Put("ada", account{}) // the snapshot does not see it

	restored, copies := newAccounts()
	var staged []*heapbackend.Staged
	for group := range snapshot.Range().All() {
		block, entries, err := snapshot.AppendGroup(nil, group)
		if err != nil {
			log.Fatal(err)
		}
		if entries == 0 {
			continue
		}
		s, err := restored.StageBlock(snapshot.Schema(), group, block)
		if err != nil {
			log.Fatal(err)
		}
		staged = append(staged, s)
	}
	if err := restored.Install(staged); err != nil {
		log.Fatal(err)
	}
	all := maps.Collect(copies.All())
	for _, customer := range slices.Sorted(maps.Keys(all)) {
		fmt.Println(customer, all[customer].Sum, all[customer].N)
	}
	// Output:
	// ada 200 2
	// edsger 300 1
	// grace 100 1
}

// A snapshot is taken over without encoding: memory is shared until either side writes.
func ExampleBackend_StageSnapshot() {
	b, accounts := newAccounts()
	_ = accounts.Put("ada", account{Sum: 1})
	snapshot, err := b.Capture()
	if err != nil {
		log.Fatal(err)
	}
	restored, copies := newAccounts()
	var staged []*heapbackend.Staged
	for group := range snapshot.Range().All() {
		s, err := restored.StageSnapshot(snapshot, group)
		if err != nil {
			log.Fatal(err)
		}
		staged = append(staged, s)
	}
	if err := restored.Install(staged); err != nil {
		log.Fatal(err)
	}
	snapshot.Release()
	_ = copies.Update("ada", func(a *account) { a.Sum++ })
	before, _ := accounts.Get("ada")
	after, _ := copies.Get("ada")
	fmt.Println(before.Sum, after.Sum)
	// Output: 1 2
}

// A view reads the state as it was at a capture, from any goroutine, while the owner goes on writing.
func ExampleValue_At() {
	b, accounts := newAccounts()
	for i := range 1000 {
		_ = accounts.Put(fmt.Sprint("customer ", i), account{Sum: 1})
	}
	snapshot, err := b.Capture()
	if err != nil {
		log.Fatal(err)
	}
	view, err := accounts.At(snapshot)
	if err != nil {
		log.Fatal(err)
	}
	var reader sync.WaitGroup
	reader.Go(func() {
		defer snapshot.Release()
		sum := int64(0)
		for _, a := range view.All() {
			sum += a.Sum
		}
		fmt.Println("sum at the capture:", sum)
	})
	for i := range 1000 { // meanwhile
		_ = accounts.Update(fmt.Sprint("customer ", i), func(a *account) { a.Sum *= 7 })
	}
	reader.Wait()
	// Output: sum at the capture: 1000
}

// A list and a map for each key; appending and putting stay O(1) after a capture.
func ExampleNewMap() {
	b, _ := newAccounts()
	visits, err := heapbackend.NewList[string](b, "visits")
	if err != nil {
		log.Fatal(err)
	}
	basket, err := heapbackend.NewMap[string, int](b, "basket")
	if err != nil {
		log.Fatal(err)
	}
	_ = visits.Append("ada", "home", "search")
	_ = visits.Append("ada", "basket")
	_ = basket.Put("ada", "tea", 1)
	_ = basket.Update("ada", "tea", func(n *int) { *n += 2 })
	tea, _ := basket.Get("ada", "tea")
	fmt.Println(slices.Collect(visits.Get("ada")), tea)
	// Output: [home search basket] 3
}

// fixedPoint writes accounts as 16 bytes, whatever the fields of the struct are called later.
type fixedPoint struct{}

func (fixedPoint) ID() string { return "account/fixed/1" }

// Append writes a msgpack bin of 16 bytes.
func (fixedPoint) Append(dst []byte, a *account) ([]byte, error) {
	dst = append(dst, 0xc4, 16)
	dst = binary.BigEndian.AppendUint64(dst, uint64(a.Sum))
	return binary.BigEndian.AppendUint64(dst, uint64(a.N)), nil
}

func (fixedPoint) Decode(src []byte, a *account) ([]byte, error) {
	if len(src) < 18 || src[0] != 0xc4 || src[1] != 16 {
		return nil, errors.New("not an account")
	}
	a.Sum = int64(binary.BigEndian.Uint64(src[2:]))
	a.N = int(binary.BigEndian.Uint64(src[10:]))
	return src[18:], nil
}

// A program's own codec replaces the derived one.
func ExampleCodec() {
	b, _ := newAccounts()
	fixed, err := heapbackend.NewValue(b, "fixed", heapbackend.Options[account]{Codec: fixedPoint{}})
	if err != nil {
		log.Fatal(err)
	}
	_ = fixed.Put("ada", account{Sum: 5, N: 1})
	snapshot, err := b.Capture()
	if err != nil {
		log.Fatal(err)
	}
	defer snapshot.Release()
	for group := range snapshot.Range().All() {
		if block, entries, err := snapshot.AppendGroup(nil, group); err == nil && entries > 0 {
			fmt.Printf("%x\n", block)
		}
	}
	// Output: 930101c60000001792a3616461c41000000000000000050000000000000001
}

// A value changes its unit: what a checkpoint holds in seconds is read into milliseconds.
func ExampleMigrate() {
	type wait struct{ Seconds int64 }       // version 0
	type delay struct{ Milliseconds int64 } // version 1
	cfg := heapbackend.Config{M: 16, Range: keygroups.Range{First: 0, End: 16}, Seed: 42}

	old, _ := heapbackend.New[string](cfg)
	waits, err := heapbackend.NewValue[wait](old, "waits")
	if err != nil {
		log.Fatal(err)
	}
	_ = waits.Put("ada", wait{Seconds: 2})
	snapshot, err := old.Capture()
	if err != nil {
		log.Fatal(err)
	}
	defer snapshot.Release()

	b, _ := heapbackend.New[string](cfg)
	delays, err := heapbackend.NewValue(b, "waits", heapbackend.Options[delay]{
		Version: 1,
		Migrations: []heapbackend.Migration{
			heapbackend.Migrate(0, func(w wait) (delay, error) { return delay{w.Seconds * 1000}, nil }),
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	var staged []*heapbackend.Staged
	for group := range snapshot.Range().All() {
		s, err := b.StageSnapshot(snapshot, group)
		if err != nil {
			log.Fatal(err)
		}
		staged = append(staged, s)
	}
	if err := b.Install(staged); err != nil {
		log.Fatal(err)
	}
	ada, _ := delays.Get("ada")
	fmt.Println(ada.Milliseconds)
	// Output: 2000
}
