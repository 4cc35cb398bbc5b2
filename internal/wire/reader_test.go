package wire_test

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/vmihailenco/msgpack/v5"

	"github.com/heapstate/heapstate/internal/wire"
)

func Example() {
	b := wire.AppendArrayLen(nil, 2)
	b = wire.AppendString(b, "clicks")
	b = wire.AppendInt(b, 42)

	r := wire.NewReader(b)
	n, name, count := r.ArrayLen(), r.String(), r.Int()
	fmt.Println(n, name, count, r.Err())

	r = wire.NewReader(b[:4])
	_, _ = r.ArrayLen(), r.String()
	fmt.Println(errors.Is(r.Err(), wire.ErrTruncated))
	// Output:
	// 2 clicks 42 <nil>
	// true
}

func TestEveryWidthOfAnIntegerIsRead(t *testing.T) {
	for in, want := range map[string]int64{
		"\x05": 5, "\xe0": -32, "\xff": -1,
		"\xcc\x05": 5, "\xcd\x00\x05": 5, "\xce\x00\x00\x00\x05": 5, "\xcf\x00\x00\x00\x00\x00\x00\x00\x05": 5,
		"\xd0\x05": 5, "\xd1\x00\x05": 5, "\xd2\x00\x00\x00\x05": 5, "\xd3\x00\x00\x00\x00\x00\x00\x00\x05": 5,
		"\xd0\x80": math.MinInt8, "\xd1\x80\x00": math.MinInt16, "\xd2\x80\x00\x00\x00": math.MinInt32,
		"\xd3\x80\x00\x00\x00\x00\x00\x00\x00": math.MinInt64,
		"\xcc\xff":                             math.MaxUint8, "\xcd\xff\xff": math.MaxUint16, "\xce\xff\xff\xff\xff": math.MaxUint32,
	} {
		for _, tail := range []string{"", "a tail longer than any integer"} {
			r := wire.NewReader([]byte(in + tail))
			require.Equal(t, want, r.Int(), "% x", in)
			require.Equal(t, len(tail), r.Len())
			r = wire.NewReader([]byte(in + tail))
			got := r.Uint()
			if want < 0 {
				require.ErrorIs(t, r.Err(), wire.ErrRange, "% x", in)
				require.Zero(t, got)
				continue
			}
			require.Equal(t, uint64(want), got, "% x", in)
			require.NoError(t, r.Err())
		}
	}
}

func TestReadErrors(t *testing.T) {
	reads := map[string]func(*wire.Reader) any{
		"bool":    func(r *wire.Reader) any { return r.Bool() },
		"int":     func(r *wire.Reader) any { return r.Int() },
		"uint":    func(r *wire.Reader) any { return r.Uint() },
		"float32": func(r *wire.Reader) any { return r.Float32() },
		"float64": func(r *wire.Reader) any { return r.Float64() },
		"string":  func(r *wire.Reader) any { return r.String() },
		"bytes":   func(r *wire.Reader) any { return r.Bytes() },
		"array":   func(r *wire.Reader) any { return r.ArrayLen() },
		"map":     func(r *wire.Reader) any { return r.MapLen() },
		"time":    func(r *wire.Reader) any { return r.Time() },
		"raw":     func(r *wire.Reader) any { return r.Raw() },
	}
	for _, tt := range []struct {
		read, in string
		want     error
	}{
		{"bool", "", wire.ErrTruncated},
		{"bool", "\xc0", wire.ErrType},
		{"bool", "\x01", wire.ErrType},
		{"int", "", wire.ErrTruncated},
		{"int", "\xd3\x00", wire.ErrTruncated},
		{"int", "\xc0", wire.ErrType},
		{"int", "\xcb\x00\x00\x00\x00\x00\x00\x00\x00", wire.ErrType},
		{"int", "\xcf\x80\x00\x00\x00\x00\x00\x00\x00", wire.ErrRange},
		{"uint", "\xff", wire.ErrRange},
		{"uint", "\xa0", wire.ErrType},
		{"float32", "\xcb\x00\x00\x00\x00\x00\x00\x00\x00", wire.ErrType},
		{"float32", "\xca\x00", wire.ErrTruncated},
		{"float64", "\x01", wire.ErrType},
		{"float64", "\xcb\x00\x00", wire.ErrTruncated},
		{"string", "\xa1", wire.ErrTruncated},
		{"string", "\xd9", wire.ErrTruncated},
		{"string", "\xda\xff\xffx", wire.ErrTruncated},
		{"string", "\xdb\xff\xff\xff\xffx", wire.ErrTruncated},
		{"string", "\xc0", wire.ErrType},
		{"bytes", "\xc6\xff\xff\xff\xffx", wire.ErrTruncated},
		{"bytes", "\xc0", wire.ErrType},
		{"bytes", "\x91\x01", wire.ErrType},
		{"array", "\x91", wire.ErrTruncated},
		{"array", "\xdc\x00\x02\x01", wire.ErrTruncated},
		{"array", "\xdd\xff\xff\xff\xff", wire.ErrTruncated},
		{"array", "\x81\x01\x01", wire.ErrType},
		{"map", "\x81\x01", wire.ErrTruncated},
		{"map", "\xdf\xff\xff\xff\xff\x01", wire.ErrTruncated},
		{"map", "\xc0", wire.ErrType},
		{"time", "\xd6\xff\x00\x00", wire.ErrTruncated},
		{"time", "\xd6\x01\x00\x00\x00\x00", wire.ErrType},
		{"time", "\xd5\xff\x00\x00", wire.ErrType},
		{"time", "\xc7\x05\xff\x00\x00\x00\x00\x00", wire.ErrType},
		{"time", "\xc7\x0c\xff\xff\xff\xff\xff\x00\x00\x00\x00\x00\x00\x00\x00", wire.ErrRange},
		{"time", "\xa0", wire.ErrType},
		{"raw", "\xc1", wire.ErrType},
		{"raw", "\x92\x01", wire.ErrTruncated},
		{"raw", "\xc9\xff\xff\xff\xff\x00", wire.ErrTruncated},
		{"raw", "\xd4\x00", wire.ErrTruncated},
		{"raw", strings.Repeat("\x91", wire.MaxDepth+1) + "\x01", wire.ErrDepth},
		{"raw", strings.Repeat("\x81\x01", wire.MaxDepth+1) + "\x01", wire.ErrDepth},
	} {
		t.Run(fmt.Sprintf("%s % .12x", tt.read, tt.in), func(t *testing.T) {
			r := wire.NewReader([]byte(tt.in))
			require.Zero(t, reads[tt.read](r))
			require.ErrorIs(t, r.Err(), tt.want)
			require.Zero(t, r.Len())
			require.Empty(t, r.Rest())

			first := r.Err()
			for _, read := range reads {
				require.Zero(t, read(r), "zero values after an error")
			}
			require.False(t, r.IsNil())
			require.Equal(t, first, r.Err(), "the first error stays")
		})
	}
}

func TestIsNilConsumesOnlyNil(t *testing.T) {
	r := wire.NewReader([]byte{0xc0, 0x07})
	require.True(t, r.IsNil())
	require.False(t, r.IsNil())
	require.Equal(t, int64(7), r.Int())
	require.False(t, r.IsNil())
	require.NoError(t, r.Err(), "the end is not an error")
}

func TestFailKeepsTheFirstErrorAndEndsReading(t *testing.T) {
	r := wire.NewReader([]byte{1, 2})
	r.Fail(nil)
	require.Equal(t, 2, r.Len())
	boom := errors.New("boom")
	r.Fail(boom)
	r.Fail(errors.New("later"))
	require.Equal(t, boom, r.Err())
	require.Zero(t, r.Len())
	r.Reset([]byte{3})
	require.NoError(t, r.Err())
	require.Equal(t, uint64(3), r.Uint())
}

func TestAliasesHaveNoSpareCapacity(t *testing.T) {
	in := []byte("\xc4\x01a\x92\x01\x02tail")
	r := wire.NewReader(in)
	b := r.Bytes()
	require.Equal(t, 1, cap(b))
	raw := r.Raw()
	require.Equal(t, []byte("\x92\x01\x02"), raw)
	require.Equal(t, len(raw), cap(raw))
	require.Equal(t, "tail", string(r.Rest()))
	require.Same(t, &in[2], &b[0])
}

func TestStringIsACopy(t *testing.T) {
	in := []byte("\xa1a")
	s := wire.NewReader(in).String()
	in[1] = 'b'
	require.Equal(t, "a", s)
}

func TestRawAtTheDeepestNesting(t *testing.T) {
	in := []byte(strings.Repeat("\x91", wire.MaxDepth) + "\x01")
	require.Equal(t, in, wire.NewReader(in).Raw())
}

// sample holds one item of every form.
func sample(t require.TestingT) []byte {
	return oracle(t, func(e *msgpack.Encoder) error {
		return e.EncodeMulti([]any{
			nil, true, false, 1, -1, 200, -200, 70000, -70000, int64(1) << 40, -int64(1) << 40, float32(1), 2.5,
			"short", strings.Repeat("long", 20), strings.Repeat("x", 300), []byte("bin"), make([]byte, 300),
			map[string]int{"a": 1}, make([]int, 20), &msgpack.RawMessage{0xd4, 1, 2}, &msgpack.RawMessage{0xc7, 3, 1, 2, 3, 4},
		})
	})
}

func TestEveryPrefixAndEveryFlippedBit(t *testing.T) {
	whole := sample(t)
	require.Equal(t, whole, wire.NewReader(whole).Raw())
	for n := range whole {
		r := wire.NewReader(whole[:n])
		r.Skip()
		require.ErrorIs(t, r.Err(), wire.ErrTruncated, "prefix of %d", n)
	}
	for i := range whole {
		for bit := range 8 {
			hostile := bytes.Clone(whole)
			hostile[i] ^= 1 << bit
			checkAgainstMsgpack(t, hostile)
		}
	}
}

// checkAgainstMsgpack reads b as whole values as far as it goes, and demands
// that msgpack/v5 finds their ends at the same bytes.
func checkAgainstMsgpack(t require.TestingT, b []byte) {
	ours := wire.NewReader(b)
	for ours.Len() > 0 {
		rest := ours.Rest()
		raw := ours.Raw()
		if ours.Err() != nil {
			require.Nil(t, raw)
			return
		}
		theirs := bytes.NewReader(rest)
		require.NoError(t, msgpack.NewDecoder(theirs).Skip(), "% x", raw)
		require.Equal(t, len(raw), len(rest)-theirs.Len(), "% x", raw)
	}
}

func FuzzReader(f *testing.F) {
	f.Add(sample(f), []byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11})
	f.Add([]byte("\xdd\xff\xff\xff\xff"), []byte{8})
	f.Add([]byte(strings.Repeat("\x91", 2000)), []byte{11})
	f.Add(wire.AppendTime(nil, time.Unix(1<<40, 0)), []byte{10})
	f.Fuzz(func(t *testing.T, b, script []byte) {
		checkAgainstMsgpack(t, b)
		r := wire.NewReader(b)
		left := r.Len()
		for _, step := range script {
			if n := readOne(r, step%12); r.Err() == nil && n > left {
				t.Fatalf("a length of %d with %d bytes left", n, left)
			}
			if r.Len() > left || r.Err() != nil && r.Len() != 0 {
				t.Fatalf("%d bytes left after %d, error %v", r.Len(), left, r.Err())
			}
			left = r.Len()
		}
	})
}

// readOne makes the call number which, and returns the length it read, if any.
func readOne(r *wire.Reader, which byte) int {
	switch which {
	case 0:
		r.IsNil()
	case 1:
		r.Bool()
	case 2:
		r.Int()
	case 3:
		r.Uint()
	case 4:
		r.Float32()
	case 5:
		r.Float64()
	case 6:
		return len(r.String())
	case 7:
		return len(r.Bytes())
	case 8:
		return r.ArrayLen()
	case 9:
		return 2 * r.MapLen()
	case 10:
		r.Time()
	case 11:
		return len(r.Raw())
	}
	return 0
}

func TestPassTakesOneValueOfAnyDepth(t *testing.T) {
	for name, in := range map[string]string{
		"scalar": "\x01", "string": "\xa3abc", "array": "\x92\x91\x01\xa1x", "map": "\x82\x01\xc0\x02\x90", "nil": "\xc0",
		"deep": strings.Repeat("\x91", 100_000) + "\x01", "deep map": strings.Repeat("\x81\x01", 100_000) + "\x01",
	} {
		t.Run(name, func(t *testing.T) {
			r := wire.NewReader([]byte(in + "\x07"))
			r.Pass()
			require.NoError(t, r.Err())
			require.Equal(t, uint64(7), r.Uint())
			for end := range min(len(in), 50) {
				r.Reset([]byte(in[:end]))
				r.Pass()
				require.ErrorIs(t, r.Err(), wire.ErrTruncated)
			}
		})
	}
	r := wire.NewReader([]byte("\x92\xc1"))
	r.Pass()
	require.ErrorIs(t, r.Err(), wire.ErrTruncated, "two values in one byte")
	r.Reset([]byte("\x91\xc1"))
	r.Pass()
	require.ErrorIs(t, r.Err(), wire.ErrType)
}
