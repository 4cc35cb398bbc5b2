package fuzz

import (
	"slices"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/heapbackend"
)

// do runs one operation on the tasks and on the model, and reports whether there was something to do.
func (j *kindsJob) do(code, a, b, c int) bool {
	switch code {
	case kindAdd, kindDrop, kindAppend:
		return j.doSpaced(code, kindsSpot(a, b), int64(c))
	case kindMerge:
		return j.merge(kindsKey(a), b, kindsSpace(c))
	case kindRegister, kindUnset, kindDue:
		return j.doTimers(code, a, b, c)
	case kindPut, kindGet, kindUpdate, kindDelete:
		return j.doValues(code, kindsKey(a), int64(b))
	case kindMapPut, kindMapGet, kindMapUpdate, kindMapRemove:
		return j.doMaps(code, kindsSpot(a, b), int64(c))
	case kindClock:
		j.now += heapbackend.Timestamp(a % 30)
	case kindCapture:
		return j.capture()
	case kindCheck:
		j.check()
	default:
		if len(j.shots) == 0 {
			return false
		}
		i := a % len(j.shots)
		switch code {
		case kindRelease:
			j.release(i)
		case kindRestore:
			j.restore(j.shots[i], 1+b%2, c)
		case kindInstall:
			j.install(j.tasks, j.shots[i], b)
		}
	}
	return true
}

func (j *kindsJob) doSpaced(code int, s spot, v int64) bool {
	k := j.taskOf(s.Key)
	switch code {
	case kindAdd:
		j.must(k.sums.Add(s, v))
		j.must(k.accs.Add(s, v))
		acc, ok := j.want.accs[s]
		if !ok {
			acc = orderly.Create()
		}
		orderly.Add(&acc, v)
		j.want.accs[s] = acc
		j.want.sums[s] += v
	case kindDrop:
		had := len(j.want.sums) + len(j.want.accs) + len(j.want.notes)
		j.must(k.sums.Delete(s))
		j.must(k.accs.Delete(s))
		j.must(k.notes.Delete(s))
		delete(j.want.sums, s)
		delete(j.want.accs, s)
		delete(j.want.notes, s)
		return len(j.want.sums)+len(j.want.accs)+len(j.want.notes) < had
	case kindAppend:
		var vs []int64
		for i := range v % 40 {
			vs = append(vs, j.serial*100+i)
		}
		j.must(k.notes.Append(s, vs...))
		if len(vs) == 0 {
			return false
		}
		j.want.notes[s] = slices.Concat(j.want.notes[s], vs)
	}
	return true
}

// merge names one namespace twice, and the one that is merged into.
func (j *kindsJob) merge(key string, first int, into string) (moved bool) {
	from := []string{kindsSpace(first), kindsSpace(first + 1), kindsSpace(first + 2), kindsSpace(first), into}
	k, to := j.taskOf(key), heapbackend.In(key, into)
	j.must(k.scope.Merge(k.sums, key, into, from...))
	j.must(k.scope.Merge(k.accs, key, into, from...))
	j.must(k.scope.Merge(k.notes, key, into, from...))
	for _, n := range from {
		s := heapbackend.In(key, n)
		if s == to {
			continue
		}
		if v, ok := j.want.sums[s]; ok {
			j.want.sums[to] += v
			delete(j.want.sums, s)
			moved = true
		}
		if v, ok := j.want.accs[s]; ok {
			acc, has := j.want.accs[to]
			if !has {
				acc = orderly.Create()
			}
			orderly.Merge(&acc, v)
			j.want.accs[to] = acc
			delete(j.want.accs, s)
		}
		if v, ok := j.want.notes[s]; ok {
			j.want.notes[to] = slices.Concat(j.want.notes[to], v)
			delete(j.want.notes, s)
		}
	}
	return moved
}

func (j *kindsJob) doTimers(code, a, b, c int) bool {
	at := heapbackend.Timestamp(c%64 - 4)
	x := alarm{kindsSpot(a, b), at}
	switch code {
	case kindRegister:
		j.register(x)
	case kindUnset:
		had := j.want.timers[x]
		require.Equal(j.t, had, j.taskOf(x.Key).timers.Has(x.spot, at))
		j.must(j.taskOf(x.Key).timers.Delete(x.spot, at))
		delete(j.want.timers, x)
		return had
	case kindDue:
		had := len(j.want.timers)
		for _, k := range j.tasks {
			j.due(k, at, 1+b, a%4)
		}
		return len(j.want.timers) < had
	}
	return true
}

func (j *kindsJob) register(x alarm) {
	j.must(j.taskOf(x.Key).timers.Register(x.spot, x.at))
	j.want.timers[x] = true
}

// due takes up to most timers that are due, and does something in the loop.
func (j *kindsJob) due(k *kindsTask, upTo heapbackend.Timestamp, most, body int) {
	mine := func(key string) bool { return k.r.Contains(j.group(key)) }
	for s, at := range k.timers.Due(upTo) {
		require.True(j.t, j.want.timers[alarm{s, at}], "a timer that is not there, or has fired: %v %d", s, at)
		require.Equal(j.t, j.want.part(j.now, mine).earliest(), at, "not in time order")
		require.LessOrEqual(j.t, at, upTo)
		delete(j.want.timers, alarm{s, at})
		switch body {
		case 1:
			j.register(alarm{s, at + 7})
		case 2:
			other := alarm{heapbackend.In(s.Key, kindsSpace(0)), at}
			j.must(k.timers.Delete(other.spot, at))
			delete(j.want.timers, other)
		case 3:
			j.capture()
		}
		if most--; most <= 0 {
			return
		}
	}
	if p := j.want.part(j.now, mine); len(p.timers) > 0 {
		require.Greater(j.t, p.earliest(), upTo, "not all that were due")
	}
}

func (j *kindsJob) doValues(code int, key string, v int64) bool {
	k := j.taskOf(key)
	old, has := j.want.values[key]
	alive := has && old.alive(j.now)
	switch code {
	case kindPut:
		j.must(k.values.Put(key, v))
		j.want.values[key] = aging{v, j.stamp(0, key)}
	case kindGet:
		got, ok := k.values.Get(key)
		j.found(old, has, got, ok)
		if alive && j.ttl.OnRead {
			j.want.values[key] = aging{old.v, max(old.stamp, j.stamp(0, key))}
		}
	case kindUpdate:
		saw := int64(0)
		j.must(k.values.Update(key, func(x *int64) { saw = *x; *x += v + 1 }))
		j.found(old, has, saw, alive)
		j.want.values[key] = aging{saw + v + 1, j.stamp(0, key)}
	case kindDelete:
		j.must(k.values.Delete(key))
		j.must(k.maps.Delete(key))
		delete(j.want.values, key)
		for s := range j.want.maps {
			if s.Key == key {
				delete(j.want.maps, s)
			}
		}
	}
	return alive || code == kindPut
}

// stamp is that of what is written now into values, state 0, or maps.
func (j *kindsJob) stamp(state int, key string) heapbackend.Timestamp {
	latest := max(j.now, j.taskOf(key).known[state])
	if gone, ok := j.gone[state][j.group(key)]; ok {
		return max(latest, gone+1)
	}
	return latest
}

// found compares what was read with what there should be.
func (j *kindsJob) found(want aging, has bool, got int64, ok bool) {
	alive := has && want.alive(j.now)
	if has && !alive {
		j.expired++
	}
	if !alive {
		want.v = 0
	}
	require.Equal(j.t, alive, ok, "at %d, written %d", j.now, want.stamp)
	require.Equal(j.t, want.v, got, "at %d, written %d", j.now, want.stamp)
}

// doMaps works on one entry of a map: of key s.Key, at s.Namespace.
func (j *kindsJob) doMaps(code int, s spot, v int64) bool {
	k := j.taskOf(s.Key)
	old, has := j.want.maps[s]
	alive := has && old.alive(j.now)
	switch code {
	case kindMapPut:
		j.must(k.maps.Put(s.Key, s.Namespace, v))
		j.want.maps[s] = aging{v, j.stamp(1, s.Key)}
	case kindMapGet:
		got, ok := k.maps.Get(s.Key, s.Namespace)
		j.found(old, has, got, ok)
		if alive && j.ttl.OnRead {
			j.want.maps[s] = aging{old.v, max(old.stamp, j.stamp(1, s.Key))}
		}
	case kindMapUpdate:
		saw := int64(0)
		j.must(k.maps.Update(s.Key, s.Namespace, func(x *int64) { saw = *x; *x += v + 1 }))
		j.found(old, has, saw, alive)
		j.want.maps[s] = aging{saw + v + 1, j.stamp(1, s.Key)}
	case kindMapRemove:
		j.must(k.maps.Remove(s.Key, s.Namespace))
		delete(j.want.maps, s)
	}
	return alive || code == kindMapPut
}
