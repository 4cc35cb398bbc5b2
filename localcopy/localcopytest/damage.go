package localcopytest

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/localcopy"
)

// Place is where a format keeps copies that outlive the process.
type Place struct {
	// Reopen opens the format on the place as a new process would: with nothing kept in memory.
	Reopen func() localcopy.Format
	// Damage spoils all that is stored in the place now, as a power loss does to what was not synced: the names stay,
	// what they stand for is shorter than it was, or empty.
	Damage func()
}

// TestDamage checks what a format whose copies outlive the process does with damaged ones. newPlace is called once for
// each rule.
func TestDamage(t *testing.T, newPlace func(t *testing.T) Place) {
	for _, rule := range []struct {
		name string
		test func(*testing.T, Place)
	}{
		{"a damaged copy is removed when it is found", testDamageGoes},
		{"a damaged copy hides no other", testDamageAlone},
		{"a copy damaged since it was found is not loaded", testDamageLate},
		{"a damaged copy can be dropped", testDamageDrop},
		{"a damaged copy can be claimed and freed", testDamageClaim},
	} {
		t.Run(rule.name, func(t *testing.T) { rule.test(t, newPlace(t)) })
	}
}

// usable returns the copies that have groups.
func usable(copies []localcopy.Copy) (found []localcopy.Copy) {
	for _, c := range copies {
		if len(c.Groups()) > 0 {
			found = append(found, c)
		}
	}
	return found
}

func testDamageGoes(t *testing.T, p Place) {
	k := newTask(t)
	store(t, p.Reopen(), k.capture(7))
	store(t, p.Reopen(), k.capture(8))
	p.Damage()
	f := p.Reopen()
	found, err := f.Open(t.Context(), k.meta.Owner)
	require.Error(t, err, "it must be reported")
	require.Empty(t, usable(found))
	for _, f := range []localcopy.Format{f, p.Reopen()} {
		again, _ := open(t, f, k.meta.Owner) // without an error
		require.Empty(t, again)
	}
}

func testDamageAlone(t *testing.T, p Place) {
	k := newTask(t)
	store(t, p.Reopen(), k.capture(7))
	p.Damage()
	m := k.capture(8)
	store(t, p.Reopen(), m)
	again := k.capture(7)
	store(t, p.Reopen(), again)
	found, _ := p.Reopen().Open(t.Context(), k.meta.Owner)
	found = usable(found)
	require.Len(t, found, 2)
	requireHolds(t, found[0], again, m.meta.Range)
	requireHolds(t, found[1], m, m.meta.Range)
}

func testDamageLate(t *testing.T, p Place) {
	k := newTask(t)
	f := p.Reopen()
	m := k.capture(7)
	c := store(t, f, m)
	p.Damage()
	into, _, _ := newBackend(t, m.meta.Range)
	failed := 0
	for _, g := range c.Groups() {
		if _, err := c.Load(t.Context(), g.Group, into); err != nil {
			failed++
		}
	}
	require.NotZero(t, failed)
	require.NoError(t, c.Drop(t.Context()))
	found, _ := open(t, p.Reopen(), k.meta.Owner)
	require.Empty(t, found)
}

func testDamageDrop(t *testing.T, p Place) {
	k := newTask(t)
	store(t, p.Reopen(), k.capture(7))
	found, _ := open(t, p.Reopen(), k.meta.Owner)
	p.Damage()
	require.NoError(t, found[0].Drop(t.Context()))
	found, _ = open(t, p.Reopen(), k.meta.Owner)
	require.Empty(t, found)
}

func testDamageClaim(t *testing.T, p Place) {
	mine, gone, freed := newTask(t), newTask(t), newTask(t)
	for _, k := range []*task{mine, gone, freed} {
		store(t, p.Reopen(), k.capture(7))
	}
	p.Damage()
	f := p.Reopen()
	require.NoError(t, f.Free(t.Context(), freed.meta.Job, freed.meta.Allocation))
	require.NoError(t, f.Claim(t.Context(), mine.meta.Job, []uuid.UUID{mine.meta.Allocation}))
	for _, k := range []*task{gone, freed} {
		found, _ := open(t, p.Reopen(), k.meta.Owner)
		require.Empty(t, found)
	}
}
