package primary

import (
	"bytes"
	"compress/zlib"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestManifestsInRecordsAreCompressed(t *testing.T) {
	bubble(t, func(t *testing.T, store Store) {
		r := startRig(t, store)
		m := r.complete()
		packed, err := packManifest(m)
		require.NoError(t, err)
		whole, err := unpackManifest(packed)
		require.NoError(t, err)
		require.Equal(t, m.Append(nil), whole)
		plain, err := unpackManifest(whole)
		require.NoError(t, err)
		require.Equal(t, whole, plain, "as version 1 has it")
		for n := range packed {
			_, err = unpackManifest(packed[:n])
			require.Error(t, err)
		}
		_, err = unpackManifest(append(packed, 0))
		require.Error(t, err)
		r.stop()
	})
}

// What a few bytes decompress to is bounded.
func TestManifestBomb(t *testing.T) {
	var bomb bytes.Buffer
	w := zlib.NewWriter(&bomb)
	_, err := w.Write(make([]byte, maxFrame))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	require.Less(t, bomb.Len(), 1<<20)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err = unpackManifest(bomb.Bytes())
	runtime.ReadMemStats(&after)
	require.Error(t, err)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(64<<20))
	// A manifest that compresses better than that is written as it is.
	schema := bytes.Repeat([]byte{0}, 64<<20)
	m := &Manifest{Job: "j", Operators: []Operator{{Name: "o", Tasks: []TaskState{{Schema: schema}}}}}
	packed, err := packManifest(m)
	require.NoError(t, err)
	whole, err := unpackManifest(packed)
	require.NoError(t, err)
	require.Equal(t, len(m.Append(nil)), len(whole))
}
