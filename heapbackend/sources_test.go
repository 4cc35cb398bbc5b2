package heapbackend_test

import (
	bignum "math/big"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/heapbackend"
)

// visit is a value of types that do not come back from bytes as every value of them is.
type visit struct {
	At    time.Time
	From  net.IP
	Seen  map[string]time.Time
	Hosts []net.IP
	N     *bignum.Int
	None  []int
}

func visitOf(at time.Time) visit {
	return visit{
		At: at, From: net.IPv4(10, 0, 0, 1).To4(), Seen: map[string]time.Time{"a": at, "b": {}},
		Hosts: []net.IP{net.IPv4(10, 0, 0, 2).To4(), {}, nil, net.IPv6loopback}, N: bignum.NewInt(-5), None: []int{},
	}
}

// visits is a backend with visits in every kind of state.
type visits struct {
	b     *heapbackend.Backend[uint64]
	value *heapbackend.Value[uint64, visit]
	list  *heapbackend.List[uint64, visit]
	m     *heapbackend.Map[uint64, string, visit]
	rules *heapbackend.Broadcast[string, visit]
	split *heapbackend.OperatorList[visit]
}

func newVisits(t *testing.T) *visits {
	b := backend[uint64](t, whole())
	s := &visits{b: b, value: valueOf[visit](t, b, "value")}
	s.list, s.m = listOf[visit](t, b, "list"), mapOf[string, visit](t, b, "map")
	var err error
	s.rules, err = heapbackend.NewBroadcast[string, visit](b, "rules")
	require.NoError(t, err)
	s.split, err = heapbackend.NewSplitList[visit](b, "split")
	require.NoError(t, err)
	return s
}

// all returns everything that is there, from one place after the other.
func (s *visits) all() (all []visit) {
	for k := range uint64(4) {
		v, _ := s.value.Get(k)
		w, _ := s.m.Get(k, "a")
		all = append(all, v, w)
		for v := range s.list.Get(k) {
			all = append(all, v)
		}
	}
	v, _ := s.rules.Get("a")
	all = append(all, v)
	for v := range s.split.All() {
		all = append(all, v)
	}
	return all
}

func TestEverySourceGivesTheSameValue(t *testing.T) {
	for name, at := range map[string]time.Time{
		"now": time.Now(), "zone": time.Date(2024, 1, 1, 0, 30, 0, 7, time.FixedZone("CET", 3600)),
		"zero": {}, "local": time.Unix(1e9, 0),
	} {
		t.Run(name, func(t *testing.T) {
			s := newVisits(t)
			v := visitOf(at)
			require.NoError(t, s.value.Put(1, v))
			require.NoError(t, s.value.Update(2, func(x *visit) { *x = v }))
			require.NoError(t, s.value.Update(2, func(x *visit) {
				x.At, x.Seen["c"], x.Hosts = at, at, append(x.Hosts, net.IPv4(1, 2, 3, 4).To4())
			}))
			require.NoError(t, s.m.Put(1, "a", v))
			require.NoError(t, s.m.Update(2, "a", func(x *visit) { x.At, x.From = at, v.From }))
			require.NoError(t, s.list.Append(1, v, v))
			require.NoError(t, s.list.Set(2, v))
			require.NoError(t, s.rules.Put("a", v))
			require.NoError(t, s.split.Append(v))
			live := s.all()
			require.Equal(t, at.UTC().Round(0), live[2].At)
			require.Equal(t, visitOf(at), v, "what was given stays as it was")
			snap := capture(t, s.b)
			for name, how := range map[string]way{"adopted": adopted, "decoded": decoded} {
				x := newVisits(t)
				var staged []*heapbackend.Staged
				for g := range snap.Blocks() {
					one, err := how(x.b, snap, g)
					require.NoError(t, err)
					staged = append(staged, one)
				}
				require.NoError(t, x.b.Install(staged))
				require.Equal(t, live, x.all(), name)
			}
		})
	}
}

// session has a field that is not written.
type session struct {
	N     int
	Cache string `msgpack:"-"`
}

// sessionCodec writes a session whole.
type sessionCodec struct{}

func (sessionCodec) ID() string { return "session" }

func (sessionCodec) Append(dst []byte, v *session) ([]byte, error) {
	return append(append(dst, 0xd9, byte(len(v.Cache))), v.Cache...), nil
}

func (sessionCodec) Decode(src []byte, v *session) ([]byte, error) {
	n := 2 + int(src[1])
	v.Cache = string(src[2:n])
	return src[n:], nil
}

func TestATypeThatWouldComeBackOtherwiseIsRefused(t *testing.T) {
	b := backend[uint64](t, whole())
	_, err := heapbackend.NewValue[session](b, "s")
	require.ErrorIs(t, err, heapbackend.ErrStateType)
	require.ErrorContains(t, err, "session.Cache")
	_, err = heapbackend.NewList[map[string][]session](b, "s")
	require.ErrorIs(t, err, heapbackend.ErrStateType)
	_, err = heapbackend.NewMap[string, *bignum.Float](b, "s")
	require.ErrorIs(t, err, heapbackend.ErrStateType)
	require.ErrorContains(t, err, "GobEncode")

	v := valueOf(t, b, "s", heapbackend.Options[session]{Codec: sessionCodec{}})
	require.NoError(t, v.Put(1, session{Cache: "warm"}))
	x := backend[uint64](t, whole())
	got := valueOf(t, x, "s", heapbackend.Options[session]{Codec: sessionCodec{}})
	restore(t, x, capture(t, b), decoded)
	s, _ := got.Get(1)
	require.Equal(t, "warm", s.Cache)

	valueOf(t, b, "left", heapbackend.Options[int]{Version: 1, Migrations: []heapbackend.Migration{
		heapbackend.Migrate(0, func(s session) (int, error) { return s.N, nil }), // as an older program wrote it
	}})
}

// nest is a value that may be nested to any depth.
type nest []nest

func nestOf(depth int) nest {
	v := nest{}
	for range depth - 1 {
		v = nest{v}
	}
	return v
}

// nested is one kind of state of nests, or one way to write to it.
type nested struct {
	name  string
	write func(t *testing.T, b *heapbackend.Backend[uint64], v nest) error
}

var nestedStates = []nested{
	{"put", func(t *testing.T, b *heapbackend.Backend[uint64], v nest) error {
		return valueOf[nest](t, b, "s").Put(1, v)
	}},
	{"update", func(t *testing.T, b *heapbackend.Backend[uint64], v nest) error {
		return valueOf[nest](t, b, "s").Update(1, func(x *nest) { *x = v })
	}},
	{"append", func(t *testing.T, b *heapbackend.Backend[uint64], v nest) error {
		return listOf[nest](t, b, "s").Append(1, v)
	}},
	{"map put", func(t *testing.T, b *heapbackend.Backend[uint64], v nest) error {
		return mapOf[string, nest](t, b, "s").Put(1, "a", v)
	}},
	{"reduce", func(t *testing.T, b *heapbackend.Backend[uint64], v nest) error {
		s, err := heapbackend.NewReducing(b, "s", func(_, b nest) nest { return b })
		require.NoError(t, err)
		require.NoError(t, s.Add(1, nest{}))
		return s.Add(1, v)
	}},
	{"broadcast", func(t *testing.T, b *heapbackend.Backend[uint64], v nest) error {
		s, err := heapbackend.NewBroadcast[string, nest](b, "s")
		require.NoError(t, err)
		return s.Put("a", v)
	}},
	{"split", func(t *testing.T, b *heapbackend.Backend[uint64], v nest) error {
		s, err := heapbackend.NewSplitList[nest](b, "s")
		require.NoError(t, err)
		return s.Append(v)
	}},
}

func TestOneLimitOfDepthEverywhere(t *testing.T) {
	ring := nest{nil}
	ring[0] = ring
	for _, state := range nestedStates {
		t.Run(state.name, func(t *testing.T) {
			for name, v := range map[string]nest{
				"one more": nestOf(heapbackend.MaxDepth + 1), "far more": nestOf(100_000), "cyclic": ring,
			} {
				b := backend[uint64](t, whole())
				err := state.write(t, b, v)
				require.ErrorIs(t, err, heapbackend.ErrDepth, name)
				require.ErrorContains(t, err, `"s"`)
				_, err = b.Capture()
				require.ErrorIs(t, err, heapbackend.ErrDepth, "no checkpoint lacks it")
			}
			b := backend[uint64](t, whole())
			require.NoError(t, state.write(t, b, nestOf(heapbackend.MaxDepth)))
			snap := capture(t, b)
			for _, how := range []way{adopted, decoded} { // into a backend that carries it, and on into another
				carries := backend[uint64](t, whole())
				carries2 := backend[uint64](t, whole())
				for _, x := range []*heapbackend.Backend[uint64]{carries, carries2} {
					var staged []*heapbackend.Staged
					for g := range snap.Blocks() {
						one, err := how(x, snap, g)
						require.NoError(t, err)
						staged = append(staged, one)
					}
					require.NoError(t, x.Install(staged))
					snap = capture(t, x)
				}
			}
			require.NotZero(t, len(blocksOf(t, snap)))
		})
	}
}

func TestAMigrationThatGoesTooDeepIsRefused(t *testing.T) {
	b := backend[uint64](t, whole())
	require.NoError(t, valueOf[int](t, b, "s").Put(keyIn(t, 0, 0), heapbackend.MaxDepth+1))
	x := backend[uint64](t, whole())
	valueOf(t, x, "s", heapbackend.Options[nest]{Version: 1, Migrations: []heapbackend.Migration{
		heapbackend.Migrate(0, func(n int) (nest, error) { return nestOf(n), nil }),
	}})
	_, err := adopted(x, capture(t, b), 0)
	require.ErrorIs(t, err, heapbackend.ErrSchema)
	require.ErrorIs(t, err, heapbackend.ErrDepth)
}
