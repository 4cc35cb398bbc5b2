package heapbackend_test

import (
	"errors"
	"fmt"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/heapbackend"
	"github.com/heapstate/heapstate/internal/wire"
)

// decimal writes numbers as text. Its numbers from 100 on are what goes wrong.
type decimal struct{ id *string }

const (
	decimalFails   = 100 + iota // an error, and no bytes
	decimalTwo                  // two values
	decimalNone                 // no value
	decimalRest                 // is read but for its last byte
	decimalRefused              // is not read
)

var errDecimal = errors.New("not a number of mine")

func (d decimal) ID() string {
	if d.id != nil {
		return *d.id
	}
	return "decimal/1"
}

func (decimal) Append(dst []byte, v *int) ([]byte, error) {
	switch *v {
	case decimalFails:
		return nil, errDecimal
	case decimalTwo:
		return wire.AppendNil(wire.AppendNil(dst)), nil
	case decimalNone:
		return dst, nil
	}
	return wire.AppendString(dst, strconv.Itoa(*v)), nil
}

func (decimal) Decode(src []byte, v *int) ([]byte, error) {
	r := wire.NewReader(src)
	n, err := strconv.Atoi(r.String())
	if err != nil || r.Err() != nil {
		return nil, errDecimal
	}
	*v = n
	switch n {
	case decimalRest:
		return src[len(src)-1:], nil
	case decimalRefused:
		return nil, errDecimal
	}
	return r.Rest(), nil
}

// decimals makes one state of each kind with the codec; put writes n into it.
func decimals(t *testing.T, b *heapbackend.Backend[uint64], o heapbackend.Options[int]) map[string]func(k uint64, n int) error {
	v, l, m := valueOf(t, b, "value", o), listOf(t, b, "list", o), mapOf[string](t, b, "map", o)
	return map[string]func(k uint64, n int) error{
		"value": v.Put,
		"list":  func(k uint64, n int) error { return l.Set(k, 1, n) },
		"map":   func(k uint64, n int) error { return m.Put(k, "k", n) },
	}
}

func TestAProgramsCodecWritesAndReads(t *testing.T) {
	for name, how := range ways {
		t.Run(name, func(t *testing.T) {
			o := heapbackend.Options[int]{Codec: decimal{}}
			b := backend[uint64](t, whole())
			v, l, m := valueOf(t, b, "v", o), listOf(t, b, "l", o), mapOf[string](t, b, "m", o)
			for k := range uint64(50) {
				require.NoError(t, v.Put(k, int(k)))
				require.NoError(t, l.Append(k, int(k), 7))
				require.NoError(t, m.Put(k, "k", int(k)))
			}
			s := capture(t, b)
			b2 := backend[uint64](t, whole())
			v, l, m = valueOf(t, b2, "v", o), listOf(t, b2, "l", o), mapOf[string](t, b2, "m", o)
			restore(t, b2, s, how)
			for k := range uint64(50) {
				got, _ := v.Get(k)
				require.Equal(t, int(k), got)
				require.Equal(t, 2, l.Len(k))
				got, _ = m.Get(k, "k")
				require.Equal(t, int(k), got)
			}
			require.Equal(t, entriesOf(t, s), entriesOf(t, capture(t, b2)))
		})
	}
}

func TestACodecThatFailsToWrite(t *testing.T) {
	for _, state := range []string{"value", "list", "map"} {
		for what, n := range map[string]int{"error": decimalFails, "two values": decimalTwo, "no value": decimalNone} {
			t.Run(state+"/"+what, func(t *testing.T) {
				b := backend[uint64](t, whole())
				put := decimals(t, b, heapbackend.Options[int]{Codec: decimal{}})[state]
				good, bad := keyIn(t, 1, 0), keyIn(t, 2, 0)
				require.NoError(t, put(good, 1))
				require.NoError(t, put(bad, n))
				s := capture(t, b)
				dst, entries, err := s.AppendGroup([]byte("before"), 2)
				require.ErrorContains(t, err, fmt.Sprintf("%q", state))
				if n == decimalFails {
					require.ErrorIs(t, err, errDecimal)
				}
				require.Equal(t, "before", string(dst))
				require.Zero(t, entries)
				_, entries, err = s.AppendGroup(nil, 1)
				require.NoError(t, err)
				require.EqualValues(t, 1, entries)
				s.Release()
				// The backend goes on, and the next checkpoint succeeds.
				require.NoError(t, put(bad, 2))
				blocksOf(t, capture(t, b))
			})
		}
	}
}

func TestACodecThatFailsToRead(t *testing.T) {
	for what, n := range map[string]int{"leftover bytes": decimalRest, "error": decimalRefused} {
		for _, state := range []string{"value", "list", "map"} {
			t.Run(state+"/"+what, func(t *testing.T) {
				o := heapbackend.Options[int]{Codec: decimal{}}
				b := backend[uint64](t, whole())
				require.NoError(t, decimals(t, b, o)[state](keyIn(t, 2, 0), n))
				s := capture(t, b)
				b2 := backend[uint64](t, whole())
				decimals(t, b2, o)
				_, err := decoded(b2, s, 2)
				require.ErrorIs(t, err, heapbackend.ErrCorrupt)
				require.ErrorContains(t, err, fmt.Sprintf("%q", state))
				if n == decimalRefused {
					require.ErrorIs(t, err, errDecimal)
				} else {
					require.ErrorContains(t, err, "1 bytes of a value unread")
				}
				require.NoError(t, b2.Err())
			})
		}
	}
}

func TestACodecWithAnotherIDIsRefused(t *testing.T) {
	second := "decimal/2"
	for name, o := range map[string][]heapbackend.Options[int]{
		"another ID":  {{Codec: decimal{id: &second}}},
		"the derived": nil,
	} {
		for way, how := range ways {
			t.Run(name+"/"+way, func(t *testing.T) {
				b := backend[uint64](t, whole())
				v := valueOf(t, b, "v", heapbackend.Options[int]{Codec: decimal{}})
				require.NoError(t, v.Put(keyIn(t, 2, 0), 1))
				require.NoError(t, v.Put(keyIn(t, 3, 0), 1))
				s := capture(t, b)
				b2 := backend[uint64](t, whole())
				valueOf(t, b2, "v", o...)
				_, err := stage(b2, s, how)
				var schema *heapbackend.SchemaError
				require.ErrorAs(t, err, &schema)
				require.Contains(t, schema.Written, "decimal/1")
				require.NotEqual(t, schema.Registered, schema.Written)
			})
		}
	}
}
