package heapbackend_test

import (
	"fmt"
	"log"
	"time"

	"github.com/heapstate/heapstate/heapbackend"
)

// Sessions expire half an hour of event time after their last event.
func ExampleTTL() {
	b, _ := newAccounts()
	watermark := heapbackend.TimestampOf(time.Date(2024, 5, 1, 12, 0, 0, 0, time.UTC))
	sessions, err := heapbackend.NewValue(b, "sessions", heapbackend.Options[int]{TTL: &heapbackend.TTL{
		After: 30 * time.Minute,
		Clock: func() heapbackend.Timestamp { return watermark },
	}})
	if err != nil {
		log.Fatal(err)
	}
	click := func() { _ = sessions.Update("ada", func(clicks *int) { *clicks++ }) }
	click()
	watermark = watermark.Add(20 * time.Minute)
	click()
	watermark = watermark.Add(20 * time.Minute)
	fmt.Println(sessions.Get("ada"))
	watermark = watermark.Add(20 * time.Minute)
	fmt.Println(sessions.Get("ada"))
	click()
	fmt.Println(sessions.Get("ada"))
	// Output:
	// 2 true
	// 0 false
	// 1 true
}
