package keygroups_test

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/keygroups"
)

// nest wraps a type, so that nesting can be written short.
type (
	nest[T any]  struct{ In T }
	nest8[T any] struct {
		In nest[nest[nest[nest[nest[nest[nest[T]]]]]]]
	}
)

func TestUnsupportedKeyTypesAreRefused(t *testing.T) {
	requireRefused[any](t, "interface {} is of kind interface")
	requireRefused[error](t, "error is of kind interface")
	requireRefused[*int](t, "*int is of kind ptr")
	requireRefused[chan int](t, "of kind chan")
	requireRefused[uintptr](t, "of kind uintptr")
	requireRefused[unsafe.Pointer](t, "of kind unsafe.Pointer")
	requireRefused[complex64](t, "of kind complex64")
	requireRefused[complex128](t, "of kind complex128")
	requireRefused[[2]any](t, "[] is of kind interface")
	requireRefused[[0]chan int](t, "[] is of kind chan")
	requireRefused[struct{ A, B *string }](t, "A is of kind ptr")
	requireRefused[struct{ A struct{ B [2]complex64 } }](t, "A.B[] is of kind complex64")
	requireRefused[struct {
		A uint32
		_ uint32
	}](t, "_ is a blank field")
	requireRefused[nest8[nest8[nest8[nest8[nest[uint8]]]]]](t, "nested more than 32 deep")
}

func requireRefused[K comparable](t *testing.T, why string) {
	t.Helper()
	_, err := keygroups.NewHasher[K](0)
	require.ErrorIs(t, err, keygroups.ErrKeyType)
	require.ErrorContains(t, err, why)
}

func TestDeepestKeyType(t *testing.T) {
	h, err := keygroups.NewHasher[nest8[nest8[nest8[nest8[uint8]]]]](0)
	require.NoError(t, err)
	require.Len(t, h.Append(nil, nest8[nest8[nest8[nest8[uint8]]]]{}), 1)
}

func TestUntypedKeysThatAreRefused(t *testing.T) {
	var nilPointer *int
	for _, row := range []struct {
		name string
		key  any
		want error
	}{
		{"nil", nil, keygroups.ErrNilKey},
		{"nil error", error(nil), keygroups.ErrNilKey},
		{"nil pointer", nilPointer, keygroups.ErrKeyType},
		{"pointer", new(int), keygroups.ErrKeyType},
		{"slice", []byte("key"), keygroups.ErrKeyType},
		{"nil slice", []byte(nil), keygroups.ErrKeyType},
		{"map", map[string]int{}, keygroups.ErrKeyType},
		{"func", func() {}, keygroups.ErrKeyType},
		{"chan", make(chan int), keygroups.ErrKeyType},
		{"uintptr", uintptr(1), keygroups.ErrKeyType},
		{"complex", complex(1, 2), keygroups.ErrKeyType},
		{"interface in a struct", struct{ A any }{1}, keygroups.ErrKeyType},
		{"slice in an array", [1][]int{}, keygroups.ErrKeyType},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := keygroups.HashAny(row.key, 1)
			require.ErrorIs(t, err, row.want)
			dst := []byte("kept")
			got, err := keygroups.AppendAny(dst, row.key)
			require.ErrorIs(t, err, row.want)
			require.Equal(t, dst, got)
		})
	}
}
