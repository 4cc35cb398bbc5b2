package heapbackend_test

import (
	"errors"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/vmihailenco/msgpack/v5"

	"github.com/heapstate/heapstate/heapbackend"
	"github.com/heapstate/heapstate/internal/wire"
)

// caseless writes names that differ in case alike.
type caseless string

func (c caseless) MarshalText() ([]byte, error) { return []byte(strings.ToLower(string(c))), nil }

func (c *caseless) UnmarshalText(b []byte) error {
	*c = caseless(b)
	return nil
}

// outcome prints all values but one alike.
type outcome int

func (o outcome) MarshalText() ([]byte, error) {
	if o == 1 {
		return []byte("ok"), nil
	}
	return []byte("unknown"), nil
}

func (o *outcome) UnmarshalText(b []byte) error {
	*o = 0
	if string(b) == "ok" {
		*o = 1
	}
	return nil
}

// limit is a number or infinity, which it writes as nil.
type limit struct {
	Infinite bool
	N        int
}

func (l limit) EncodeMsgpack(e *msgpack.Encoder) error {
	if l.Infinite {
		return e.EncodeNil()
	}
	return e.EncodeInt(int64(l.N))
}

func (l *limit) DecodeMsgpack(d *msgpack.Decoder) (err error) {
	l.N, err = d.DecodeInt()
	return err
}

// toggle needs no bytes when it is on.
type toggle struct{ On bool }

func (t toggle) MarshalBinary() ([]byte, error) {
	if t.On {
		return nil, nil
	}
	return []byte{0}, nil
}

func (t *toggle) UnmarshalBinary(b []byte) error {
	t.On = len(b) == 0
	return nil
}

// own is made of types that encode themselves, each in its way.
type own struct {
	Names  map[caseless]int
	Counts map[outcome]int
	Nested map[[1]struct{ Name caseless }]bool
	Limit  limit
	Upper  *limit
	Toggle toggle
	Switch *toggle
}

func TestWhatCouldNotBeReadDeclinesTheCheckpoint(t *testing.T) {
	for name, v := range map[string]own{
		"keys that are written alike":           {Names: map[caseless]int{"Go": 1, "GO": 2}},
		"a key that comes back as another":      {Names: map[caseless]int{"Go": 1}},
		"unknown values that are printed alike": {Counts: map[outcome]int{7: 1, 8: 2}},
		"such keys inside a key":                {Nested: map[[1]struct{ Name caseless }]bool{{{"a"}}: true, {{"A"}}: true}},
		"nil that is not zero":                  {Limit: limit{Infinite: true}},
		"nil below a pointer":                   {Upper: &limit{Infinite: true}},
	} {
		t.Run(name, func(t *testing.T) {
			b := backend[uint64](t, whole())
			s := valueOf[own](t, b, "owned")
			good, bad := keyIn(t, 3, 0), keyIn(t, 3, 1)
			require.NoError(t, s.Put(good, own{Names: map[caseless]int{"go": 1}}))
			require.NoError(t, s.Put(bad, v))
			snap := capture(t, b)
			block, n, err := snap.AppendGroup([]byte("before"), 3)
			require.Equal(t, "before", string(block))
			require.Zero(t, n)
			failed := (*heapbackend.EncodeError)(nil)
			require.ErrorAs(t, err, &failed)
			view, err := s.At(snap)
			require.NoError(t, err)
			require.Equal(t, bad, keysOf(view.InGroup(3))[failed.Entry], "the place is the entry's")

			require.NoError(t, s.Delete(bad))
			restore(t, backendWith[own](t, "owned"), capture(t, b), decoded)
		})
	}
}

func TestNilOfATypesOwnComesBack(t *testing.T) {
	b := backend[uint64](t, whole())
	s := valueOf[own](t, b, "owned")
	want := own{Toggle: toggle{true}, Switch: &toggle{true}}
	require.NoError(t, s.Put(1, want))
	for name, how := range ways {
		again := backend[uint64](t, whole())
		r := valueOf[own](t, again, "owned")
		restore(t, again, capture(t, b), how)
		got, ok := r.Get(1)
		require.True(t, ok)
		require.Equal(t, want, got, name)
	}
}

func backendWith[V any](t *testing.T, name string) *heapbackend.Backend[uint64] {
	b := backend[uint64](t, whole())
	valueOf[V](t, b, name)
	return b
}

func keysOf[K, V any](all iter.Seq2[K, V]) (keys []K) {
	for k := range all {
		keys = append(keys, k)
	}
	return keys
}

var errNegative = errors.New("negative")

// noNegatives is a codec that fails for some values.
type noNegatives struct{}

func (noNegatives) ID() string { return "no negatives" }

func (noNegatives) Append(dst []byte, v *int) ([]byte, error) {
	if *v < 0 {
		return dst, errNegative
	}
	return wire.AppendInt(dst, int64(*v)), nil
}

func (noNegatives) Decode(src []byte, v *int) ([]byte, error) {
	r := wire.NewReader(src)
	*v = int(r.Int())
	return r.Rest(), r.Err()
}

func TestAnEntryThatCannotBeWrittenIsNamed(t *testing.T) {
	plain := heapbackend.Options[int]{Codec: noNegatives{}}
	aging := plain
	aging.TTL = &heapbackend.TTL{After: time.Hour}
	cfg := whole()
	b := backend[uint64](t, cfg)
	values, aged := valueOf(t, b, "values", plain), valueOf(t, b, "aged", aging)
	lists, maps := listOf(t, b, "lists", plain), mapOf[string](t, b, "maps", plain)
	rules, err := heapbackend.NewBroadcast[string](b, "rules", plain)
	require.NoError(t, err)
	split, err := heapbackend.NewSplitList(b, "split", plain)
	require.NoError(t, err)
	bad := keyIn(t, 5, 7)
	for i := range 20 {
		k := keyIn(t, 5, i)
		for _, err := range []error{values.Put(k, i), aged.Put(k, i), lists.Append(k, i), maps.Put(k, "k", i),
			split.Append(i), rules.Put(string(rune('a'+i)), i)} {
			require.NoError(t, err)
		}
	}
	for name, tt := range map[string]struct {
		spoil, mend func() error
		group       int
		place       func(s *heapbackend.Snapshot) int
	}{
		"values": {func() error { return values.Put(bad, -1) }, func() error { return values.Put(bad, 1) }, 5, placeOf(t, values, bad)},
		"aged":   {func() error { return aged.Put(bad, -1) }, func() error { return aged.Delete(bad) }, 5, placeOf(t, aged, bad)},
		"lists": {func() error { return lists.Append(bad, -1) }, func() error { return lists.Delete(bad) }, 5, func(s *heapbackend.Snapshot) int {
			view, err := lists.At(s)
			require.NoError(t, err)
			return slices.Index(keysOf(view.InGroup(5)), bad)
		}},
		"maps": {func() error { return maps.Put(bad, "x", -1) }, func() error { return maps.Remove(bad, "x") }, 5, func(s *heapbackend.Snapshot) int {
			view, err := maps.At(s)
			require.NoError(t, err)
			return slices.Index(keysOf(view.InGroup(5)), bad)
		}},
		"rules": {func() error { return rules.Put("c", -1) }, func() error { return rules.Put("c", 1) }, testM, func(s *heapbackend.Snapshot) int {
			view, err := rules.At(s)
			require.NoError(t, err)
			return slices.Index(keysOf(view.All()), "c")
		}},
		"split": {func() error { return split.Append(-1) }, func() error { return split.Set(1) }, testM, func(*heapbackend.Snapshot) int { return 20 }},
	} {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, tt.spoil())
			s := capture(t, b)
			_, _, err := s.AppendGroup(nil, tt.group)
			want := &heapbackend.EncodeError{State: name, Group: tt.group, Entry: tt.place(s), Cause: errNegative}
			failed := (*heapbackend.EncodeError)(nil)
			require.ErrorAs(t, err, &failed)
			require.Equal(t, want, failed)
			require.ErrorIs(t, err, errNegative)
			require.NoError(t, b.Err(), "the backend stays usable")
			require.NoError(t, tt.mend())
			_, _, err = capture(t, b).AppendGroup(nil, tt.group)
			require.NoError(t, err)
		})
	}
}

func placeOf(t *testing.T, v *heapbackend.Value[uint64, int], k uint64) func(*heapbackend.Snapshot) int {
	return func(s *heapbackend.Snapshot) int {
		view, err := v.At(s)
		require.NoError(t, err)
		return slices.Index(keysOf(view.InGroup(5)), k)
	}
}

// refusing is a codec that stops to read what it writes.
type refusing struct{ stopped *bool }

func (refusing) ID() string { return "refusing" }

func (refusing) Append(dst []byte, v *int) ([]byte, error) {
	return wire.AppendInt(dst, int64(*v)), nil
}

func (c refusing) Decode(src []byte, v *int) ([]byte, error) {
	r := wire.NewReader(src)
	if *v = int(r.Int()); *c.stopped {
		return nil, errNegative
	}
	return r.Rest(), r.Err()
}

func TestWhatACaptureCannotReadBackEndsTheBackend(t *testing.T) {
	b, stopped := backend[uint64](t, checking()), false
	s := valueOf(t, b, "value", heapbackend.Options[int]{Codec: refusing{&stopped}})
	require.NoError(t, s.Put(keyIn(t, 3, 0), 1))
	capture(t, b).Release()
	stopped = true
	_, err := b.Capture()
	require.Equal(t, 3, requireFault(t, err, "value", heapbackend.FaultUnreadable).Group)
	require.Equal(t, err, b.Err())
	stopped = false
	_, err = b.Capture()
	require.ErrorIs(t, err, heapbackend.ErrCheck, "a job starts again, and finds it again")
}
