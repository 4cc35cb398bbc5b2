package heapbackend_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/heapbackend"
)

// evolution is a program whose values changed: what the old one writes, and what the new one must make of it.
type evolution struct {
	write    func(t *testing.T, b *heapbackend.Backend[string])
	register func(b *heapbackend.Backend[string]) (read func() any, err error)
	want     any    // what read returns
	refused  string // part of the error's text, "" if there must be none
	is       error  // what the error matches besides
}

// threefold is what the three kinds of state hold.
type threefold[V any] struct {
	values map[string]V
	lists  map[string][]V
	maps   map[string]map[int8]V
}

func (c *threefold[V]) add(i int, v V) {
	if c.values == nil {
		*c = threefold[V]{map[string]V{}, map[string][]V{}, map[string]map[int8]V{}}
	}
	for copy := range 9 {
		k := fmt.Sprint("key ", i, " ", copy)
		c.values[k], c.lists[k], c.maps[k] = v, []V{v, v}, map[int8]V{1: v, -1: v}
	}
}

// becomes is the evolution of the elements of lists, those of old to those of want. All kinds of state read their values
// by the same code, and lists of all types are one shape to the compiler: a row of inEveryKind costs seconds of compilation.
func becomes[Old, New any](before heapbackend.Options[Old], old []Old, now heapbackend.Options[New], want []New) evolution {
	lists := map[string][]New{}
	for i, v := range want {
		lists[fmt.Sprint("key ", i)] = []New{v, v}
	}
	return evolution{
		want: lists,
		write: func(t *testing.T, b *heapbackend.Backend[string]) {
			l := listOf(t, b, "l", before)
			for i, v := range old {
				require.NoError(t, l.Append(fmt.Sprint("key ", i), v, v))
			}
		},
		register: func(b *heapbackend.Backend[string]) (func() any, error) {
			l, err := heapbackend.NewList(b, "l", now)
			return func() any {
				got := map[string][]New{}
				for k, x := range l.All() {
					got[k] = slices.Collect(x)
				}
				return got
			}, err
		},
	}
}

// inEveryKind is becomes for values, lists and maps.
func inEveryKind[Old, New any](before heapbackend.Options[Old], old []Old, now heapbackend.Options[New], want []New) evolution {
	var had threefold[Old]
	var wanted threefold[New]
	for i, v := range old {
		had.add(i, v)
	}
	for i, v := range want {
		wanted.add(i, v)
	}
	return evolution{
		want: wanted,
		write: func(t *testing.T, b *heapbackend.Backend[string]) {
			v, l, m := valueOf(t, b, "v", before), listOf(t, b, "l", before), mapOf[int8](t, b, "m", before)
			for k, x := range had.values {
				require.NoError(t, v.Put(k, x))
				require.NoError(t, l.Append(k, had.lists[k]...))
				for mk, x := range had.maps[k] {
					require.NoError(t, m.Put(k, mk, x))
				}
			}
		},
		register: func(b *heapbackend.Backend[string]) (func() any, error) {
			v, err := heapbackend.NewValue(b, "v", now)
			if err != nil {
				return nil, err
			}
			l, err := heapbackend.NewList(b, "l", now)
			if err != nil {
				return nil, err
			}
			m, err := heapbackend.NewMap[int8](b, "m", now)
			return func() any {
				got := threefold[New]{maps.Collect(v.All()), map[string][]New{}, map[string]map[int8]New{}}
				for k, x := range l.All() {
					got.lists[k] = slices.Collect(x)
				}
				for k, x := range m.All() {
					got.maps[k] = maps.Collect(x)
				}
				return got
			}, err
		},
	}
}

// refused is the evolution of old values that must fail.
func refused[Old, New any](before heapbackend.Options[Old], old []Old, now heapbackend.Options[New], text string) evolution {
	e := becomes(before, old, now, nil)
	e.refused = text
	return e
}

func version[V any](n uint64, steps ...heapbackend.Migration) heapbackend.Options[V] {
	return heapbackend.Options[V]{Version: n, Migrations: steps}
}

// asIs are the options of a program that knows nothing of versions.
func asIs[V any]() (o heapbackend.Options[V]) { return o }

func TestEvolution(t *testing.T) {
	for _, table := range []map[string]evolution{matched(), migrated(), unmatched(), unmigrated()} {
		for name, e := range table {
			t.Run(name, func(t *testing.T) { e.check(t) })
		}
	}
}

// check reads what the old program wrote in every way, before the states are registered and after, and finds the same
// result or the same error each time.
func (e *evolution) check(t *testing.T) {
	old := backend[string](t, whole())
	e.write(t, old)
	s := capture(t, old)
	before := blocksOf(t, s)
	seen := ""
	for name, how := range ways {
		for _, late := range []bool{false, true} {
			b := backend[string](t, whole())
			own := valueOf[int](t, b, "own")
			require.NoError(t, own.Put("mine", 1))
			read, now, err := e.restore(t, b, s, how, late)
			if e.refused == "" {
				require.NoErrorf(t, err, "%s, late %t", name, late)
				require.Equalf(t, e.want, read(), "%s, late %t", name, late)
				e.again(t, b)
				continue
			}
			requireSchemaError(t, err, e.refused, e.is)
			if seen == "" {
				seen = err.Error()
			}
			require.Equalf(t, seen, err.Error(), "%s, late %t: another error than before", name, late)
			require.NoError(t, b.Err())
			require.Equal(t, now, blocksOf(t, capture(t, b)), "something was changed")
		}
	}
	require.Equal(t, before, blocksOf(t, s), "the snapshot was changed")
}

// restore registers the new program's states and restores them, or the other way round. now is what b held before the
// step that may fail.
func (e *evolution) restore(t *testing.T, b *heapbackend.Backend[string], s *heapbackend.Snapshot, how way, late bool) (read func() any, now map[int][]byte, err error) {
	if late {
		restore(t, b, s, how)
		now = blocksOf(t, capture(t, b))
		read, err = e.register(b)
		return read, now, err
	}
	read, err = e.register(b)
	require.NoError(t, err)
	now = blocksOf(t, capture(t, b))
	staged, err := stage(b, s, how)
	if err == nil {
		err = b.Install(staged)
	}
	return read, now, err
}

// again checkpoints what was migrated and restores it: it is of the new version now.
func (e *evolution) again(t *testing.T, b *heapbackend.Backend[string]) {
	s := capture(t, b)
	for name, how := range ways {
		next := backend[string](t, whole())
		read, err := e.register(next)
		require.NoError(t, err)
		restore(t, next, s, how)
		require.Equal(t, e.want, read(), name)
	}
}

func requireSchemaError(t *testing.T, err error, text string, is error) {
	t.Helper()
	var schema *heapbackend.SchemaError
	require.ErrorAs(t, err, &schema)
	require.ErrorIs(t, err, heapbackend.ErrSchema)
	require.NotErrorIs(t, err, heapbackend.ErrCorrupt)
	require.NotEmpty(t, schema.State)
	require.Error(t, schema.Cause)
	for _, part := range []string{schema.State, schema.Registered, schema.Written, schema.Cause.Error(), text} {
		require.ErrorContains(t, err, part)
	}
	if is != nil {
		require.ErrorIs(t, err, is)
	}
}

type (
	readingV0 struct {
		Site  string
		Value int32
		Gone  []byte
		Scale float32
	}
	readingNow struct {
		Scale float64
		Added map[string]int
		Value int64
		Site  string
	}
)

// matched are the changes that need nothing of the program.
func matched() map[string]evolution {
	type inner struct{ A, B int16 }
	type innerNow struct{ B, C, A int32 }
	type outer struct {
		One  inner
		Many []inner
		By   map[string]inner
		At   *inner
	}
	type outerNow struct {
		At   *innerNow
		By   map[string]innerNow
		Many []innerNow
		One  innerNow
	}
	return map[string]evolution{
		"fields come, go, move and grow wider": inEveryKind(asIs[readingV0](), []readingV0{{"a", -5, []byte{1}, 0.5}, {}},
			asIs[readingNow](), []readingNow{{0.5, nil, -5, "a"}, {}}),
		"integers grow wider": becomes(asIs[int8](), []int8{-128, 0, 127}, asIs[int64](), []int64{-128, 0, 127}),
		"a sign comes":        becomes(asIs[uint8](), []uint8{0, 255}, asIs[int](), []int{0, 255}),
		"floats grow wider":   becomes(asIs[float32](), []float32{0.1, -3}, asIs[float64](), []float64{float64(float32(0.1)), -3}),
		"integers that fit grow narrower": becomes(asIs[int64](), []int64{-128, 127},
			asIs[int8](), []int8{-128, 127}),
		"structs inside": becomes(asIs[outer](), []outer{{inner{1, 2}, []inner{{3, 4}}, map[string]inner{"x": {5, 6}}, &inner{7, 8}}, {}},
			asIs[outerNow](), []outerNow{{&innerNow{B: 8, A: 7}, map[string]innerNow{"x": {B: 6, A: 5}}, []innerNow{{B: 4, A: 3}}, innerNow{B: 2, A: 1}}, {}}),
		"a codec stays": becomes(heapbackend.Options[int]{Codec: decimal{}}, []int{4}, heapbackend.Options[int]{Codec: decimal{}}, []int{4}),
	}
}

// The units of a value: seconds, milliseconds, and with a name.
type (
	waitV1 struct{ Seconds int64 }
	waitV2 struct{ Millis int64 }
	waitV3 struct {
		Millis int64
		Note   string
	}
)

var (
	toMillis = heapbackend.Migrate(1, func(w waitV1) (waitV2, error) { return waitV2{w.Seconds * 1000}, nil })
	toNotes  = heapbackend.Migrate(2, func(w waitV2) (waitV3, error) { return waitV3{w.Millis, "was nameless"}, nil })
	toText   = heapbackend.Migrate(3, func(w waitV3) (string, error) { return fmt.Sprint(w.Millis, " ", w.Note), nil })
)

// migrated are the changes that the program says how to make.
func migrated() map[string]evolution {
	thousand := func(n int64) (int64, error) { return n * 1000, nil }
	number := func(n int) (int, error) { return n, nil }
	return map[string]evolution{
		"the same type in another unit": inEveryKind(asIs[int64](), []int64{1, -2},
			version[int64](1, heapbackend.Migrate(0, thousand)), []int64{1000, -2000}),
		"one version": becomes(version[waitV1](1), []waitV1{{3}}, version[waitV2](2, toMillis), []waitV2{{3000}}),
		"three versions": becomes(version[waitV1](1), []waitV1{{3}, {4}},
			version[string](4, toMillis, toNotes, toText), []string{"3000 was nameless", "4000 was nameless"}),
		"from the middle": becomes(version[waitV2](2), []waitV2{{7}},
			version[string](4, toMillis, toNotes, toText), []string{"7 was nameless"}),
		"a version whose own fields have changed": becomes(version[struct{ Gone, Seconds int8 }](1), []struct{ Gone, Seconds int8 }{{9, 3}},
			version[waitV2](2, toMillis), []waitV2{{3000}}),
		"the newest version is not migrated": becomes(version[waitV1](4), []waitV1{{3}}, version[waitV1](4), []waitV1{{3}}),
		"fields come within the newest version": becomes(version[waitV2](2), []waitV2{{3}},
			version[waitV3](2), []waitV3{{Millis: 3}}),
		"codec to derived": becomes(heapbackend.Options[int]{Codec: decimal{}}, []int{5, 6},
			version[int](1, heapbackend.Migrate(0, number, heapbackend.Options[int]{Codec: decimal{}})), []int{5, 6}),
		"derived to codec": becomes(asIs[int](), []int{5, 6},
			heapbackend.Options[int]{Version: 1, Codec: decimal{}, Migrations: []heapbackend.Migration{heapbackend.Migrate(0, number)}}, []int{5, 6}),
		"there and back": becomes(asIs[int](), []int{5},
			version[int](2, heapbackend.Migrate(0, number), heapbackend.Migrate(1, number, heapbackend.Options[int]{Codec: decimal{}, Version: 1})), []int{5}),
		"to an interface of a program's codec": becomes(asIs[int](), []int{0, 8},
			heapbackend.Options[fmt.Stringer]{Version: 1, Codec: nameCodec{}, Clone: func(dst, src *fmt.Stringer) { *dst = *src },
				Migrations: []heapbackend.Migration{heapbackend.Migrate(0, func(n int) (fmt.Stringer, error) {
					if n == 0 {
						return nil, nil
					}
					return named("eight"), nil
				})}}, []fmt.Stringer{nil, named("eight")}),
	}
}

var errOdd = errors.New("odd")

// unmatched are the changes that need a version.
func unmatched() map[string]evolution {
	const register = "a higher Options.Version and a migration from version 0"
	other := "decimal/2"
	c1, c2 := heapbackend.Options[int]{Codec: decimal{}}, heapbackend.Options[int]{Codec: decimal{id: &other}}
	return map[string]evolution{
		"another type":                       refused(asIs[string](), []string{"1"}, asIs[int](), register),
		"another type inside":                refused(asIs[[]struct{ A string }](), []([]struct{ A string }){{{"x"}}}, asIs[[]struct{ A int }](), "[].A: it was string and is int"),
		"an integer to a float":              refused(asIs[int](), []int{1}, asIs[float64](), "it was int and is float64"),
		"a float grows narrower":             refused(asIs[float64](), []float64{1}, asIs[float32](), register),
		"an array grows":                     refused(asIs[[2]int](), [][2]int{{1}}, asIs[[3]int](), register),
		"integers that do not fit":           refused(asIs[int64](), []int64{1, 128}, asIs[int8](), "out of range"),
		"integers that have a sign":          refused(asIs[int64](), []int64{-1}, asIs[uint64](), register),
		"a number inside that does not fit":  refused(asIs[struct{ A int64 }](), []struct{ A int64 }{{1 << 40}}, asIs[struct{ A int32 }](), "out of range"),
		"codec to another":                   refused(c1, []int{1}, c2, `its values were written by codec "decimal/1" and are written by codec "decimal/2"`),
		"codec to derived without a version": refused(c1, []int{1}, asIs[int](), `its values were written by codec "decimal/1" and are int`),
		"derived to codec without a version": refused(asIs[int](), []int{1}, c1, `its values were int and are written by codec "decimal/1"`),
	}
}

// unmigrated are changes for which the program's migrations are not enough.
func unmigrated() map[string]evolution {
	odd := func(fail func() error) heapbackend.Migration {
		return heapbackend.Migrate(1, func(n int) (int, error) {
			if n%2 == 1 {
				return 0, fail()
			}
			return n, nil
		})
	}
	table := map[string]evolution{
		"a missing link": refused(version[waitV1](1), []waitV1{{1}}, version[waitV3](3, toNotes),
			"(no migration leads from version 1 to 3); register a migration from version 1"),
		"no migration at all": refused(asIs[int](), []int{1}, version[int](1), "register a migration from version 0"),
		"a newer version": refused(version[int](7), []int{1}, version[int](6),
			"(version 7 is newer than version 6); only a program that registers version 7 or newer can read it"),
		"a version to none": refused(version[int](1), []int{1}, asIs[int](), "List[string, int] but was written as List[string, int] version 1"),
		"a type that the version never had": refused(version[string](1), []string{"1"}, version[waitV2](2, toMillis),
			"a migration from version 1"),
		"a number that the version does not hold": refused(version[struct{ Seconds uint64 }](1), []struct{ Seconds uint64 }{{1 << 63}},
			version[waitV2](2, toMillis), "out of range"),
		"a codec that the version did not have": refused(version[int](1), []int{1},
			version[int](2, heapbackend.Migrate(1, func(n int) (int, error) { return n, nil }, heapbackend.Options[int]{Codec: decimal{}})),
			`its values were int and are written by codec "decimal/1"`),
		"a failing migration": refused(version[int](1), []int{0, 1, 2}, version[int](2, odd(func() error { return errOdd })),
			"(migration from version 1 to 2: odd); correct the migration"),
		"a panicking migration": refused(version[int](1), []int{0, 1, 2}, version[int](2, odd(func() error { panic(errOdd) })),
			"(migration from version 1 to 2: panic: odd)"),
		"a later migration fails": refused(asIs[int](), []int{1},
			version[int](2, heapbackend.Migrate(0, func(n int) (int, error) { return n, nil }), odd(func() error { panic("text") })),
			"(migration from version 1 to 2: panic: text)"),
		"a clone that panics": refused(asIs[int](), []int{1}, heapbackend.Options[[]int]{Version: 1, Clone: func(_, _ *[]int) { panic(errOdd) },
			Migrations: []heapbackend.Migration{heapbackend.Migrate(0, func(int) ([]int, error) { return nil, nil })}}, "panic: odd"),
	}
	for name, e := range table {
		if name == "a failing migration" || name == "a panicking migration" || name == "a clone that panics" {
			e.is = errOdd
			table[name] = e
		}
	}
	return table
}
