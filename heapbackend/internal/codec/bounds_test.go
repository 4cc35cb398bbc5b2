package codec_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/heapbackend/internal/codec"
	"github.com/heapstate/heapstate/internal/wire"
)

// frame is a struct that takes 64 KiB in memory.
type frame struct {
	N      int
	Pixels [8192]int64
}

// The types of a program whose structs refer to one another.
type (
	red   struct{ A, B, C, D, E, F *green }
	green struct{ A, B, C, D, E, F *blue }
	blue  struct {
		A, B, C *red
		D, E, F *green
		In      struct{ G, H, I, J, K, L int64 }
	}
)

// taken returns how many bytes fn allocates.
func taken(fn func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	fn()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// under reads a value of V from bytes of another type.
func under[V any](schema, data []byte) error {
	old, err := codec.ReadType(wire.NewReader(schema))
	if err != nil {
		return err
	}
	c, err := codec.For[V]()
	if err != nil {
		return err
	}
	if c, err = c.From(old); err != nil {
		return err
	}
	var v V
	return c.Decode(wire.NewReader(data), &v)
}

// empties is an array of n structs, or what else has no items.
func empties(n int) []byte {
	return append(wire.AppendArrayLen(nil, n), strings.Repeat("\x90", n)...)
}

// of is a type with that element.
func of(kind string, elem *codec.Type) *codec.Type { return &codec.Type{Kind: kind, Elem: elem} }

// A struct of which nothing was written takes a byte, so a schema that says so makes each byte a whole struct.
func TestASchemaDoesNotMakeFewBytesMuchMemory(t *testing.T) {
	none := &codec.Type{Kind: "struct"}
	number := &codec.Type{Kind: "struct", Fields: []codec.Field{{Name: "N", Type: &codec.Type{Kind: "int"}}}}
	text := &codec.Type{Kind: "string"}
	for name, tt := range map[string]struct {
		err  func(schema, data []byte) error
		old  *codec.Type
		data []byte
	}{
		"slice of structs":             {under[[]frame], of("slice", none), empties(4000)},
		"slice of pointers":            {under[[]*frame], of("slice", of("pointer", none)), empties(4000)},
		"slice of structs of a number": {under[[]frame], of("slice", number), append(empties(4000), make([]byte, 4000)...)},
		"structs inside structs": {under[[]struct{ F frame }], of("slice", &codec.Type{Kind: "struct",
			Fields: []codec.Field{{Name: "F", Type: none}}}), empties(4000)},
		"map": {under[map[string]frame], &codec.Type{Kind: "map", Key: text, Elem: none},
			append([]byte("\xde\x07\xd0"), strings.Repeat("\xa0\x90", 2000)...)},
	} {
		t.Run(name, func(t *testing.T) {
			schema := tt.old.Append(nil)
			require.Less(t, taken(func() {
				err := tt.err(schema, tt.data)
				require.ErrorIs(t, err, codec.ErrType)
				require.ErrorContains(t, err, "new fields take")
			}), uint64(1<<20), "for %d bytes", len(schema)+len(tt.data))
		})
	}
}

func TestFieldsOfAnyUsualSizeMayBeAdded(t *testing.T) {
	number := &codec.Type{Kind: "struct", Fields: []codec.Field{{Name: "N", Type: &codec.Type{Kind: "int"}}}}
	type wider struct {
		N      int
		Bucket [250]int64
		Names  []string
	}
	require.NoError(t, under[wider](number.Append(nil), []byte("\x91\x01")))
	require.NoError(t, under[[]wider](of("slice", number).Append(nil), []byte("\x92\x91\x01\x91\x02")))
}

// entangled returns the schema of n structs whose fields point to structs drawn from them all.
func entangled(rnd *rand.Rand, n int) []byte {
	pointers := make([]*codec.Type, n)
	for i := range pointers {
		pointers[i] = of("pointer", &codec.Type{Kind: "struct"})
	}
	for _, p := range pointers {
		for _, name := range []string{"A", "B", "C", "D", "E", "F", "gone"} {
			p.Elem.Fields = append(p.Elem.Fields, codec.Field{Name: name, Type: pointers[rnd.IntN(n)]})
		}
	}
	return pointers[0].Elem.Append(nil)
}

func TestMatchingTypesTakesMemoryByTheirBytes(t *testing.T) {
	const constant, perByte = 64 << 10, 512
	for seed := range uint64(100) {
		rnd := rand.New(rand.NewPCG(seed, 0))
		schema := entangled(rnd, 1+rnd.IntN(600))
		got := taken(func() { _ = under[red](schema, nil) })
		require.Less(t, got, uint64(constant+perByte*len(schema)), "seed %d: %d bytes", seed, len(schema))
	}
	schema := flattened(2000)
	got := taken(func() { require.ErrorContains(t, under[endless](schema, nil), "too entangled") })
	require.Less(t, got, uint64(constant+perByte*len(schema)))
}

// FuzzFrom reads any bytes under any schema.
func FuzzFrom(f *testing.F) {
	f.Add(of("slice", &codec.Type{Kind: "struct"}).Append(nil), empties(4000))
	f.Add(entangled(rand.New(rand.NewPCG(1, 1)), 40), []byte("\x96\xc0\xc0\xc0\xc0\xc0\xc0"))
	f.Add(codecOf[outer](f).Type().Append(nil), ours(f, &outer{Ptr: &inner{B: "x"}}))
	f.Add(codecOf[frame](f).Type().Append(nil), []byte("\x92\x01\x90"))
	f.Fuzz(func(t *testing.T, schema, data []byte) {
		few := uint64(256<<10 + 2048*(len(schema)+len(data)))
		for i, read := range []func(schema, data []byte) error{
			under[[]frame], under[map[string]*frame], under[red], under[endless], under[outer], under[[]map[int]inner],
		} {
			var err error
			require.Less(t, taken(func() { err = read(schema, data) }), few, "type %d: %v", i, fmt.Sprint(err))
		}
	})
}
