package fuzz

import (
	"bytes"
	"math"
	"math/bits"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/keygroups"
)

// Key types whose parts could run into each other, or have bytes that are not part of the key.
type (
	names  struct{ First, Last string }
	padded struct {
		A uint8
		B uint64
		C bool
	}
	place struct {
		X, Y float64
		Z    float32
	}
	nested struct {
		names
		At   [2]place
		Tags [2][2]string
		id   int16
	}
	label string
)

// raw is what the fuzzer makes one key of each type from.
type raw struct {
	n    uint64
	f    float64
	s    string
	cut  int // where s is divided in two
	flag bool
}

func (r raw) halves() (string, string) {
	at := min(r.cut, len(r.s))
	return r.s[:at], r.s[at:]
}

func (r raw) names() names { a, b := r.halves(); return names{a, b} }
func (r raw) place() place { return place{r.f, -r.f, math.Float32frombits(uint32(r.n))} }
func (r raw) nested() nested {
	a, b := r.halves()
	return nested{r.names(), [2]place{r.place(), {Y: r.f}}, [2][2]string{{a, b}, {r.s}}, int16(r.n)}
}

// FuzzKeyEncoding takes two keys of each type: their encodings are the same exactly if the keys are, equal keys have one
// hash and one group, and the typed and the untyped way agree.
func FuzzKeyEncoding(f *testing.F) {
	nan := math.Float64frombits(0xfff8_0000_0000_0001)
	f.Add(uint64(1), uint64(1), 0.0, math.Copysign(0, -1), "ab", "ab", byte(1), byte(2), true, uint64(0), uint16(127))
	f.Add(uint64(255), uint64(1)<<63, nan, math.NaN(), "", "\x00", byte(0), byte(0), false, uint64(42), uint16(0))
	f.Add(uint64(math.MaxUint64), uint64(0), 1.5, -1.5, "a long string, longer than any stack buffer would be: "+string(make([]byte, 200)), "a",
		byte(100), byte(1), true, uint64(math.MaxUint64), uint16(keygroups.Max-1))
	f.Fuzz(func(t *testing.T, n1, n2 uint64, f1, f2 float64, s1, s2 string, cut1, cut2 byte, flag bool, seed uint64, last uint16) {
		a := raw{n1, f1, s1, int(cut1), flag}
		b := raw{n2, f2, s2, int(cut2), !flag}
		k := keyCheck{t: t, seed: seed, m: int(last)%keygroups.Max + 1}
		text, err := keygroups.NewHasher[string](seed)
		require.NoError(t, err)
		k.text = text
		for _, b := range []raw{b, {a.n, b.f, a.s, b.cut, a.flag}} {
			checkKeys(k, a.n, b.n)
			checkKeys(k, int64(a.n), int64(b.n))
			checkKeys(k, int(a.n), int(b.n))
			checkKeys(k, uint32(a.n), uint32(b.n))
			checkKeys(k, int32(a.n), int32(b.n))
			checkKeys(k, uint16(a.n), uint16(b.n))
			checkKeys(k, int8(a.n), int8(b.n))
			checkKeys(k, a.flag, b.flag)
			checkKeys(k, a.f, b.f)
			checkKeys(k, float32(a.f), float32(b.f))
			checkKeys(k, math.Float64frombits(a.n), math.Float64frombits(b.n))
			checkKeys(k, a.s, b.s)
			checkKeys(k, label(a.s), label(b.s))
			checkKeys(k, [16]byte(append([]byte(a.s), make([]byte, 16)...)), [16]byte(append([]byte(b.s), make([]byte, 16)...)))
			checkKeys(k, uuid.UUID{byte(a.n), 15: byte(a.cut)}, uuid.UUID{byte(b.n), 15: byte(b.cut)})
			checkKeys(k, [3]uint16{uint16(a.n), 1}, [3]uint16{uint16(b.n), 1})
			checkKeys(k, [2]uint64{a.n, b.n}, [2]uint64{b.n, a.n})
			checkKeys(k, [2]string{a.s, b.s}, [2]string{b.s, a.s})
			checkKeys(k, a.names(), b.names())
			checkKeys(k, padded{uint8(a.n), a.n, a.flag}, padded{uint8(b.n), b.n, b.flag})
			checkKeys(k, a.place(), b.place())
			checkKeys(k, a.nested(), b.nested())
		}
	})
}

type keyCheck struct {
	t    *testing.T
	seed uint64
	m    int
	text keygroups.Hasher[string]
}

func checkKeys[K comparable](c keyCheck, a, b K) {
	c.t.Helper()
	h, err := keygroups.NewHasher[K](c.seed)
	require.NoError(c.t, err)
	ea, eb := h.Append([]byte("before"), a), h.Append(nil, b)
	if string(ea[:6]) != "before" {
		c.t.Fatalf("%s: Append changed what was there", h.Type())
	}
	ea = ea[6:]
	same := h.Equal(a, b)
	if same != bytes.Equal(ea, eb) {
		c.t.Fatalf("%s: Equal(%#v, %#v) is %v, the encodings are %x and %x", h.Type(), a, b, same, ea, eb)
	}
	if a == b && !same || h.Exact() && same != (a == b) {
		c.t.Fatalf("%s: %#v and %#v: == is %v, Equal is %v", h.Type(), a, b, a == b, same)
	}
	if !h.Equal(a, a) || same && h.Hash(a) != h.Hash(b) {
		c.t.Fatalf("%s: %#v and %#v: not equal to itself, or equal with two hashes", h.Type(), a, b)
	}
	checkKey(c, &h, a, ea)
}

// checkKey checks everything there is to say about one key. The hash is of the encoding and of nothing else: the
// encoding as a key of its own has the same.
func checkKey[K comparable](c keyCheck, h *keygroups.Hasher[K], k K, encoded []byte) {
	c.t.Helper()
	hash := h.Hash(k)
	untyped, err := keygroups.AppendAny(nil, k)
	require.NoError(c.t, err)
	other, err := keygroups.HashAny(k, c.seed)
	require.NoError(c.t, err)
	word, ok := h.HashWord(k)
	switch {
	case !bytes.Equal(encoded, untyped):
		c.t.Fatalf("%s: %#v: %x typed, %x untyped", h.Type(), k, encoded, untyped)
	case hash != other, ok && hash != word, hash != c.text.Hash(string(encoded)):
		c.t.Fatalf("%s: %#v, seed %d: hash %x, %x untyped, %x as a word (%v), %x of its encoding",
			h.Type(), k, c.seed, hash, other, word, ok, c.text.Hash(string(encoded)))
	}
	group := keygroups.Of(hash, c.m)
	if want, _ := bits.Mul64(hash, uint64(c.m)); group != int(want) || group < 0 || group >= c.m {
		c.t.Fatalf("hash %x is in group %d of %d, want %d", hash, group, c.m, want)
	}
	p := 1 + int(hash%uint64(c.m))
	task, err := keygroups.TaskOf(c.m, p, group)
	require.NoError(c.t, err)
	r, err := keygroups.RangeOf(c.m, p, task)
	require.NoError(c.t, err)
	if !r.Contains(group) {
		c.t.Fatalf("group %d of %d is task %d's of %d, which owns %v", group, c.m, task, p, r)
	}
}
