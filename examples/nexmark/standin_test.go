package main

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/heapstate/heapstate/examples/nexmark/internal/query"
	"github.com/heapstate/heapstate/heapbackend"
)

// The harness is tried with an input and queries of its own, so simple that their answers are obvious.

const (
	standInPartitions = 7
	standInDelay      = 300 // milliseconds, at most, from when something happened to when it arrives
	windowMillis      = 10_000
	noKey             = 13 // events with this key are of no interest
)

// visit is an event.
type visit struct {
	Index, At, ArrivedAt int64
	Key                  uint64
	Text                 string
}

func visitOf(s query.Settings, index int64) visit {
	h := (uint64(index) + s.Seed) * 0x9e3779b97f4a7c15
	h ^= h >> 29
	h *= 0xbf58476d1ce4e5b9
	h ^= h >> 32
	arrived := 1_000_000 + index*1000/int64(s.Rate)
	return visit{Index: index, At: arrived - int64(h>>40%standInDelay), ArrivedAt: arrived, Key: h % 97, Text: "some text"}
}

// visits is an input.
type visits struct{ query.Settings }

func (v visits) Partitions() int { return standInPartitions }

func (v visits) Reader(partition int, position int64) (query.Reader[visit], error) {
	length := (v.Events - int64(partition) + standInPartitions - 1) / standInPartitions
	if position > length {
		return nil, errors.New("no such position")
	}
	return &visitReader{v.Settings, int64(partition), position, length}, nil
}

type visitReader struct {
	query.Settings
	partition, position, length int64
}

func (r *visitReader) index() int64    { return r.position*standInPartitions + r.partition }
func (r *visitReader) Position() int64 { return r.position }

func (r *visitReader) Next() (visit, bool) {
	if r.position == r.length {
		return visit{}, false
	}
	v := visitOf(r.Settings, r.index())
	r.position++
	return v, true
}

func (r *visitReader) Processing() int64 {
	if r.position == r.length {
		return math.MaxInt64
	}
	return visitOf(r.Settings, r.index()).ArrivedAt
}

func (r *visitReader) Watermark() int64 {
	if p := r.Processing(); p != math.MaxInt64 {
		return p - standInDelay
	}
	return math.MaxInt64
}

// counted is one window of one key.
type counted struct{ Window, N int64 }

// windows counts the visits of each key in windows, and emits a count when its window has passed.
type windows struct {
	counts  *heapbackend.Value[uint64, []counted]
	clock   *query.Clock
	arrival bool  // by when they arrive, not by when they happened
	passed  int64 // windows below this one have been emitted by this operator
}

func (o *windows) time(v *visit) int64 {
	if o.arrival {
		return v.ArrivedAt
	}
	return v.At
}

func (o *windows) Process(v *visit, _ query.Emit) error {
	if v.At < o.clock.Watermark() || v.ArrivedAt < o.clock.Processing() {
		return fmt.Errorf("visit %d comes after its time", v.Index)
	}
	if o.clock.Watermark() == math.MinInt64 {
		return errors.New("nobody knows what time it is")
	}
	w := o.time(v) / windowMillis
	return o.counts.Update(v.Key, func(list *[]counted) {
		i := slices.IndexFunc(*list, func(c counted) bool { return c.Window == w })
		if i < 0 {
			*list = append(*list, counted{w, 1})
		} else {
			(*list)[i].N++
		}
	})
}

func (o *windows) Advance(watermark, processing int64, emit query.Emit) error {
	if watermark != o.clock.Watermark() || processing != o.clock.Processing() {
		return errors.New("the clock shows another time")
	}
	now := watermark
	if o.arrival {
		now = processing
	}
	if now/windowMillis <= o.passed {
		return nil
	}
	o.passed = now / windowMillis
	var keys []uint64
	for key := range o.counts.All() {
		keys = append(keys, key)
	}
	for _, key := range keys {
		list, _ := o.counts.Get(key)
		var open []counted
		for _, c := range list {
			if c.Window >= o.passed {
				open = append(open, c)
				continue
			}
			emit(fmt.Sprint(key, "@", c.Window), strconv.FormatInt(c.N, 10))
		}
		if err := o.keep(key, open); err != nil {
			return err
		}
	}
	return nil
}

func (o *windows) keep(key uint64, open []counted) error {
	if len(open) == 0 {
		return o.counts.Delete(key)
	}
	return o.counts.Put(key, open)
}

// totals emits how many visits a key has had, for each of them.
type totals struct {
	counts *heapbackend.Value[uint64, int64]
}

func (o *totals) Process(v *visit, emit query.Emit) (err error) {
	err = o.counts.Update(v.Key, func(n *int64) {
		*n++
		emit(strconv.FormatUint(v.Key, 10), strconv.FormatInt(*n, 10))
	})
	emit(fmt.Sprint("visit", v.Index), v.Text)
	return err
}

func (o *totals) Advance(int64, int64, query.Emit) error { return nil }

func standIn() *query.Program[visit] {
	key := func(v *visit) (uint64, bool) { return v.Key, v.Key != noKey }
	window := func(number int, title string, arrival bool) query.Query[visit] {
		return query.Query[visit]{Number: number, Title: title, States: "value counts", Key: key, Open: func(b *heapbackend.Backend[uint64], clock *query.Clock) (query.Operator[visit], error) {
			counts, err := heapbackend.NewValue[[]counted](b, "counts")
			return &windows{counts: counts, clock: clock, arrival: arrival}, err
		}}
	}
	total := func(number int, title string) query.Query[visit] {
		return query.Query[visit]{Number: number, Title: title, States: "value counts", Key: key, Open: func(b *heapbackend.Backend[uint64], _ *query.Clock) (query.Operator[visit], error) {
			counts, err := heapbackend.NewValue[int64](b, "counts")
			return &totals{counts}, err
		}}
	}
	return &query.Program[visit]{
		Queries: []query.Query[visit]{
			window(1, "visits by when they happened", false),
			window(2, "visits by when they arrived", true),
			total(3, "visits so far"),
		},
		Input:  func(s query.Settings) (query.Input[visit], error) { return visits{s}, nil },
		Answer: standInAnswer,
		Final:  func(_ int, upserts map[string]string) (map[string]string, error) { return upserts, nil },
	}
}

func standInAnswer(number int, s query.Settings) (map[string]string, error) {
	counts, answer := map[string]int64{}, map[string]string{}
	for i := range s.Events {
		v := visitOf(s, i)
		switch {
		case v.Key == noKey:
		case number == 1:
			counts[fmt.Sprint(v.Key, "@", v.At/windowMillis)]++
		case number == 2:
			counts[fmt.Sprint(v.Key, "@", v.ArrivedAt/windowMillis)]++
		default:
			counts[strconv.FormatUint(v.Key, 10)]++
			answer[fmt.Sprint("visit", v.Index)] = v.Text
		}
	}
	for key, n := range counts {
		answer[key] = strconv.FormatInt(n, 10)
	}
	return answer, nil
}
