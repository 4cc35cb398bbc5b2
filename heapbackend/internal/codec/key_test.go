package codec_test

import (
	"encoding/hex"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/heapbackend/internal/codec"
	"github.com/heapstate/heapstate/internal/wire"
)

// shouted writes itself as text that does not tell two of it apart.
type shouted int

// MarshalText forgets the number.
func (shouted) MarshalText() ([]byte, error) { return []byte("LOUD"), nil }

// UnmarshalText is the other half.
func (s *shouted) UnmarshalText([]byte) error { *s = 1; return nil }

// fingerprint is an array of bytes with methods, as uuid.UUID is.
type fingerprint [4]byte

// MarshalBinary returns the bytes.
func (d fingerprint) MarshalBinary() ([]byte, error) { return d[:], nil }

// UnmarshalBinary takes them back.
func (d *fingerprint) UnmarshalBinary(b []byte) error { copy(d[:], b); return nil }

type keyBase struct{ A, hidden int }

// MarshalBinary is promoted to what embeds a keyBase.
func (keyBase) MarshalBinary() ([]byte, error) { return nil, nil }

type taggedKey struct {
	keyBase
	A    int    `msgpack:"B"`
	Left string `msgpack:"-"`
	Loud [2]shouted
	own  fingerprint
}

func TestAllOfAKeyIsWritten(t *testing.T) {
	c, err := codec.ForKey[taggedKey]()
	require.NoError(t, err)
	seen := map[string]taggedKey{}
	for _, k := range []taggedKey{
		{}, {A: 1}, {keyBase: keyBase{A: 1}}, {keyBase: keyBase{hidden: 1}}, {Left: "x"}, {Loud: [2]shouted{1}}, {own: fingerprint{3: 1}},
	} {
		b, err := c.Append(nil, &k)
		require.NoError(t, err)
		require.NotContains(t, seen, string(b))
		seen[string(b)] = k
		var got taggedKey
		r := wire.NewReader(b)
		require.NoError(t, c.Decode(r, &got))
		require.Zero(t, r.Len())
		require.Equal(t, k, got)
	}
}

func TestPlainKeysHaveTheBytesOfValues(t *testing.T) {
	requireKeyBytes(t, "key", "a36b6579")
	requireKeyBytes(t, uint64(300), "cd012c")
	requireKeyBytes(t, shouted(-1), "ff")
	requireKeyBytes(t, fingerprint{1, 2, 3, 4}, "c40401020304")
	requireKeyBytes(t, uuid.UUID{15: 1}, "c41000000000000000000000000000000001")
	requireKeyBytes(t, inner{A: 1, B: "x"}, hex.EncodeToString(ours(t, &inner{A: 1, B: "x"})))
	same, err := codec.For[fingerprint]()
	require.NoError(t, err)
	b, err := same.Append(nil, &fingerprint{1, 2, 3, 4})
	require.NoError(t, err)
	require.Equal(t, "c40401020304", hex.EncodeToString(b))
}

func requireKeyBytes[K comparable](t *testing.T, k K, want string) {
	t.Helper()
	c, err := codec.ForKey[K]()
	require.NoError(t, err)
	b, err := c.Append(nil, &k)
	require.NoError(t, err)
	require.Equal(t, want, hex.EncodeToString(b))
}

func TestWhatCannotBeAKey(t *testing.T) {
	for want, err := range map[string]error{
		"hold a pointer":  second(codec.ForKey[struct{ P *int }]()),
		"blank field":     second(codec.ForKey[struct{ A, _ int }]()),
		"be written down": second(codec.ForKey[[2]complex128]()),
	} {
		require.ErrorIs(t, err, codec.ErrType)
		require.ErrorContains(t, err, want)
	}
}
