package primary

import (
	"bytes"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
)

// A record of the commit log is written twice, so its manifest is compressed: the two take about as much as one did.
// zlib, because any language reads it, and because what it makes is small where half of the bytes are checksums.

// packSlack and packRatio bound what a compressed manifest may become, so that few bytes never take much memory.
const (
	packSlack = 1 << 20
	packRatio = 32
)

// packManifest returns a manifest as it stands in a record: compressed if that is shorter.
func packManifest(m *Manifest) ([]byte, error) {
	whole := m.Append(nil)
	var packed bytes.Buffer
	w := zlib.NewWriter(&packed)
	_, err := w.Write(whole)
	if err = errors.Join(err, w.Close()); err != nil {
		return nil, fmt.Errorf("primary: compress a manifest: %w", err)
	}
	if packed.Len() >= len(whole) || len(whole) > packLimit(packed.Len()) {
		return whole, nil
	}
	return packed.Bytes(), nil
}

func packLimit(n int) int { return min(maxFrame, packSlack+packRatio*n) }

// unpackManifest returns the frame of a manifest that stands in a record. It may alias b.
func unpackManifest(b []byte) ([]byte, error) {
	if bytes.HasPrefix(b, []byte(manifestMagic)) {
		return b, nil
	}
	in := bytes.NewReader(b)
	r, err := zlib.NewReader(in)
	if err != nil {
		return nil, fmt.Errorf("primary: decompress a manifest: %w", err)
	}
	limit := packLimit(len(b))
	whole, err := io.ReadAll(io.LimitReader(r, int64(limit)+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("primary: decompress a manifest: %w", err)
	case len(whole) > limit:
		return nil, fmt.Errorf("primary: decompress a manifest: more than %d bytes out of %d", limit, len(b))
	case in.Len() > 0:
		return nil, fmt.Errorf("primary: decompress a manifest: %d bytes after it", in.Len())
	}
	return whole, nil
}
