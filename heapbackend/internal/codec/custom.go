package codec

import (
	"bytes"
	"errors"
	"reflect"
	"sync"

	"github.com/vmihailenco/msgpack/v5"
)

// customEncoder lets msgpack/v5 append to a byte slice.
type customEncoder struct {
	enc *msgpack.Encoder
	b   []byte
}

// Write appends p.
func (e *customEncoder) Write(p []byte) (int, error) {
	e.b = append(e.b, p...)
	return len(p), nil
}

// WriteByte appends c.
func (e *customEncoder) WriteByte(c byte) error {
	e.b = append(e.b, c)
	return nil
}

var customEncoders = sync.Pool{New: func() any {
	return &customEncoder{enc: msgpack.NewEncoder(nil)}
}}

// appendCustom calls v's EncodeMsgpack with an encoder set up as the codec
// encodes, so that what it encodes through it has the same bytes.
func appendCustom(b []byte, v any) ([]byte, error) {
	e := customEncoders.Get().(*customEncoder)
	e.b = b
	e.enc.Reset(e)
	e.enc.UseArrayEncodedStructs(true)
	e.enc.UseCompactInts(true)
	e.enc.SetSortMapKeys(true)
	err := v.(msgpack.CustomEncoder).EncodeMsgpack(e.enc)
	b, e.b = e.b, nil
	customEncoders.Put(e)
	return b, err
}

// customDecoder lets msgpack/v5 read a byte slice without reading ahead.
type customDecoder struct {
	dec *msgpack.Decoder
	r   bytes.Reader
}

var customDecoders = sync.Pool{New: func() any {
	return &customDecoder{dec: msgpack.NewDecoder(nil)}
}}

// decodeCustom calls v's DecodeMsgpack on data, one value whose lengths are
// known to be covered by its bytes and whose nesting is bounded: msgpack/v5
// itself would believe them.
func decodeCustom(data []byte, v any) error {
	d := customDecoders.Get().(*customDecoder)
	d.r.Reset(data)
	d.dec.Reset(&d.r)
	err := v.(msgpack.CustomDecoder).DecodeMsgpack(d.dec)
	err = whole(d.r.Len(), err)
	d.r.Reset(nil)
	customDecoders.Put(d)
	return err
}

// tryZero encodes a zero value and returns an error only if that shows the
// type's methods to be unusable.
func (n *node) tryZero() (err error) {
	defer func() {
		if recover() != nil {
			err = nil
		}
	}()
	_, err = n.opaque.append(nil, reflect.New(n.rt).UnsafePointer())
	if errors.Is(err, ErrType) {
		return err
	}
	return nil
}
