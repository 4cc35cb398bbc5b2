package recovery

import (
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/heapstate/heapstate/heapbackend"
	"github.com/heapstate/heapstate/keygroups"
)

// The clock of the states with a time to live moves through these times. What is written at the first has expired at the
// end of the first round, and what is written at the second at the end of the second.
const (
	kindsLife   = 5 * time.Second
	kindsFirst  = heapbackend.Timestamp(1000)
	kindsSecond = heapbackend.Timestamp(4000)
	kindsEnd    = heapbackend.Timestamp(6500) // of round 1, and the time at which a task starts
	kindsEnd2   = heapbackend.Timestamp(9500) // of round 2
	kindsLater  = heapbackend.Timestamp(12500)
)

type windowed = heapbackend.NamespacedKey[uint64, uint64]

// kinds has a state of every kind that basic lacks.
type kinds struct {
	backend *heapbackend.Backend[uint64]
	hash    keygroups.Hasher[uint64]
	now     atomic.Int64

	windowSums  *heapbackend.Value[windowed, int64]
	windowNames *heapbackend.List[windowed, string]
	highest     *heapbackend.Reducing[uint64, int64]
	windowLast  *heapbackend.Reducing[windowed, string]
	inputs      *heapbackend.Aggregating[uint64, int64, string, int64]
	event       *heapbackend.Timers[uint64]
	processing  *heapbackend.Timers[windowed]
	versioned   *heapbackend.Value[uint64, int64]
	shortSums   *heapbackend.Value[uint64, int64]
	shortNames  *heapbackend.List[uint64, string]
	shortMap    *heapbackend.Map[uint64, string, int64]
	split       *heapbackend.OperatorList[string]
	union       *heapbackend.OperatorList[string]
	rules       *heapbackend.Broadcast[string, int64]
}

func openKinds(cfg heapbackend.Config) (checkpointStates, error) {
	hash, err := keygroups.NewHasher[uint64](cfg.Seed)
	if err != nil {
		return checkpointStates{}, err
	}
	b, err := heapbackend.New[uint64](cfg)
	if err != nil {
		return checkpointStates{}, err
	}
	s := &kinds{backend: b, hash: hash}
	s.at(kindsEnd)
	err = errors.Join(s.registerKeyed(), s.registerExpiring(), s.registerOperator())
	return checkpointStates{b, s.fill, s.entries}, err
}

func (s *kinds) at(now heapbackend.Timestamp) { s.now.Store(int64(now)) }

func (s *kinds) registerKeyed() error {
	w, err := heapbackend.NamespacesOf[uint64](s.backend)
	if err != nil {
		return err
	}
	var errs [8]error
	s.windowSums, errs[0] = heapbackend.NewValue[int64](w, "window sums")
	s.windowNames, errs[1] = heapbackend.NewList[string](w, "window names")
	s.highest, errs[2] = heapbackend.NewReducing(s.backend, "highest", func(a, b int64) int64 { return max(a, b) })
	s.windowLast, errs[3] = heapbackend.NewReducing(w, "window last", func(_, b string) string { return b })
	// The accumulator is text, one letter for each input, so that its bytes are not those of a sum.
	s.inputs, errs[4] = heapbackend.NewAggregating(s.backend, "inputs", heapbackend.Aggregator[int64, string, int64]{
		Create: func() string { return "" },
		Add:    func(acc *string, in int64) { *acc += fmt.Sprint(in % 10) },
		Result: func(acc string) int64 { return int64(len(acc)) },
		Merge:  func(into *string, from string) { *into += from },
	})
	s.event, errs[5] = heapbackend.NewTimers(s.backend, "event timers", heapbackend.EventTime)
	s.processing, errs[6] = heapbackend.NewTimers(w, "processing timers", heapbackend.ProcessingTime)
	s.versioned, errs[7] = heapbackend.NewValue(s.backend, "versioned", heapbackend.Options[int64]{Version: 2})
	return errors.Join(errs[:]...)
}

func (s *kinds) registerExpiring() error {
	ttl := &heapbackend.TTL{After: kindsLife, Clock: func() heapbackend.Timestamp { return heapbackend.Timestamp(s.now.Load()) }}
	var errs [3]error
	s.shortSums, errs[0] = heapbackend.NewValue(s.backend, "short sums", heapbackend.Options[int64]{TTL: ttl})
	s.shortNames, errs[1] = heapbackend.NewList(s.backend, "short names", heapbackend.Options[string]{TTL: ttl})
	s.shortMap, errs[2] = heapbackend.NewMap[string](s.backend, "short map", heapbackend.Options[int64]{TTL: ttl})
	return errors.Join(errs[:]...)
}

func (s *kinds) registerOperator() error {
	var errs [3]error
	s.split, errs[0] = heapbackend.NewSplitList[string](s.backend, "split")
	s.union, errs[1] = heapbackend.NewUnionList[string](s.backend, "union")
	s.rules, errs[2] = heapbackend.NewBroadcast[string, int64](s.backend, "rules")
	return errors.Join(errs[:]...)
}

func (s *kinds) fill(round int) error {
	if round == 0 {
		return nil
	}
	err := s.fillOperator(round)
	for k, i := range s.keys(round) {
		err = errors.Join(err, s.fillKeyed(k, i, round))
	}
	times := []heapbackend.Timestamp{kindsFirst, kindsSecond, kindsEnd - 500}
	if round == 2 {
		times = []heapbackend.Timestamp{kindsEnd, kindsEnd2 - 500}
	}
	for j, now := range times {
		s.at(now)
		for k, i := range s.keys(round) {
			if i%3 == int64(j) || i%4 == 0 { // some keys at all times, so that a part of what they hold expires
				err = errors.Join(err, s.fillExpiring(k, i))
			}
		}
	}
	s.at([]heapbackend.Timestamp{kindsEnd, kindsEnd2}[round-1])
	return err
}

// keys yields the round's keys of the task, among them 0, and their numbers.
func (s *kinds) keys(round int) iter.Seq2[uint64, int64] {
	return func(yield func(uint64, int64) bool) {
		cfg := s.backend.Config()
		for i := range goldenKeys * round {
			k := uint64(i) * (1<<50 + 1)
			if cfg.Range.Contains(keygroups.Of(s.hash.Hash(k), cfg.M)) && !yield(k, int64(i)) {
				return
			}
		}
	}
}

func (s *kinds) fillOperator(round int) error {
	mine := fmt.Sprintf("task %d, round %d", s.backend.Config().Task, round)
	return errors.Join(s.split.Append(mine, mine+" again"), s.union.Set(mine),
		s.rules.Put("round", int64(round)), s.rules.Put(fmt.Sprint("rule ", round), -1))
}

func (s *kinds) fillKeyed(k uint64, i int64, round int) error {
	text := fmt.Sprint("name ", i, " in round ", round)
	first, window := heapbackend.In(k, uint64(0)), heapbackend.In(k, uint64(i))
	err := errors.Join(s.windowSums.Update(first, func(n *int64) { *n += i - 5 }), s.windowSums.Put(window, -i),
		s.windowNames.Append(window, text, ""), s.highest.Add(k, i*int64(3-2*round)), s.windowLast.Add(window, text),
		s.inputs.Add(k, i), s.inputs.Add(k, i+1), s.versioned.Put(k, i<<30),
		s.event.Register(k, heapbackend.Timestamp(i*int64(round))), s.event.Register(k, heapbackend.MaxTimestamp),
		s.processing.Register(window, heapbackend.Timestamp(1_700_000_000_000-i)))
	switch {
	case i%4 == 0:
		err = errors.Join(err, s.event.Register(k, heapbackend.MinTimestamp))
	case i%5 == 0 && round == 2:
		err = errors.Join(err, s.windowSums.Delete(window), s.windowNames.Delete(window), s.highest.Delete(k), s.inputs.Delete(k),
			s.event.Delete(k, heapbackend.MaxTimestamp))
	}
	return err
}

func (s *kinds) fillExpiring(k uint64, i int64) error {
	return errors.Join(s.shortSums.Put(k, i), s.shortNames.Append(k, fmt.Sprint("at ", s.now.Load()), ""),
		s.shortMap.Put(k, fmt.Sprint("at ", s.now.Load()), i))
}

func (s *kinds) entries(line func(state string, key, value any)) {
	each(line, s.windowSums)
	each(line, s.versioned)
	for k, v := range s.windowNames.All() {
		line("window names", k, slices.Collect(v))
	}
	for k, v := range s.highest.All() {
		line("highest", k, v)
	}
	for k, v := range s.windowLast.All() {
		line("window last", k, v)
	}
	for k, v := range s.inputs.All() {
		line("inputs", k, v)
	}
	for k, at := range s.event.All() {
		line("event timers", k, at)
	}
	for k, at := range s.processing.All() {
		line("processing timers", k, at)
	}
	s.operatorEntries(line)
	s.expiringEntries(line, "")
	defer s.at(heapbackend.Timestamp(s.now.Load()))
	for _, now := range []heapbackend.Timestamp{kindsEnd2, kindsLater} {
		s.at(now)
		s.expiringEntries(line, fmt.Sprint(" at ", now))
	}
}

// operatorEntries says for each element that it is there: which task has it depends on their number.
func (s *kinds) operatorEntries(line func(state string, key, value any)) {
	for v := range s.split.All() {
		line("split", nil, v)
	}
	for v := range s.union.All() {
		line("union", nil, v)
	}
	for k, v := range s.rules.All() {
		line("rules", k, v)
	}
}

func (s *kinds) expiringEntries(line func(state string, key, value any), when string) {
	for k, v := range s.shortSums.All() {
		line("short sums"+when, k, v)
	}
	for k, v := range s.shortNames.All() {
		line("short names"+when, k, slices.Collect(v))
	}
	for k, v := range s.shortMap.All() {
		line("short map"+when, k, maps.Collect(v))
	}
}
