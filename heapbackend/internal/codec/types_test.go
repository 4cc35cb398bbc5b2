package codec_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/heapstate/heapstate/internal/wire"
)

// custom brings the methods msgpack/v5 prefers.
type custom struct {
	X int
	Y string
}

func (c *custom) EncodeMsgpack(e *msgpack.Encoder) error {
	if err := e.EncodeArrayLen(2); err != nil {
		return err
	}
	return e.EncodeMulti(c.X, c.Y)
}

func (c *custom) DecodeMsgpack(d *msgpack.Decoder) error {
	if n, err := d.DecodeArrayLen(); err != nil || n != 2 {
		return fmt.Errorf("%d items: %w", n, err)
	}
	return d.DecodeMulti(&c.X, &c.Y)
}

type holder struct {
	C custom
	P *custom
}

// customSet is a map with methods: nil must stay nil.
type customSet map[string]struct{}

func (s customSet) EncodeMsgpack(e *msgpack.Encoder) error {
	return e.Encode(append([]string{}, slices.Sorted(maps.Keys(s))...))
}

func (s *customSet) DecodeMsgpack(d *msgpack.Decoder) error {
	var keys []string
	if err := d.Decode(&keys); err != nil {
		return err
	}
	*s = customSet{}
	for _, k := range keys {
		(*s)[k] = struct{}{}
	}
	return nil
}

type marshaled struct{ N int }

func (m marshaled) MarshalMsgpack() ([]byte, error) { return msgpack.Marshal(m.N) }

func (m *marshaled) UnmarshalMsgpack(b []byte) error { return msgpack.Unmarshal(b, &m.N) }

type point struct{ x, y byte }

func (p point) MarshalBinary() ([]byte, error) { return []byte{p.x, p.y}, nil }

func (p *point) UnmarshalBinary(b []byte) error {
	if len(b) != 2 {
		return errors.New("point: want two bytes")
	}
	p.x, p.y = b[0], b[1]
	return nil
}

type grade int

func (g grade) MarshalText() ([]byte, error) { return strconv.AppendInt(nil, int64(g), 10), nil }

func (g *grade) UnmarshalText(b []byte) error {
	n, err := strconv.Atoi(string(b))
	*g = grade(n)
	return err
}

// keeper keeps what it is given, as it should not.
type keeper struct{ b []byte }

func (k keeper) MarshalBinary() ([]byte, error) { return k.b, nil }

func (k *keeper) UnmarshalBinary(b []byte) error {
	k.b = b
	return nil
}

// generated has the methods tinylib/msgp generates.
type generated struct{ N int64 }

func (g *generated) MarshalMsg(b []byte) ([]byte, error) {
	return wire.AppendInt(wire.AppendArrayLen(b, 1), g.N), nil
}

func (g *generated) UnmarshalMsg(b []byte) ([]byte, error) {
	r := wire.NewReader(b)
	r.ArrayLen()
	g.N = r.Int()
	return r.Rest(), r.Err()
}

var errFailing = errors.New("failing")

// failing encodes only its zero value, and decodes only zero.
type failing struct{ N int8 }

func (f failing) MarshalMsgpack() ([]byte, error) {
	if f.N != 0 {
		return nil, errFailing
	}
	return []byte{0}, nil
}

func (f *failing) UnmarshalMsgpack(b []byte) error {
	if b[0] != 0 {
		return errFailing
	}
	return nil
}
