package fuzz

import (
	"errors"
	"slices"
	"strconv"

	"github.com/heapstate/heapstate/heapbackend"
)

// do runs one operation on the tasks and on the model.
func (j *job[K]) do(o op) {
	j.next++
	a, b, c := int(o.a), int(o.b), int(o.c)
	switch o.code {
	case opPut, opUpdate, opDelete, opFill, opDrain, opIterate:
		if j.tasks[0].totals != nil {
			j.doTotals(o.code, a, b)
		}
	case opBasket, opAddTo, opDropBasket:
		if j.tasks[0].baskets != nil {
			j.doBaskets(o.code, a, b)
		}
	case opAppend, opSet, opDropList:
		if j.tasks[0].lists != nil {
			j.doLists(o.code, a, b)
		}
	case opMapPut, opMapUpdate, opMapRemove, opMapFill, opMapClear:
		if j.tasks[0].maps != nil {
			j.doMaps(o.code, a, b, c)
		}
	case opMove, opLend, opExtend:
		j.doGot(o.code, a, b, label(strconv.Itoa(c)))
	case opRegister:
		if bit := 1 << (a % 4); j.tasks[0].mask()&bit == 0 {
			for _, k := range j.tasks {
				j.must(k.register(bit))
			}
		}
	case opNext:
		j.nextMask, j.nextTurn = a%(hasAll+1), b%4
	case opReset:
		j.reset(a)
	case opForeign:
		j.foreign(a)
	case opPanic:
		j.panics(a)
	case opCheck:
		j.check()
	default:
		j.doSnapshots(o.code, a, b, c)
	}
}

func (j *job[K]) doSnapshots(code byte, a, b, c int) {
	if code == opCapture {
		j.capture()
		return
	}
	s := j.snap(a)
	if s == nil {
		return
	}
	switch code {
	case opRetain:
		for i, old := range s.snaps {
			own, err := old.Retain()
			j.must(err)
			old.Release()
			s.snaps[i] = own
		}
	case opRelease:
		j.release(s)
		j.snaps = slices.DeleteFunc(j.snaps, func(c *checkpoint[K]) bool { return c == s })
	case opCheckSnap:
		j.checkSnap(s)
	case opRestore:
		j.restore(s, b, c)
	case opInstall:
		j.install(s, b, byte(c))
	case opBadInstall:
		j.badInstall(s, b)
	}
}

func (j *job[K]) doTotals(code byte, a, b int) {
	switch code {
	case opPut:
		j.put(a, b)
	case opUpdate:
		change := func(x *total) { x.Sum += int64(b); x.N++; x.Last[b%3]++ }
		j.must(j.taskOf(a).totals.Update(j.keys.of(a), change))
		v := j.want.totals[a]
		change(&v)
		j.want.totals[a] = v
	case opDelete:
		j.drop(a)
	case opFill:
		for i := range b {
			j.put(a*16+i, b)
		}
	case opDrain:
		for i := range b {
			j.drop(a*16 + i)
		}
	case opIterate:
		j.iterate(a, b%32)
	}
}

func (j *job[K]) put(key, v int) {
	x := total{Sum: int64(j.next), N: uint32(v), Last: [3]uint8{uint8(key)}}
	j.must(j.taskOf(key).totals.Put(j.keys.of(key), x))
	j.want.totals[key] = x
}

func (j *job[K]) drop(key int) {
	j.must(j.taskOf(key).totals.Delete(j.keys.of(key)))
	delete(j.want.totals, key)
}

// iterate writes while it reads: the loop sees what its task had when it began.
func (j *job[K]) iterate(a, n int) {
	j.budget -= len(j.want.totals)
	for _, k := range j.tasks {
		before := k.part(j.want, j.group).totals
		for key, v := range k.totals.All() {
			i := j.keys.number(key)
			if w, ok := before[i]; !ok || v != w {
				j.fail("a loop yields key %d as %+v, it began with %+v (%v)", i, v, w, ok)
			}
			delete(before, i)
			if n--; n >= 0 {
				j.put(a+n, n)
				j.drop(i)
			}
		}
		if len(before) > 0 {
			j.fail("a loop left out %d keys", len(before))
		}
	}
}

func (j *job[K]) doBaskets(code byte, a, b int) {
	s, key := j.taskOf(a).baskets, j.keys.of(a)
	switch code {
	case opBasket:
		j.must(s.Put(key, makeBasket(b%40, j.next)))
		j.want.baskets[a] = makeBasket(b%40, j.next)
	case opAddTo:
		j.must(s.Update(key, func(x *basket) { changeBasket(x, b) }))
		v := copyBasket(j.want.baskets[a])
		changeBasket(&v, b)
		j.want.baskets[a] = v
	case opDropBasket:
		j.must(s.Delete(key))
		delete(j.want.baskets, a)
	}
}

func (j *job[K]) doLists(code byte, a, b int) {
	s, key := j.taskOf(a).lists, j.keys.of(a)
	notes := makeNotes(b, j.next)
	switch code {
	case opAppend:
		j.must(s.Append(key, notes...))
		j.want.lists[a] = slices.Concat(j.want.lists[a], notes)
	case opSet:
		j.must(s.Set(key, notes...))
		j.want.lists[a] = slices.Clone(notes)
	case opDropList:
		j.must(s.Delete(key))
		delete(j.want.lists, a)
	}
	if len(j.want.lists[a]) == 0 {
		delete(j.want.lists, a)
	}
}

func (j *job[K]) doMaps(code byte, a, b, c int) {
	s, key := j.taskOf(a).maps, j.keys.of(a)
	mk := label(strconv.Itoa(b))
	want := j.want.maps[a]
	if want == nil {
		want = map[label][]int16{}
		j.want.maps[a] = want
	}
	switch code {
	case opMapPut:
		j.must(s.Put(key, mk, []int16{int16(c), 1}))
		want[mk] = []int16{int16(c), 1}
	case opMapUpdate:
		change := func(x *[]int16) {
			if len(*x) > 0 {
				(*x)[0]++
			}
			*x = append(*x, int16(c))
		}
		j.must(s.Update(key, mk, change))
		v := slices.Clone(want[mk])
		change(&v)
		want[mk] = v
	case opMapRemove:
		j.must(s.Remove(key, mk))
		delete(want, mk)
	case opMapFill:
		for i := range b {
			mk := label(strconv.Itoa(i))
			j.must(s.Put(key, mk, []int16{int16(i)}))
			want[mk] = []int16{int16(i)}
		}
	case opMapClear:
		j.must(s.Delete(key))
		clear(want)
	}
	if len(want) == 0 {
		delete(j.want.maps, a)
	}
}

// foreign gives a key to a task that does not own it: an error, and the task is of no further use.
func (j *job[K]) foreign(a int) {
	if len(j.tasks) == 1 || len(j.snaps) == 0 || j.tasks[0].totals == nil {
		return
	}
	owner := j.taskOf(a)
	wrong := j.tasks[0]
	if wrong == owner {
		wrong = j.tasks[1]
	}
	if err := wrong.totals.Put(j.keys.of(a), total{}); !errors.Is(err, heapbackend.ErrGroup) {
		j.fail("a key of another task: %v", err)
	}
	if _, err := wrong.backend.Capture(); !errors.Is(err, heapbackend.ErrGroup) {
		j.fail("a capture after a key of another task: %v", err)
	}
	j.restore(j.snaps[len(j.snaps)-1], a, a)
}

// panics is a task whose program panics in the middle of an update.
func (j *job[K]) panics(a int) {
	if len(j.snaps) == 0 || j.tasks[0].totals == nil {
		return
	}
	k := j.taskOf(a)
	func() {
		defer func() { _ = recover() }()
		_ = k.totals.Update(j.keys.of(a), func(x *total) { x.N++; panic("the program's own") })
	}()
	if _, err := k.backend.Capture(); err == nil {
		j.fail("a backend can be captured after a panic in the middle of an update")
	}
	j.restore(j.snaps[len(j.snaps)-1], a, a)
}
