package keygroups_test

import (
	"math"
	"strconv"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/keygroups"
)

// Key types of every shape: packed, padded, named, nested, unexported, embedded.
type (
	customer string
	pair     struct{ A, B uint64 }
	mixed    struct {
		A int32
		B string
	}
	padded struct {
		A uint8
		B uint64
		C uint16
	}
	tailed struct {
		A uint64
		B uint8
	}
	floats struct {
		X, Y float64
		N    int16
	}
	hidden struct {
		id   int
		name customer
		flag bool
	}
	outer struct {
		pair
		Names [2]string
		Grid  [2][2]mixed
		Tail  padded
	}
	wrapped struct{ V uint64 }
)

// keyCase is a key with everything that is known of it, free of its type.
type keyCase struct {
	typ    string // Hasher.Type
	text   string // the key, for people
	key    any
	append func(dst []byte) []byte
	hash   func(t testing.TB, seed uint64) uint64
}

// caseOf makes the case of one key of a static type.
func caseOf[K comparable](text string, key K) keyCase {
	h, err := keygroups.NewHasher[K](0)
	if err != nil {
		panic(err)
	}
	return keyCase{
		typ: h.Type(), text: text, key: key,
		append: func(dst []byte) []byte { return h.Append(dst, key) },
		hash: func(t testing.TB, seed uint64) uint64 {
			h, err := keygroups.NewHasher[K](seed)
			require.NoError(t, err)
			require.Equal(t, seed, h.Seed())
			hash := h.Hash(key)
			if word, ok := h.HashWord(key); ok {
				require.Equal(t, hash, word)
			}
			return hash
		},
	}
}

// casesOf makes the cases of several keys of one integer type.
func casesOf[K int | int8 | int16 | int32 | int64](keys ...K) []keyCase {
	var cases []keyCase
	for _, key := range keys {
		cases = append(cases, caseOf(strconv.FormatInt(int64(key), 10), key))
	}
	return cases
}

// unsignedCasesOf is casesOf for unsigned integers.
func unsignedCasesOf[K uint | uint8 | uint16 | uint32 | uint64](keys ...K) []keyCase {
	var cases []keyCase
	for _, key := range keys {
		cases = append(cases, caseOf(strconv.FormatUint(uint64(key), 10), key))
	}
	return cases
}

// textOfLength is the text that the golden file calls text(n).
func textOfLength(n int) string {
	text := make([]byte, n)
	for i := range text {
		text[i] = "0123456789abcdefghijklmnopqrstuvwxyz."[i%37]
	}
	return string(text)
}

// textLengths touch every branch of XXH3: 0, 1-3, 4-8, 9-16, 17-128, 129-240, more.
var textLengths = []int{0, 1, 2, 3, 4, 5, 7, 8, 9, 12, 15, 16, 17, 31, 32, 33, 64, 65, 96, 97, 128, 129, 143, 144, 240, 241, 512, 1024, 1025}

// keyCases returns the keys that the tests and the golden file share. Cases may
// be added anywhere; none may ever be changed or removed.
func keyCases() []keyCase {
	var cases []keyCase
	add := func(more ...keyCase) { cases = append(cases, more...) }
	add(unsignedCasesOf[uint64](0, 1, 42, 255, 1<<32, math.MaxUint64, 0x0123456789abcdef)...)
	add(casesOf[int64](0, 1, -1, 42, math.MinInt64, math.MaxInt64)...)
	add(unsignedCasesOf[uint](0, 1, math.MaxUint32)...)
	add(casesOf[int](0, 1, -1, math.MinInt32, math.MaxInt32)...)
	add(unsignedCasesOf[uint32](0, 1, 97, math.MaxUint32)...)
	add(casesOf[int32](0, 1, -1, math.MinInt32, math.MaxInt32)...)
	add(unsignedCasesOf[uint16](0, 1, 0x1234, math.MaxUint16)...)
	add(casesOf[int16](0, -1, math.MinInt16, math.MaxInt16)...)
	add(unsignedCasesOf[uint8](0, 1, 127, 255)...)
	add(casesOf[int8](0, -1, -128, 127)...)
	add(caseOf("false", false), caseOf("true", true))
	add(floatCases()...)
	for _, n := range textLengths {
		add(caseOf("text("+strconv.Itoa(n)+")", textOfLength(n)))
	}
	add(caseOf(`"the"`, customer("the")), caseOf(`"grüße"`, "grüße"), caseOf(`"\x00"`, "\x00"), caseOf(`"\xff\xfe"`, "\xff\xfe"))
	add(compositeCases()...)
	return cases
}

func floatCases() []keyCase {
	return []keyCase{
		caseOf("0", 0.0), caseOf("-0", math.Copysign(0, -1)), caseOf("1", 1.0), caseOf("-1.5", -1.5),
		caseOf("+Inf", math.Inf(1)), caseOf("-Inf", math.Inf(-1)), caseOf("smallest", math.SmallestNonzeroFloat64),
		caseOf("NaN(7ff8000000000001)", math.NaN()), caseOf("NaN(ffffffffffffffff)", math.Float64frombits(math.MaxUint64)),
		caseOf("NaN(7ff0000000000001)", math.Float64frombits(0x7ff0000000000001)),
		caseOf("0", float32(0)), caseOf("-0", float32(math.Copysign(0, -1))), caseOf("1", float32(1)), caseOf("-1.5", float32(-1.5)),
		caseOf("+Inf", float32(math.Inf(1))), caseOf("NaN(7fc00000)", math.Float32frombits(0x7fc00000)),
		caseOf("NaN(ffffffff)", math.Float32frombits(math.MaxUint32)),
	}
}

func compositeCases() []keyCase {
	return []keyCase{
		caseOf("{}", struct{}{}), caseOf("[]", [0]uint64{}), caseOf("[{} {} {}]", [3]struct{}{}),
		caseOf("f47ac10b-58cc-4372-a567-0e02b2c3d479", uuid.MustParse("f47ac10b-58cc-4372-a567-0e02b2c3d479")),
		caseOf("00000000-0000-0000-0000-000000000000", uuid.UUID{}),
		caseOf("[1 2 3]", [3]uint8{1, 2, 3}), caseOf("[1 2 3 4]", [4]uint8{1, 2, 3, 4}), caseOf("[1 2 3 4 5 6 7 8]", [8]uint8{1, 2, 3, 4, 5, 6, 7, 8}),
		caseOf("[255 0 ... 1]", [32]uint8{0: 255, 31: 1}), caseOf("[-1 1]", [2]int32{-1, 1}), caseOf("[1 2 3]", [3]uint16{1, 2, 3}),
		caseOf("[-1 2]", [2]int{-1, 2}), caseOf("[1 2 3]", [3]uint{1, 2, 3}), caseOf("[true false]", [2]bool{true, false}),
		caseOf("[-0 NaN]", [2]float32{float32(math.Copysign(0, -1)), float32(math.NaN())}),
		caseOf(`["" "a" "bc"]`, [3]string{"", "a", "bc"}), caseOf(`["a" "" "bc"]`, [3]string{"a", "", "bc"}),
		caseOf("{7}", wrapped{7}), caseOf("{1 2}", pair{1, 2}), caseOf("{max 0}", pair{math.MaxUint64, 0}),
		caseOf(`{-2 "hi"}`, mixed{-2, "hi"}), caseOf("{1 text(127)}", mixed{1, textOfLength(127)}),
		caseOf("{1 text(128)}", mixed{1, textOfLength(128)}), caseOf("{1 text(1000)}", mixed{1, textOfLength(1000)}),
		caseOf("{1 2 3}", padded{1, 2, 3}), caseOf("{1 2}", tailed{1, 2}), caseOf("[{1 2} {3 4}]", [2]tailed{{1, 2}, {3, 4}}),
		caseOf("{-0 NaN -1}", floats{math.Copysign(0, -1), math.NaN(), -1}),
		caseOf(`{-5 "x" true}`, hidden{-5, "x", true}),
		caseOf("outer", outer{
			pair{1, 2},
			[2]string{"left", ""},
			[2][2]mixed{{{1, "a"}, {2, "b"}}, {{3, ""}, {4, textOfLength(40)}}},
			padded{9, 10, 11},
		}),
	}
}
