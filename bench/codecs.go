package main

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/heapstate/heapstate/heapbackend"
)

// rows is the same content as a builtin map and as a state, for one type of key.
type rows struct {
	encode func(e *msgpack.Encoder) error // every key and value of the map
	decode func(d *msgpack.Decoder) error // n of them into a new map
	b      heapbackend.AnyBackend
	fresh  func() (heapbackend.AnyBackend, error)
}

func newUintRows(keys []uint64) rows {
	m := make(map[uint64]total, len(keys))
	b, v, err := newState[uint64]()
	must(err)
	for i, k := range keys {
		m[k] = total{Sum: uint64(i), N: uint64(i % 100), Last: k}
		must(v.Put(k, m[k]))
	}
	return rows{
		encode: func(e *msgpack.Encoder) error {
			for k, v := range m {
				if err := errors.Join(e.EncodeUint(k), e.Encode(&v)); err != nil {
					return err
				}
			}
			return nil
		},
		decode: func(d *msgpack.Decoder) error {
			out := make(map[uint64]total, len(keys))
			for range keys {
				k, err := d.DecodeUint64()
				var v total
				if err = errors.Join(err, d.Decode(&v)); err != nil {
					return err
				}
				out[k] = v
			}
			sink += uint64(len(out))
			return nil
		},
		b:     b,
		fresh: func() (heapbackend.AnyBackend, error) { b, _, err := newState[uint64](); return b, err },
	}
}

func newTextRows(keys []string) rows {
	m := make(map[string]total, len(keys))
	b, v, err := newState[string]()
	must(err)
	for i, k := range keys {
		m[k] = total{Sum: uint64(i), N: uint64(i % 100), Last: uint64(i) << 20}
		must(v.Put(k, m[k]))
	}
	return rows{
		encode: func(e *msgpack.Encoder) error {
			for k, v := range m {
				if err := errors.Join(e.EncodeString(k), e.Encode(&v)); err != nil {
					return err
				}
			}
			return nil
		},
		decode: func(d *msgpack.Decoder) error {
			out := make(map[string]total, len(keys))
			for range keys {
				k, err := d.DecodeString()
				var v total
				if err = errors.Join(err, d.Decode(&v)); err != nil {
					return err
				}
				out[k] = v
			}
			sink += uint64(len(out))
			return nil
		},
		b:     b,
		fresh: func() (heapbackend.AnyBackend, error) { b, _, err := newState[string](); return b, err },
	}
}

// codecs compares bytes from state and state from bytes.
func codecs(t *table, o options, key string, r rows) error {
	s, err := r.b.Capture()
	if err != nil {
		return err
	}
	defer s.Release()
	var buffer bytes.Buffer
	e := msgpack.NewEncoder(&buffer)
	e.UseArrayEncodedStructs(true)
	e.UseCompactInts(true)
	encode := func() {
		buffer.Reset()
		must(r.encode(e))
	}
	encode() // the buffer grows to its size once, on both sides
	blocks := make([][]byte, groups)
	size := 0
	ours := func() {
		size = 0
		for g := range blocks {
			block, _, err := s.AppendGroup(blocks[g][:0], g)
			must(err)
			blocks[g] = block
			size += len(block)
		}
	}
	ours()
	base, took := turns(o.rounds, encode, ours)
	t.faster("encode "+key, base, took, buffer.Len(), size, ">= 4x")

	all := buffer.Bytes()
	decode := func() { must(r.decode(msgpack.NewDecoder(bytes.NewReader(all)))) }
	for _, workers := range []int{1, runtime.GOMAXPROCS(0)} {
		base, took := turns(o.rounds, decode, func() { must(restore(r, s.Schema(), blocks, workers)) })
		t.faster(fmt.Sprintf("decode %s, %d goroutines", key, workers), base, took, len(all), size, ">= 4x")
		if runtime.GOMAXPROCS(0) == 1 {
			break
		}
	}
	return r.b.Close()
}

// restore stages all blocks, on some goroutines, and installs them into an empty backend.
func restore(r rows, schema []byte, blocks [][]byte, workers int) error {
	b, err := r.fresh()
	if err != nil {
		return err
	}
	staged, errs := make([]*heapbackend.Staged, len(blocks)), make([]error, len(blocks))
	var next atomic.Int64
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for g := int(next.Add(1)) - 1; g < len(blocks); g = int(next.Add(1)) - 1 {
				staged[g], errs[g] = b.StageBlock(schema, g, blocks[g])
			}
		})
	}
	wg.Wait()
	return errors.Join(append(errs, b.Install(staged))...)
}
