package keygroups_test

import (
	"encoding/hex"
	"math"
	"strconv"
	"sync"
	"testing"
	"unsafe"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"github.com/zeebo/xxh3"

	"github.com/heapstate/heapstate/keygroups"
)

var seeds = []uint64{0, 1, 0x9e3779b97f4a7c15, math.MaxUint64}

func TestEncodingIsTheDocumentedOne(t *testing.T) {
	for _, c := range keyCases() {
		want := encodeByTheBook(c.key)
		require.Equal(t, hex.EncodeToString(want), hex.EncodeToString(c.append(nil)), "%s %s", c.typ, c.text)
		require.Equal(t, "kept"+string(want), string(c.append([]byte("kept"))), "%s %s", c.typ, c.text)
	}
}

func TestHashIsXXH3OfTheEncoding(t *testing.T) {
	for _, c := range keyCases() {
		for _, seed := range seeds {
			require.Equal(t, xxh3.HashSeed(encodeByTheBook(c.key), seed), c.hash(t, seed), "%s %s seed=%#x", c.typ, c.text, seed)
		}
	}
}

func TestUntypedTwinsAgree(t *testing.T) {
	for _, c := range keyCases() {
		for _, seed := range seeds {
			hash, err := keygroups.HashAny(c.key, seed)
			require.NoError(t, err)
			require.Equal(t, c.hash(t, seed), hash, "%s %s seed=%#x", c.typ, c.text, seed)
		}
		encoded, err := keygroups.AppendAny([]byte("kept"), c.key)
		require.NoError(t, err)
		require.Equal(t, string(c.append([]byte("kept"))), string(encoded), "%s %s", c.typ, c.text)
	}
}

func TestHashWordIsForEightBytesOfIntegers(t *testing.T) {
	requireWord(t, true, uint64(0x0123456789abcdef))
	requireWord(t, true, int64(-1))
	requireWord(t, true, wrapped{7})
	requireWord(t, true, [8]uint8{1, 2, 3, 4, 5, 6, 7, 8})
	requireWord(t, strconv.IntSize == 64, -1)
	requireWord(t, false, uint32(1))
	requireWord(t, false, 1.5)
	requireWord(t, false, "8 bytes!")
	requireWord(t, false, pair{1, 2})
	requireWord(t, false, struct {
		A uint8
		B uint32
	}{1, 2})
}

func requireWord[K comparable](t *testing.T, want bool, key K) {
	t.Helper()
	h, err := keygroups.NewHasher[K](9)
	require.NoError(t, err)
	hash, ok := h.HashWord(key)
	require.Equal(t, want, ok, "%T", key)
	if ok {
		require.Equal(t, h.Hash(key), hash, "%T", key)
	} else {
		require.Zero(t, hash, "%T", key)
	}
}

func TestEveryLengthOfTextAndBytes(t *testing.T) {
	h, err := keygroups.NewHasher[string](3)
	require.NoError(t, err)
	inside, err := keygroups.NewHasher[mixed](3)
	require.NoError(t, err)
	for n := range 600 {
		text := textOfLength(n)
		require.Equal(t, xxh3.HashStringSeed(text, 3), h.Hash(text), "length %d", n)
		key := mixed{int32(n), text}
		require.Equal(t, xxh3.HashSeed(encodeByTheBook(key), 3), inside.Hash(key), "length %d", n)
	}
}

// Padding is memory of a key that is no part of it: whatever it holds, the hash
// and the encoding are the same.
func TestPaddingDoesNotCount(t *testing.T) {
	requirePaddingDoesNotCount(t, func(k *padded) { k.A, k.B, k.C = 1, 2, 3 })
	requirePaddingDoesNotCount(t, func(k *tailed) { k.A, k.B = 1, 2 })
}

func requirePaddingDoesNotCount[K comparable](t *testing.T, set func(*K)) {
	t.Helper()
	h, err := keygroups.NewHasher[[2]K](5)
	require.NoError(t, err)
	var clean, dirty [2]K // two, as these go to a function through memory
	raw := unsafe.Slice((*byte)(unsafe.Pointer(&dirty)), unsafe.Sizeof(dirty))
	for i := range raw {
		raw[i] = 0xff
	}
	for i := range clean {
		set(&clean[i])
		set(&dirty[i])
	}
	require.Equal(t, h.Hash(clean), h.Hash(dirty))
	require.Equal(t, h.Append(nil, clean), h.Append(nil, dirty))
	require.True(t, h.Equal(clean, dirty))
}

func TestStringsInsideKeysDoNotRunTogether(t *testing.T) {
	h, err := keygroups.NewHasher[[2]string](0)
	require.NoError(t, err)
	require.NotEqual(t, h.Append(nil, [2]string{"ab", "c"}), h.Append(nil, [2]string{"a", "bc"}))
	require.NotEqual(t, h.Append(nil, [2]string{"", "a"}), h.Append(nil, [2]string{"a", ""}))
}

func TestFloatsThatAreOneKey(t *testing.T) {
	negative, quiet, loud := math.Copysign(0, -1), math.NaN(), math.Float64frombits(0x7ff0000000000001)
	requireOneKey(t, true, 0.0, negative)
	requireOneKey(t, true, quiet, loud)
	requireOneKey(t, true, quiet, -loud)
	requireOneKey(t, false, 0.0, quiet)
	requireOneKey(t, false, 1.0, -1.0)
	requireOneKey(t, true, float32(0), float32(negative))
	requireOneKey(t, true, math.Float32frombits(0x7f800001), math.Float32frombits(0xffffffff))
	requireOneKey(t, false, float32(1), float32(2))
	requireOneKey(t, true, floats{0, quiet, 1}, floats{negative, loud, 1})
	requireOneKey(t, false, floats{0, quiet, 1}, floats{negative, loud, 2})
	requireOneKey(t, true, [2]float32{0, 1}, [2]float32{float32(negative), 1})
	requireOneKey(t, false, [2]float32{0, 1}, [2]float32{0, 2})
}

// requireOneKey checks Equal, both ways round, against hash, encoding and oneKey.
func requireOneKey[K comparable](t *testing.T, oneKey bool, a, b K) {
	t.Helper()
	h, err := keygroups.NewHasher[K](11)
	require.NoError(t, err)
	require.False(t, h.Exact())
	require.Equal(t, oneKey, h.Equal(a, b))
	require.Equal(t, oneKey, h.Equal(b, a))
	require.True(t, h.Equal(a, a))
	require.Equal(t, oneKey, h.Hash(a) == h.Hash(b))
	require.Equal(t, oneKey, string(h.Append(nil, a)) == string(h.Append(nil, b)))
}

func TestExactKeysAreComparedWithGo(t *testing.T) {
	h, err := keygroups.NewHasher[outer](0)
	require.NoError(t, err)
	require.True(t, h.Exact())
	a := outer{Names: [2]string{"a", "b"}}
	b := a
	require.True(t, h.Equal(a, b))
	b.Grid[1][1].B = "x"
	require.False(t, h.Equal(a, b))
}

// everything has each kind of part beside a float, so that Equal is not ==.
type everything struct {
	F    float64
	G    float32
	I    int
	U    uint
	A    int8
	B    uint16
	C    int32
	D    uint64
	T    bool
	S    string
	Many [2]struct {
		S string
		N int64
	}
}

func TestEqualSeesEveryPart(t *testing.T) {
	h, err := keygroups.NewHasher[everything](0)
	require.NoError(t, err)
	require.True(t, h.Equal(everything{}, everything{}))
	for name, change := range map[string]func(*everything){
		"F": func(e *everything) { e.F = 1 }, "G": func(e *everything) { e.G = 1 },
		"I": func(e *everything) { e.I = -1 }, "U": func(e *everything) { e.U = 1 },
		"A": func(e *everything) { e.A = 1 }, "B": func(e *everything) { e.B = 1 },
		"C": func(e *everything) { e.C = 1 }, "D": func(e *everything) { e.D = 1 << 63 },
		"T": func(e *everything) { e.T = true }, "S": func(e *everything) { e.S = "s" },
		"Many[0].S": func(e *everything) { e.Many[0].S = "s" }, "Many[1].N": func(e *everything) { e.Many[1].N = 1 },
	} {
		var changed everything
		change(&changed)
		require.False(t, h.Equal(everything{}, changed), name)
		require.NotEqual(t, h.Append(nil, everything{}), h.Append(nil, changed), name)
		require.NotEqual(t, h.Hash(everything{}), h.Hash(changed), name)
	}
}

func TestTypeNames(t *testing.T) {
	for want, got := range map[string]string{
		"string":                                 typeName[customer](t),
		"uint64":                                 typeName[uint64](t),
		"int":                                    typeName[int](t),
		"[16]uint8":                              typeName[uuid.UUID](t),
		"struct{}":                               typeName[struct{}](t),
		"struct{A int32; B string}":              typeName[mixed](t),
		"struct{id int; name string; flag bool}": typeName[hidden](t),
		"[2][3]struct{X float64; Y float64; N int16}": typeName[[2][3]floats](t),
		"struct{pair struct{A uint64; B uint64}; Names [2]string; Grid [2][2]struct{A int32; B string}; " +
			"Tail struct{A uint8; B uint64; C uint16}}": typeName[outer](t),
	} {
		require.Equal(t, want, got)
	}
}

func typeName[K comparable](t *testing.T) string {
	t.Helper()
	h, err := keygroups.NewHasher[K](0)
	require.NoError(t, err)
	return h.Type()
}

func TestHashAllocatesNothing(t *testing.T) {
	requireNoAllocation(t, uint64(1))
	requireNoAllocation(t, int(1))
	requireNoAllocation(t, int32(1))
	requireNoAllocation(t, uint8(1))
	requireNoAllocation(t, true)
	requireNoAllocation(t, 1.5)
	requireNoAllocation(t, float32(1.5))
	requireNoAllocation(t, textOfLength(40))
	requireNoAllocation(t, uuid.UUID{1})
	requireNoAllocation(t, [32]uint8{1})
	requireNoAllocation(t, pair{1, 2})
	requireNoAllocation(t, padded{1, 2, 3})
	requireNoAllocation(t, floats{1, 2, 3})
	requireNoAllocation(t, mixed{1, "short"})
	requireNoAllocation(t, outer{})
	requireNoAllocation(t, [50]padded{})
	requireNoAllocation(t, mixed{1, textOfLength(400)})
}

func requireNoAllocation[K comparable](t *testing.T, key K) {
	t.Helper()
	h, err := keygroups.NewHasher[K](1)
	require.NoError(t, err)
	buffer := make([]byte, 0, 1024)
	require.Zero(t, testing.AllocsPerRun(100, func() { h.Hash(key) }), "Hash of %T", key)
	require.Zero(t, testing.AllocsPerRun(100, func() { h.Equal(key, key) }), "Equal of %T", key)
	require.Zero(t, testing.AllocsPerRun(100, func() { h.Append(buffer, key) }), "Append of %T", key)
}

// Long keys share pooled buffers between goroutines.
func TestLongKeysFromManyGoroutines(t *testing.T) {
	h, err := keygroups.NewHasher[[2]string](1)
	require.NoError(t, err)
	var all sync.WaitGroup
	for g := range 8 {
		all.Go(func() {
			for n := range 300 {
				key := [2]string{textOfLength(n * (g + 1)), textOfLength(100 * g)}
				if got, want := h.Hash(key), xxh3.HashSeed(encodeByTheBook(key), 1); got != want {
					t.Errorf("goroutine %d, n %d: %#x, want %#x", g, n, got, want)
					return
				}
			}
		})
	}
	all.Wait()
}

func TestVeryLongKeys(t *testing.T) {
	h, err := keygroups.NewHasher[[1]string](1)
	require.NoError(t, err)
	for _, n := range []int{1 << 10, 60_000, 70_000, 1 << 20, 10} {
		key := [1]string{textOfLength(n)}
		require.Equal(t, xxh3.HashSeed(encodeByTheBook(key), 1), h.Hash(key), "length %d", n)
	}
}
