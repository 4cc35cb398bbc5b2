package heapbackend

import (
	"fmt"
	"unsafe"

	"github.com/heapstate/heapstate/heapbackend/internal/cow"
	"github.com/heapstate/heapstate/internal/wire"
)

// mapCodec writes and reads maps as an array of alternating keys and values.
type mapCodec[MK comparable, V any] struct {
	sub   keyCodec[MK]
	value valueCodec[V]
}

func (m *mapCodec[MK, V]) newPool(space *cow.Space) *cow.Pool[MK, V] {
	sub := m.sub // a copy, as in keyed.newPool
	return cow.NewPool[MK, V](space, cow.PoolOptions[MK]{
		Hash: sub.hash, Equal: sub.equal,
		References: m.value.owner.References(), Pointers: m.value.pointers || m.sub.pointers,
		Stamps: m.value.life != nil,
	})
}

func (m *mapCodec[MK, V]) append(dst []byte, e *inner[MK, V]) (_ []byte, err error) {
	f := e.table().Freeze()
	dst = wire.AppendArrayLen(dst, 2*f.Len())
	for k, v := range f.All() {
		if dst, err = m.sub.codec.Append(dst, &k); err != nil {
			return dst, err
		}
		if dst, err = m.value.append(dst, v); err != nil {
			return dst, err
		}
	}
	return dst, nil
}

func (m *mapCodec[MK, V]) decoder(space *cow.Space, written *stateInfo, st stamps) (func(*wire.Reader, *inner[MK, V]) error, error) {
	pool := m.newPool(space)
	decode, err := m.value.from(written)
	return func(r *wire.Reader, e *inner[MK, V]) error {
		n := r.ArrayLen()
		if n == 0 || n%2 != 0 {
			r.Fail(fmt.Errorf("a map of %d keys and values", n))
			return r.Err()
		}
		e.at = unsafe.Pointer(cow.NewTableFor(pool, expected[MK, V](uint64(n/2), r.Len())))
		for range n / 2 {
			v, err := m.decodeKey(r, e.table(), st)
			if err != nil {
				return err
			}
			if err := decode(r, v); err != nil {
				return err
			}
		}
		return nil
	}, err
}

// decodeKey reads a key and what comes before its value, and makes room for that.
func (m *mapCodec[MK, V]) decodeKey(r *wire.Reader, t *cow.Table[MK, V], st stamps) (*V, error) {
	var k MK
	if err := m.sub.codec.Decode(r, &k); err != nil {
		return nil, err
	}
	hash := m.sub.hasher.Hash(k)
	v, inserted, _, err := t.Upsert(hash, k)
	if err == nil && !inserted {
		err = fmt.Errorf("a map holds the same key twice")
	}
	if err != nil {
		return nil, err
	}
	stamp, err := st.read(r)
	if st.kept {
		*t.StampOf(hash, v) = int64(stamp)
	}
	return v, err
}
