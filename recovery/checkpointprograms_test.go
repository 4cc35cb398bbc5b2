package recovery

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/heapstate/heapstate/heapbackend"
	"github.com/heapstate/heapstate/internal/wire"
	"github.com/heapstate/heapstate/keygroups"
	"github.com/heapstate/heapstate/primary"
)

// checkpointPrograms are the programs whose checkpoints are kept. One that has a directory must go on writing and reading
// what it does; whatever else is to be kept gets a program of its own.
var checkpointPrograms = []checkpointProgram{
	{"basic-text-s2", primary.S2, openBasic(func(i int) string { return fmt.Sprint("customer ", i) })},
	{"basic-number-zstd", primary.Zstd, openBasic(func(i int) uint64 { return uint64(i) << (i % 40) })},
	{"basic-struct-none", primary.None, openBasic(func(i int) goldenPlace {
		return goldenPlace{Row: int16(-i), Name: strconv.Itoa(i * i), Cell: [2]uint8{uint8(i), 9}}
	})},
	{"kinds-s2", primary.S2, openKinds},
}

const goldenKeys = 40

// The types of keys and values. They stay as they are: reading them by name is tested elsewhere.
type (
	goldenPlace struct {
		Row  int16
		Name string
		Cell [2]uint8
	}
	goldenOrder struct {
		ID     uint64
		Price  float64
		Rate   float32
		Paid   bool
		Note   string
		Raw    []byte
		Sum    [4]byte
		At     time.Time
		Lines  []goldenLine
		Labels map[string]int16
		Parent *goldenOrder
		Short  int8 `msgpack:"short"`
	}
	goldenLine struct {
		Item  string
		Count int32
	}
)

func goldenOrderOf(i, round int) goldenOrder {
	o := goldenOrder{
		ID: uint64(i) << 40, Price: float64(i) / 3, Rate: float32(i) / 7, Paid: i%2 == 0, Note: fmt.Sprint("round ", round),
		Raw: []byte{byte(i), 0, 255}, Sum: [4]byte{1, 2, 3, byte(i)}, At: time.Unix(int64(i)*1e9, int64(i)*1e7).UTC(), Short: int8(-i),
	}
	if i%3 > 0 {
		o.Lines = []goldenLine{{"a", 1}, {"", int32(-i)}}
		o.Labels, o.Parent = map[string]int16{"x": -300, "b": int16(i)}, &goldenOrder{Note: "parent"}
	}
	return o
}

// goldenDecimal is a program's own codec: numbers as text.
type goldenDecimal struct{}

func (goldenDecimal) ID() string { return "golden/decimal" }

func (goldenDecimal) Append(dst []byte, v *int) ([]byte, error) {
	return wire.AppendString(dst, strconv.Itoa(*v)), nil
}

func (goldenDecimal) Decode(src []byte, v *int) (_ []byte, err error) {
	r := wire.NewReader(src)
	*v, err = strconv.Atoi(r.String())
	return r.Rest(), errors.Join(r.Err(), err)
}

// basic has values, lists and maps of several types.
type basic[K comparable] struct {
	backend  *heapbackend.Backend[K]
	hash     keygroups.Hasher[K]
	key      func(i int) K
	sums     *heapbackend.Value[K, int64]
	orders   *heapbackend.Value[K, goldenOrder]
	decimals *heapbackend.Value[K, int]
	delays   *heapbackend.Value[K, uint32] // of version 3
	flags    *heapbackend.Value[K, struct{}]
	names    *heapbackend.List[K, string]
	lines    *heapbackend.List[K, goldenLine]
	baskets  *heapbackend.Map[K, string, goldenLine]
	scores   *heapbackend.Map[K, int32, float64]
}

func openBasic[K comparable](key func(i int) K) func(heapbackend.Config) (checkpointStates, error) {
	return func(cfg heapbackend.Config) (checkpointStates, error) {
		hash, err := keygroups.NewHasher[K](cfg.Seed)
		if err != nil {
			return checkpointStates{}, err
		}
		b, err := heapbackend.New[K](cfg)
		if err != nil {
			return checkpointStates{}, err
		}
		s := &basic[K]{backend: b, hash: hash, key: key}
		return checkpointStates{b, s.fill, s.entries}, s.register()
	}
}

func (s *basic[K]) register() error {
	var errs [9]error
	s.sums, errs[0] = heapbackend.NewValue[int64](s.backend, "sums")
	s.orders, errs[1] = heapbackend.NewValue[goldenOrder](s.backend, "orders")
	s.decimals, errs[2] = heapbackend.NewValue(s.backend, "decimals", heapbackend.Options[int]{Codec: goldenDecimal{}})
	s.delays, errs[3] = heapbackend.NewValue(s.backend, "delays", heapbackend.Options[uint32]{Version: 3})
	s.flags, errs[4] = heapbackend.NewValue[struct{}](s.backend, "flags")
	s.names, errs[5] = heapbackend.NewList[string](s.backend, "names")
	s.lines, errs[6] = heapbackend.NewList[goldenLine](s.backend, "lines")
	s.baskets, errs[7] = heapbackend.NewMap[string, goldenLine](s.backend, "baskets")
	s.scores, errs[8] = heapbackend.NewMap[int32, float64](s.backend, "scores")
	return errors.Join(errs[:]...)
}

func (s *basic[K]) fill(round int) error {
	if round == 0 {
		return nil
	}
	var errs []error
	cfg := s.backend.Config()
	for i := range goldenKeys * round {
		k := s.key(i)
		if g := keygroups.Of(s.hash.Hash(k), cfg.M); !cfg.Range.Contains(g) {
			continue
		}
		errs = append(errs, s.sums.Update(k, func(n *int64) { *n += int64(i*round) - 30 }), s.decimals.Put(k, i*round),
			s.delays.Put(k, uint32(i*round)<<10), s.names.Append(k, fmt.Sprint("name ", i, " in round ", round)),
			s.baskets.Put(k, fmt.Sprint("basket ", round), goldenLine{"tea", int32(i)}), s.scores.Put(k, int32(i*round-20), float64(i)/8))
		if i%4 == 0 {
			errs = append(errs, s.orders.Put(k, goldenOrderOf(i, round)), s.lines.Append(k, goldenLine{"x", int32(i)}, goldenLine{"", -1}))
		}
		if i%5 == round {
			errs = append(errs, s.flags.Put(k, struct{}{}), s.decimals.Delete(k))
		}
	}
	return errors.Join(errs...)
}

func (s *basic[K]) entries(line func(state string, key, value any)) {
	each(line, s.sums)
	each(line, s.orders)
	each(line, s.decimals)
	each(line, s.delays)
	each(line, s.flags)
	for k, v := range s.names.All() {
		line("names", k, slices.Collect(v))
	}
	for k, v := range s.lines.All() {
		line("lines", k, slices.Collect(v))
	}
	for k, v := range s.baskets.All() {
		line("baskets", k, maps.Collect(v))
	}
	for k, v := range s.scores.All() {
		line("scores", k, maps.Collect(v))
	}
}

func each[K comparable, V any](line func(state string, key, value any), s *heapbackend.Value[K, V]) {
	for k, v := range s.All() {
		line(s.Name(), k, v)
	}
}
