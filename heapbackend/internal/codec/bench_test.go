package codec_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vmihailenco/msgpack/v5"

	"github.com/heapstate/heapstate/heapbackend/internal/codec"
	"github.com/heapstate/heapstate/internal/wire"
)

// The benchmarks compare the codec with msgpack/v5 in one run:
//
//	go test -run='^$' -bench=. ./heapbackend/internal/codec
//
// Each sub-benchmark "of=codec" has its "of=msgpack" beside it, which encodes
// with one reused Encoder and decodes with one reused Decoder: its fastest way.

// row is a 16-byte key with a struct of three fields.
type row struct {
	Key   [16]byte
	Value total
}

type total struct {
	Sum   int64
	Count uint32
	Name  string
}

// triple is 24 bytes without a pointer.
type triple struct {
	A, B uint64
	C    int64
}

type nested struct {
	ID     uint64
	Tags   []string
	Points []triple
	ByName map[string]int64
}

func BenchmarkCodec(b *testing.B) {
	bench(b, "type=row", row{
		Key:   [16]byte{0: 7, 9: 255},
		Value: total{Sum: -123456, Count: 70000, Name: "customer-17"},
	})
	bench(b, "type=triple", triple{A: 3, B: 1 << 40, C: -5000})
	bench(b, "type=nested", nested{
		ID: 1 << 33, Tags: []string{"red", "green", "blue"},
		Points: make([]triple, 8), ByName: map[string]int64{"a": 1, "b": 2, "c": 3},
	})
	bench(b, "type=uint64", uint64(1<<40))
	bench(b, "type=string", "a string of thirty-two bytes. ...")
}

func bench[V any](b *testing.B, name string, v V) {
	c, err := codec.For[V]()
	require.NoError(b, err)
	data, err := c.Append(nil, &v)
	require.NoError(b, err)
	b.Run(name+"/op=encode/of=codec", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(data)))
		buf := make([]byte, 0, 2*len(data))
		for b.Loop() {
			buf, _ = c.Append(buf[:0], &v)
		}
	})
	b.Run(name+"/op=encode/of=msgpack", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(data)))
		var buf bytes.Buffer
		e := msgpackEncoder(&buf)
		for b.Loop() {
			buf.Reset()
			_ = e.Encode(&v)
		}
	})
	b.Run(name+"/op=decode/of=codec", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(data)))
		var got, zero V
		r := wire.NewReader(data)
		for b.Loop() {
			got = zero
			r.Reset(data)
			_ = c.Decode(r, &got)
		}
	})
	b.Run(name+"/op=decode/of=msgpack", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(data)))
		var got, zero V
		r := bytes.NewReader(data)
		d := msgpack.NewDecoder(r)
		for b.Loop() {
			got = zero
			r.Reset(data)
			_ = d.Decode(&got)
		}
	})
}

func msgpackEncoder(buf *bytes.Buffer) *msgpack.Encoder {
	e := msgpack.NewEncoder(buf)
	e.UseArrayEncodedStructs(true)
	e.UseCompactInts(true)
	e.SetSortMapKeys(true)
	return e
}
