package heapbackend_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/heapbackend"
	"github.com/heapstate/heapstate/keygroups"
)

func TestNewRefusesWhatCannotBe(t *testing.T) {
	for name, cfg := range map[string]heapbackend.Config{
		"no key groups":       {},
		"negative":            {M: -1, Range: keygroups.Range{End: 1}},
		"too many key groups": {M: keygroups.Max + 1, Range: keygroups.Range{End: 1}},
		"no range":            {M: 4},
		"empty range":         {M: 4, Range: keygroups.Range{First: 2, End: 2}},
		"reversed range":      {M: 4, Range: keygroups.Range{First: 3, End: 1}},
		"before the first":    {M: 4, Range: keygroups.Range{First: -1, End: 1}},
		"beyond the last":     {M: 4, Range: keygroups.Range{First: 3, End: 5}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := heapbackend.New[string](cfg)
			require.ErrorIs(t, err, heapbackend.ErrConfig)
		})
	}
	_, err := heapbackend.New[*int](whole())
	require.ErrorIs(t, err, keygroups.ErrKeyType)
	_, err = heapbackend.New[any](whole())
	require.ErrorIs(t, err, keygroups.ErrKeyType)
	most := heapbackend.Config{M: keygroups.Max, Range: keygroups.Range{First: keygroups.Max - 1, End: keygroups.Max}}
	require.Equal(t, most, backend[string](t, most).Config())
}

// owner is a task of some engine.
type owner struct {
	cfg      heapbackend.Config
	attached heapbackend.AnyBackend
}

var errAttached = errors.New("attached already")

func (o *owner) BackendConfig() heapbackend.Config { return o.cfg }

func (o *owner) Attach(b heapbackend.AnyBackend) error {
	if o.attached != nil {
		return errAttached
	}
	o.attached = b
	return nil
}

func TestForAttachesTheBackendToItsTask(t *testing.T) {
	o := &owner{cfg: part(2, 4)}
	b, err := heapbackend.For[string](o)
	require.NoError(t, err)
	require.Same(t, b, o.attached)
	require.Equal(t, o.cfg, b.Config())
	_, err = heapbackend.For[string](o)
	require.ErrorIs(t, err, errAttached)
	_, err = heapbackend.For[string](&owner{})
	require.ErrorIs(t, err, heapbackend.ErrConfig)
}

func TestStateNames(t *testing.T) {
	b := backend[string](t, whole())
	_, err := heapbackend.NewValue[int](b, "")
	require.ErrorIs(t, err, heapbackend.ErrStateName)
	_, err = heapbackend.NewList[int](b, strings.Repeat("n", heapbackend.MaxStateName+1))
	require.ErrorIs(t, err, heapbackend.ErrStateName)
	long := strings.Repeat("n", heapbackend.MaxStateName)
	require.Equal(t, long, valueOf[int](t, b, long).Name())
	require.NoError(t, b.Err())
}

func TestANameStandsForOneState(t *testing.T) {
	b := backend[string](t, whole())
	v := valueOf[int](t, b, "x")
	_, err := heapbackend.NewValue[int](b, "x")
	require.ErrorIs(t, err, heapbackend.ErrStateExists)
	for name, register := range map[string]func() error{
		"another value type": func() error { _, err := heapbackend.NewValue[string](b, "x"); return err },
		"another kind":       func() error { _, err := heapbackend.NewList[int](b, "x"); return err },
		"a map":              func() error { _, err := heapbackend.NewMap[string, int](b, "x"); return err },
		"a codec": func() error {
			_, err := heapbackend.NewValue(b, "x", heapbackend.Options[int]{Codec: decimal{}})
			return err
		},
	} {
		err := register()
		require.ErrorIs(t, err, heapbackend.ErrStateType, name)
		require.NotErrorIs(t, err, heapbackend.ErrStateExists, name)
		require.ErrorContains(t, err, `"x" is registered as Value[string, int]`, name)
	}
	require.NoError(t, v.Put("k", 1), "the first goes on")
	require.Equal(t, 1, v.Keys())
}

func TestMapsDifferByTheTypeOfTheirKeys(t *testing.T) {
	b := backend[string](t, whole())
	mapOf[string, int](t, b, "x")
	_, err := heapbackend.NewMap[int64, int](b, "x")
	require.ErrorIs(t, err, heapbackend.ErrStateType)
	_, err = heapbackend.NewMap[string, int](b, "x")
	require.ErrorIs(t, err, heapbackend.ErrStateExists)
}

func TestTypesThatCannotBeKept(t *testing.T) {
	b := backend[string](t, whole())
	_, err := heapbackend.NewValue[func()](b, "x")
	require.ErrorIs(t, err, heapbackend.ErrStateType)
	_, err = heapbackend.NewList[struct{ C chan int }](b, "x")
	require.ErrorIs(t, err, heapbackend.ErrStateType)
	require.ErrorContains(t, err, ".C")
	_, err = heapbackend.NewMap[*int, int](b, "x")
	require.ErrorIs(t, err, keygroups.ErrKeyType)
	require.ErrorContains(t, err, `"x"`)
	_, err = heapbackend.NewMap[string, any](b, "x")
	require.ErrorIs(t, err, heapbackend.ErrStateType)
	valueOf[int](t, b, "x") // nothing of those is left
}

func TestOptionsAreGivenOnce(t *testing.T) {
	b := backend[string](t, whole())
	var o heapbackend.Options[int]
	_, err := heapbackend.NewValue(b, "x", o, o)
	require.ErrorIs(t, err, heapbackend.ErrConfig)
	_, err = heapbackend.NewList(b, "x", o, o)
	require.ErrorIs(t, err, heapbackend.ErrConfig)
	_, err = heapbackend.NewMap[string](b, "x", o, o)
	require.ErrorIs(t, err, heapbackend.ErrConfig)
	for _, id := range []string{"", strings.Repeat("i", heapbackend.MaxStateName+1)} {
		_, err = heapbackend.NewValue(b, "x", heapbackend.Options[int]{Codec: decimal{id: &id}})
		require.ErrorIs(t, err, heapbackend.ErrConfig)
	}
}

func TestStatesAreBounded(t *testing.T) {
	b := backend[uint64](t, heapbackend.Config{M: 1, Range: keygroups.Range{End: 1}})
	name := func(i int) string { return strings.Repeat("x", 1+i/128) + string(rune('0'+i%128)) }
	for i := range heapbackend.MaxStates {
		_, err := heapbackend.NewValue[int](b, name(i))
		require.NoError(t, err)
	}
	for i := heapbackend.MaxStates; i < 40_000; i++ {
		_, err := heapbackend.NewValue[int](b, fmt.Sprint(i))
		require.ErrorIs(t, err, heapbackend.ErrConfig)
		require.ErrorContains(t, err, "16384 states, MaxStates")
	}
	_, err := heapbackend.NewTimers(b, "timers", heapbackend.EventTime)
	require.ErrorContains(t, err, "MaxStates")
	_, err = heapbackend.NewSplitList[string](b, "split")
	require.ErrorContains(t, err, "MaxStates")
	require.NoError(t, b.Err())

	// Nor does a restore bring more than the next snapshot could say.
	other := backend[uint64](t, b.Config())
	require.NoError(t, valueOf[int](t, other, "one too many").Put(1, 1))
	staged, err := decoded(b, capture(t, other), 0)
	require.NoError(t, err)
	require.ErrorIs(t, b.Install([]*heapbackend.Staged{staged}), heapbackend.ErrConfig)
	require.NoError(t, b.Err())
	capture(t, b).Release()
}
