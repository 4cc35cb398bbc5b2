package recovery

import (
	"errors"

	"github.com/heapstate/heapstate/heapbackend"
	"github.com/heapstate/heapstate/primary"
)

// Chooser decides which checkpoint a job is restored from: one for all of its tasks, because the states of two
// checkpoints never were together. A [Job] has one. An engine that restarts its tasks itself keeps one for the life of
// the job:
//
//	coordinator.AbortAll(cause)                             // nothing of the attempts that failed
//	err := coordinator.Settle(ctx)                          // may commit after this
//	m, err := chooser.Choose(coordinator.Retained())        // once
//	release := coordinator.Pin(m)                           // unless m is nil: until every task is restored
//	plan, err := MakePlan(want, m, locals)                  // for each task
//	report, err := Restore(ctx, RestoreConfig{Plan: plan, ...})
//
// When the restore of any task fails, all are ended, Failed is told once, and after a delay it begins again from the
// top: with the same checkpoint, or with an older one for all.
//
// A Chooser belongs to one goroutine. The zero value never goes back to an older checkpoint.
type Chooser struct {
	// StepBack lets Choose pass over a checkpoint that Failed found unreadable or damaged.
	StepBack bool

	bad map[manifestKey]error // why a checkpoint is passed over
}

// manifestKey names a checkpoint, which may be of another job.
type manifestKey struct {
	job        string
	checkpoint uint64
}

func keyOf(m *primary.Manifest) manifestKey { return manifestKey{m.Job, m.Checkpoint} }

// Choose returns the first of the candidates, which are given newest first, that nothing is known against; without
// StepBack it is the first or none. It returns nil if there are no candidates: the job never completed a checkpoint,
// and starts empty. When all that may be chosen are bad the error joins the reasons. What was known of checkpoints that
// are no candidates any more is forgotten.
func (c *Chooser) Choose(candidates []*primary.Manifest) (*primary.Manifest, error) {
	known := map[manifestKey]error{}
	for _, m := range candidates {
		if err := c.bad[keyOf(m)]; err != nil {
			known[keyOf(m)] = err
		}
	}
	c.bad = known
	if !c.StepBack {
		candidates = candidates[:min(1, len(candidates))]
	}
	var reasons []error
	for _, m := range candidates {
		err := known[keyOf(m)]
		if err == nil {
			return m, nil
		}
		reasons = append(reasons, err)
	}
	return nil, errors.Join(reasons...)
}

// Failed takes note that a restore from a manifest failed, and returns what that says of the checkpoint. Only after a
// verdict other than Blameless does Choose pass over it. One that is Damaged may be given to Coordinator.Discard, so
// that it does not push a readable one out of those retained; no other may. m may be nil: a job that starts empty
// cannot be blamed.
//
// An object that is missing counts as damage. Ask Coordinator.Reload first, as Job does, whether the log still counts
// the checkpoint and is still this process's own.
func (c *Chooser) Failed(m *primary.Manifest, err error) Verdict {
	verdict := Judge(err)
	if m == nil || verdict == Blameless {
		return Blameless
	}
	if c.bad == nil {
		c.bad = map[manifestKey]error{}
	}
	c.bad[keyOf(m)] = err
	return verdict
}

// Verdict is what the failure of a restore says of the checkpoint that was restored.
type Verdict uint8

const (
	// Blameless: nothing. The store did not answer, or was slow, or the restore was cancelled, or the program's states
	// are not those of the checkpoint. A restore from the same checkpoint may succeed later; an older one would only
	// lose what is in this.
	Blameless Verdict = iota
	// Unreadable: the bytes are what was written, and this program cannot read them: they are of another format
	// version, or a decoder refuses them. Another program may read them, so that nothing of the checkpoint may be
	// deleted.
	Unreadable
	// Damaged: it is proved that nobody can read it. Bytes read twice did not have the checksum or the length that the
	// manifest demands, or an object is missing.
	Damaged
)

// Judge says what the error of [Restore] means for the checkpoint. It is a pure function.
func Judge(err error) Verdict {
	lost := new(RestoreError)
	if !errors.As(err, &lost) || len(lost.Causes) == 0 {
		return Blameless
	}
	last := &lost.Causes[len(lost.Causes)-1] // the primary copy: the sources before it are no proof
	is := func(kind error) bool { return errors.Is(last, kind) }
	switch {
	case isPermanent(last):
		return Blameless
	case is(primary.ErrVersion), is(heapbackend.ErrCorrupt):
		return Unreadable
	case is(primary.ErrCorrupt), is(primary.ErrNotExist):
		return Damaged
	}
	return Blameless
}
