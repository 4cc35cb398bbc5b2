package heapbackend_test

import (
	"fmt"
	"log"
	"time"

	"github.com/heapstate/heapstate/heapbackend"
	"github.com/heapstate/heapstate/keygroups"
)

// Clicks are counted in windows of a minute; a timer at the end of a window emits and clears it.
func ExampleTimers() {
	b, err := heapbackend.New[string](heapbackend.Config{M: 16, Range: keygroups.Range{First: 0, End: 16}, Seed: 42})
	if err != nil {
		log.Fatal(err)
	}
	windows, err := heapbackend.NamespacesOf[heapbackend.Timestamp](b) // a window is named by its end
	if err != nil {
		log.Fatal(err)
	}
	clicks, err := heapbackend.NewValue[int](windows, "clicks")
	if err != nil {
		log.Fatal(err)
	}
	ends, err := heapbackend.NewTimers(windows, "ends", heapbackend.EventTime)
	if err != nil {
		log.Fatal(err)
	}
	click := func(user string, at heapbackend.Timestamp) {
		minute := heapbackend.Timestamp(time.Minute.Milliseconds())
		end := at - at%minute + minute
		window := heapbackend.In(user, end)
		_ = clicks.Update(window, func(n *int) { *n++ })
		_ = ends.Register(window, end) // the same timer for each click of a window
	}
	advance := func(watermark heapbackend.Timestamp) {
		for window, end := range ends.Due(watermark) {
			n, _ := clicks.Get(window)
			fmt.Println(end.Time().Format("15:04"), window.Key, n)
			_ = clicks.Delete(window)
		}
	}
	click("ada", 1_000)
	click("ada", 70_000) // in the next window
	click("ada", 59_999)
	advance(60_000)
	click("ada", 80_000)
	advance(heapbackend.MaxTimestamp)
	fmt.Println(ends.Len())
	// Output:
	// 00:01 ada 2
	// 00:02 ada 2
	// 0
}
