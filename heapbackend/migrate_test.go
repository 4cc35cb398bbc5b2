package heapbackend_test

import (
	"fmt"
	"math"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/heapbackend"
	"github.com/heapstate/heapstate/internal/wire"
)

// named is a value behind an interface, nameCodec what writes it.
type named string

func (n named) String() string { return string(n) }

type nameCodec struct{}

func (nameCodec) ID() string { return "names" }

func (nameCodec) Append(dst []byte, v *fmt.Stringer) ([]byte, error) {
	if *v == nil {
		return wire.AppendNil(dst), nil
	}
	return wire.AppendString(dst, (*v).String()), nil
}

func (nameCodec) Decode(src []byte, v *fmt.Stringer) ([]byte, error) {
	r := wire.NewReader(src)
	if !r.IsNil() {
		*v = named(r.String())
	}
	return r.Rest(), r.Err()
}

func TestFaultsOfMigrationsAreReportedTogether(t *testing.T) {
	same := func(n int) (int, error) { return n, nil }
	text := func(n int) (string, error) { return "", nil }
	step := func(from uint64) heapbackend.Migration { return heapbackend.Migrate(from, same) }
	for name, c := range map[string]struct {
		version uint64
		steps   []heapbackend.Migration
		want    []string
	}{
		"a gap": {5, []heapbackend.Migration{step(1), step(3), step(4)}, []string{"from version 1 is followed by one from version 3"}},
		"the wrong order, and not to the end": {9, []heapbackend.Migration{step(2), step(1)},
			[]string{"from version 2 is followed by one from version 1", "leads to version 2, but Options.Version is 9"}},
		"twice":               {3, []heapbackend.Migration{step(2), step(2)}, []string{"followed by one from version 2"}},
		"beyond the version":  {3, []heapbackend.Migration{step(2), step(3)}, []string{"leads to version 4, but Options.Version is 3"}},
		"without a version":   {0, []heapbackend.Migration{step(0)}, []string{"leads to version 1, but Options.Version is 0"}},
		"to another type":     {1, []heapbackend.Migration{heapbackend.Migrate(0, text)}, []string{"gives string, but the state holds int"}},
		"types that part":     {2, []heapbackend.Migration{heapbackend.Migrate(0, text), step(1)}, []string{"gives string, but the next takes int"}},
		"not made by Migrate": {1, []heapbackend.Migration{{}}, []string{"Migrations[0] was not made by Migrate"}},
		"no function":         {1, []heapbackend.Migration{heapbackend.Migrate[int, int](0, nil)}, []string{"its function is nil"}},
		"the last version":    {0, []heapbackend.Migration{step(math.MaxUint64)}, []string{"there is no later version"}},
		"a type that cannot be read": {1, []heapbackend.Migration{heapbackend.Migrate(0, func(chan int) (int, error) { return 0, nil })},
			[]string{"migration from version 0", "chan int"}},
		"its options": {3, []heapbackend.Migration{
			heapbackend.Migrate(1, same, heapbackend.Options[int]{Version: 2, Migrations: []heapbackend.Migration{step(0)}}),
			heapbackend.Migrate(2, same, heapbackend.Options[int]{}, heapbackend.Options[int]{})},
			[]string{"from version 1: its Options are of version 2", "give all to the state", "from version 2", "more than one Options"}},
	} {
		t.Run(name, func(t *testing.T) {
			o := heapbackend.Options[int]{Version: c.version, Migrations: c.steps}
			for kind, register := range map[string]func(b *heapbackend.Backend[string]) error{
				"value": func(b *heapbackend.Backend[string]) error { _, err := heapbackend.NewValue(b, "x", o); return err },
				"list":  func(b *heapbackend.Backend[string]) error { _, err := heapbackend.NewList(b, "x", o); return err },
				"map":   func(b *heapbackend.Backend[string]) error { _, err := heapbackend.NewMap[int](b, "x", o); return err },
			} {
				b := backend[string](t, whole())
				err := register(b)
				require.ErrorIs(t, err, heapbackend.ErrConfig, kind)
				for _, part := range c.want {
					require.ErrorContains(t, err, part, kind)
				}
				valueOf[int](t, b, "x") // the name is still free
			}
		})
	}
}

// TestKeysNeverChange has the exact cause of each refusal of a part that no migration reaches.
func TestKeysNeverChange(t *testing.T) {
	old := backend[string](t, whole())
	days, err := heapbackend.NamespacesOf[int](old)
	require.NoError(t, err)
	counts, err := heapbackend.NewValue[int](days, "counts")
	require.NoError(t, err)
	sums, baskets := valueOf[int](t, old, "sums"), mapOf[string, int](t, old, "baskets")
	for g := range 60 {
		k := fmt.Sprint(g)
		require.NoError(t, counts.Put(heapbackend.In(k, 1), 1))
		require.NoError(t, sums.Put(k, 1))
		require.NoError(t, baskets.Put(k, "x", 1))
	}
	s := capture(t, old)
	same := func(n int) (int, error) { return n, nil }
	o := heapbackend.Options[int]{Version: 1, Migrations: []heapbackend.Migration{heapbackend.Migrate(0, same)}}
	type texts = heapbackend.Backend[string]
	for name, c := range map[string]struct {
		register func(b *texts) error
		cause    string
	}{
		"namespace": {func(b *texts) error {
			n, err := heapbackend.NamespacesOf[composite](b)
			require.NoError(t, err)
			_, err = heapbackend.NewValue(n, "counts", o)
			return err
		}, "namespaces were int, now struct{A int32; F float64}"},
		"namespace gone": {func(b *texts) error { _, err := heapbackend.NewValue(b, "counts", o); return err }, "namespaces were int, now none"},
		"namespace new": {func(b *texts) error {
			n, err := heapbackend.NamespacesOf[int](b)
			require.NoError(t, err)
			_, err = heapbackend.NewValue(n, "sums", o)
			return err
		}, "namespaces were none, now int"},
		"map key": {func(b *texts) error { _, err := heapbackend.NewMap[int](b, "baskets", o); return err }, "map keys were string, now int"},
		"kind": {func(b *texts) error { _, err := heapbackend.NewMap[string](b, "sums", o); return err },
			"the kind was value, now map; map keys were none, now string"},
	} {
		for way, how := range ways {
			b := backend[string](t, whole())
			require.NoError(t, c.register(b))
			_, err := stage(b, s, how)
			requireSchemaError(t, err, "register it as it was written, or under another name", nil)
			var schema *heapbackend.SchemaError
			require.ErrorAs(t, err, &schema)
			require.EqualError(t, schema.Cause, c.cause, "%s, %s", name, way)
			late := backend[string](t, whole())
			restore(t, late, s, how)
			before := blocksOf(t, capture(t, late))
			require.EqualError(t, c.register(late), err.Error())
			require.Equal(t, before, blocksOf(t, capture(t, late)))
		}
	}
	for way, how := range ways {
		b := backend[uint64](t, whole())
		valueOf(t, b, "sums", o)
		_, err := stage(b, capture(t, sumsOnly(t)), how)
		var schema *heapbackend.SchemaError
		require.ErrorAs(t, err, &schema, way)
		require.EqualError(t, schema.Cause, "keys were string, now uint64")
	}
}

func sumsOnly(t *testing.T) *heapbackend.Backend[string] {
	b := backend[string](t, whole())
	require.NoError(t, valueOf[int](t, b, "sums").Put("k", 1))
	return b
}

// TestWhatAMigrationSharesIsCopied has a migration that gives every key the same slice: a write to one reaches no other.
func TestWhatAMigrationSharesIsCopied(t *testing.T) {
	old := backend[string](t, whole())
	v, m := valueOf[int](t, old, "v"), mapOf[int, int](t, old, "m")
	for i := range 40 {
		require.NoError(t, v.Put(fmt.Sprint(i), i))
		require.NoError(t, m.Put("k", i, i))
	}
	shared := []int{1, 2, 3}
	o := version[[]int](1, heapbackend.Migrate(0, func(int) ([]int, error) { return shared, nil }))
	for name, how := range ways {
		b := backend[string](t, whole())
		v, m := valueOf(t, b, "v", o), mapOf[int](t, b, "m", o)
		restore(t, b, capture(t, old), how)
		require.NoError(t, v.Update("7", func(x *[]int) { (*x)[0] = 99 }))
		require.NoError(t, m.Update("k", 7, func(x *[]int) { (*x)[0] = 99 }))
		for i := range 40 {
			one, _ := v.Get(fmt.Sprint(i))
			two, _ := m.Get("k", i)
			want := []int{1, 2, 3}
			if i == 7 {
				want[0] = 99
			}
			require.Equal(t, [][]int{want, want}, [][]int{one, two}, name)
		}
		require.Equal(t, []int{1, 2, 3}, shared)
	}
}

// TestAMigrationRunsOnceForEachValue also shows that a restore of some groups migrates those alone.
func TestAMigrationRunsOnceForEachValue(t *testing.T) {
	old := backend[uint64](t, whole())
	v := valueOf[int](t, old, "v")
	for g := range testM {
		for n := range 3 {
			require.NoError(t, v.Put(keyIn(t, g, n), 5))
		}
	}
	s := capture(t, old)
	for name, how := range ways {
		var calls atomic.Int64
		b := backend[uint64](t, part(2, 6))
		now := valueOf(t, b, "v", version[string](1, heapbackend.Migrate(0, func(n int) (string, error) {
			calls.Add(1)
			return fmt.Sprint(n), nil
		})))
		restore(t, b, s, how)
		require.EqualValues(t, 4*3, calls.Load(), name)
		for _, got := range now.All() {
			require.Equal(t, "5", got)
		}
	}
}

func TestVersionsAreWhatIsWritten(t *testing.T) {
	for version, name := range map[uint64]string{0: "Value[string, int]", 1 << 40: "Value[string, int] version 1099511627776"} {
		b := backend[string](t, whole())
		require.NoError(t, valueOf(t, b, "x", heapbackend.Options[int]{Version: version}).Put("k", 1))
		other := backend[string](t, whole())
		valueOf[string](t, other, "x")
		_, err := stage(other, capture(t, b), decoded)
		var schema *heapbackend.SchemaError
		require.ErrorAs(t, err, &schema)
		require.Equal(t, name, schema.Written)
	}
}

// TestGroupsCannotBeCarriedInTwoVersions keeps an unregistered state from becoming one of two meanings.
func TestGroupsCannotBeCarriedInTwoVersions(t *testing.T) {
	write := func(version uint64) *heapbackend.Snapshot {
		b := backend[uint64](t, whole())
		v := valueOf(t, b, "x", heapbackend.Options[int]{Version: version})
		for g := range testM {
			require.NoError(t, v.Put(keyIn(t, g, 0), 1))
		}
		return capture(t, b)
	}
	one, two := write(1), write(2)
	for name, how := range ways {
		b := backend[uint64](t, whole())
		first, err := how(b, one, 0)
		require.NoError(t, err)
		second, err := how(b, two, 1)
		require.NoError(t, err)
		require.ErrorIs(t, b.Install([]*heapbackend.Staged{first, second}), heapbackend.ErrSchema, name)
	}
}
