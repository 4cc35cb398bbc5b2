package recovery

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/heapstate/heapstate/keygroups"
	"github.com/heapstate/heapstate/localcopy"
	"github.com/heapstate/heapstate/primary"
)

var schema = []byte("schema")

// planManifest is checkpoint 7 of job "j": M 16, two tasks; every key group has one base segment but group 5, which is
// empty.
func planManifest() *primary.Manifest {
	m := &primary.Manifest{Job: "j", Checkpoint: 7, M: 16, Seed: 9, Operators: []primary.Operator{{Name: "other"}, {Name: "o"}}}
	for task, r := range []keygroups.Range{rng(0, 8), rng(8, 16)} {
		ts := primary.TaskState{Task: task, Range: r, Attempt: alloc(100 + task), Allocation: alloc(task), Schema: schema, Objects: []string{"x"}}
		for g := range r.All() {
			if g != 5 {
				ts.Groups = append(ts.Groups, primary.GroupState{Group: g, Segments: []primary.SegmentRef{{Segment: primary.Segment{
					Group: g, Offset: int64(g) * 100, Length: 10, Raw: 20, Digest: digest(g), Entries: uint64(g + 1)}}}})
			}
		}
		m.Operators[1].Tasks = append(m.Operators[1].Tasks, ts)
	}
	return m
}

func digest(group int) uint64 { return uint64(group)*1_000_003 + 1 }

// planLocal is a right local copy of one task of planManifest.
func planLocal(task int) LocalSource {
	r := rng(8*task, 8*task+8)
	l := LocalSource{Name: "heap", Letter: 'H', Meta: localcopy.Meta{
		Owner:   localcopy.Owner{Job: "j", Operator: "o", Task: task, Allocation: alloc(task)},
		Attempt: alloc(100 + task), Checkpoint: 7, M: 16, Seed: 9, Range: r, Schema: schema,
	}}
	for g := range r.All() {
		if g != 5 {
			l.Groups = append(l.Groups, localcopy.GroupInfo{Group: g, Digest: digest(g), Entries: uint64(g + 1), Bytes: 20})
		}
	}
	return l
}

func planWant() Want { return Want{Job: "j", Operator: "o", M: 16, Seed: 9, Range: rng(0, 8)} }

func TestPlanUsesALocalCopyThatMatches(t *testing.T) {
	p, err := MakePlan(planWant(), planManifest(), []LocalSource{planLocal(0)})
	require.NoError(t, err)
	require.EqualValues(t, 7, p.Checkpoint)
	require.Len(t, p.Groups, 8)
	for g, gp := range p.Groups {
		require.Equal(t, g, gp.Group)
		require.Empty(t, gp.Rejected)
		if g == 5 {
			require.True(t, gp.Empty)
			require.Empty(t, gp.Sources)
			continue
		}
		require.False(t, gp.Empty)
		require.Equal(t, []Choice{{0, ReasonLocal, 20}, {Primary, ReasonTruth, 10}}, gp.Sources)
		require.Equal(t, 0, gp.Task.Task)
		require.Equal(t, int64(g)*100, gp.Segments[0].Offset)
	}
}

func TestPlanRejects(t *testing.T) {
	type change func(m *primary.Manifest, l *LocalSource)
	tests := map[string]struct {
		change change
		want   Reason
	}{
		"another job":         {func(_ *primary.Manifest, l *LocalSource) { l.Meta.Job = "k" }, ReasonJob},
		"another operator":    {func(_ *primary.Manifest, l *LocalSource) { l.Meta.Operator = "other" }, ReasonOperator},
		"an older checkpoint": {func(_ *primary.Manifest, l *LocalSource) { l.Meta.Checkpoint = 6 }, ReasonCheckpoint},
		"a newer checkpoint":  {func(_ *primary.Manifest, l *LocalSource) { l.Meta.Checkpoint = 8 }, ReasonCheckpoint},
		"another attempt":     {func(_ *primary.Manifest, l *LocalSource) { l.Meta.Attempt = alloc(1) }, ReasonAttempt},
		"no attempt at all": {func(m *primary.Manifest, l *LocalSource) {
			l.Meta.Attempt, m.Operators[1].Tasks[0].Attempt = uuid.Nil, uuid.Nil
		}, ReasonAttempt},
		"another M":           {func(_ *primary.Manifest, l *LocalSource) { l.Meta.M = 32 }, ReasonM},
		"another seed":        {func(_ *primary.Manifest, l *LocalSource) { l.Meta.Seed = 8 }, ReasonSeed},
		"another schema":      {func(_ *primary.Manifest, l *LocalSource) { l.Meta.Schema = []byte("Schema") }, ReasonSchema},
		"another range":       {func(_ *primary.Manifest, l *LocalSource) { l.Meta.Range = rng(0, 9) }, ReasonRange},
		"an unknown task":     {func(_ *primary.Manifest, l *LocalSource) { l.Meta.Task = 2 }, ReasonTask},
		"another digest":      {func(_ *primary.Manifest, l *LocalSource) { l.Groups[3].Digest++ }, ReasonDigest},
		"another length":      {func(_ *primary.Manifest, l *LocalSource) { l.Groups[3].Bytes = 1 << 40 }, ReasonDigest},
		"other entries":       {func(_ *primary.Manifest, l *LocalSource) { l.Groups[3].Entries++ }, ReasonDigest},
		"an empty key group":  {func(m *primary.Manifest, _ *LocalSource) { drop(m, 3) }, ReasonEmpty},
		"no segments at all":  {func(m *primary.Manifest, _ *LocalSource) { m.Operators[1].Tasks[0].Groups[3].Segments = nil }, ReasonEmpty},
		"another task's copy": {func(_ *primary.Manifest, l *LocalSource) { *l = strayCopy() }, ReasonTask},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			m, l := planManifest(), planLocal(0)
			tt.change(m, &l)
			p, err := MakePlan(planWant(), m, []LocalSource{l})
			require.NoError(t, err)
			gp := p.Groups[3]
			require.Equal(t, []Rejection{{0, tt.want}}, gp.Rejected)
			if tt.want == ReasonEmpty {
				require.True(t, gp.Empty)
				require.Empty(t, gp.Sources)
				return
			}
			require.Equal(t, []Choice{{Primary, ReasonTruth, 10}}, gp.Sources)
		})
	}
}

func drop(m *primary.Manifest, i int) {
	ts := &m.Operators[1].Tasks[0]
	ts.Groups = append(ts.Groups[:i:i], ts.Groups[i+1:]...)
}

// strayCopy is task 1's copy, right in every way, that holds a key group of task 0.
func strayCopy() LocalSource {
	l := planLocal(1)
	l.Groups = append(l.Groups, localcopy.GroupInfo{Group: 3, Digest: digest(3), Entries: 4})
	return l
}

func TestPlanADigestRejectsOneKeyGroupOnly(t *testing.T) {
	l := planLocal(0)
	l.Groups[3].Digest++
	p, err := MakePlan(planWant(), planManifest(), []LocalSource{l})
	require.NoError(t, err)
	for g, gp := range p.Groups {
		if g != 3 && g != 5 {
			require.Equal(t, 0, gp.Sources[0].Local, "key group %d", g)
		}
	}
}

func TestPlanTriesLocalCopiesInTheOrderGiven(t *testing.T) {
	file := planLocal(0)
	file.Name, file.Letter = "file", 'F'
	file.Groups = file.Groups[:2]
	twice := planLocal(0)
	twice.Groups = append(twice.Groups, twice.Groups...)
	p, err := MakePlan(planWant(), planManifest(), []LocalSource{file, twice})
	require.NoError(t, err)
	require.Equal(t, []Choice{{0, ReasonLocal, 20}, {1, ReasonLocal, 20}, {Primary, ReasonTruth, 10}}, p.Groups[1].Sources)
	require.Equal(t, []Choice{{1, ReasonLocal, 20}, {Primary, ReasonTruth, 10}}, p.Groups[2].Sources)
}

func TestPlanRefusesAManifestThatDoesNotFit(t *testing.T) {
	tests := map[string]struct {
		change func(w *Want, m *primary.Manifest)
		want   string
	}{
		"job":             {func(w *Want, _ *primary.Manifest) { w.Job = "k" }, "job"},
		"operator":        {func(w *Want, _ *primary.Manifest) { w.Operator = "p" }, "operator"},
		"max parallelism": {func(w *Want, _ *primary.Manifest) { w.M = 8 }, "max parallelism"},
		"seed":            {func(w *Want, _ *primary.Manifest) { w.Seed = 8 }, "seed"},
		"a hole":          {func(_ *Want, m *primary.Manifest) { m.Operators[1].Tasks[0].Range.First = 1 }, "range"},
		"beyond the end":  {func(w *Want, _ *primary.Manifest) { w.Range.End = 17; w.Range.First = 15 }, "range"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w, m := planWant(), planManifest()
			tt.change(&w, m)
			_, err := MakePlan(w, m, nil)
			require.ErrorIs(t, err, ErrMismatch)
			e := new(MismatchError)
			require.ErrorAs(t, err, &e)
			require.Equal(t, tt.want, e.Property)
			require.EqualValues(t, 7, e.Checkpoint)
		})
	}
}

func TestPlanWithoutACheckpointIsEmpty(t *testing.T) {
	p, err := MakePlan(planWant(), nil, []LocalSource{planLocal(0)})
	require.NoError(t, err)
	require.Zero(t, p.Checkpoint)
	require.Len(t, p.Groups, 8)
	for _, gp := range p.Groups {
		require.True(t, gp.Empty)
		require.Empty(t, gp.Sources)
	}
}

// TestPlanUsesAnyOverlap draws old and new parallelisms: every key group that some old task's copy holds is taken from
// it.
func TestPlanUsesAnyOverlap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := rapid.IntRange(1, 64).Draw(t, "m")
		from := rapid.IntRange(1, m).Draw(t, "from")
		to := rapid.IntRange(1, m).Draw(t, "to")
		manifest := &primary.Manifest{Job: "j", Checkpoint: 7, M: m, Operators: []primary.Operator{{Name: "o"}}}
		old, err := keygroups.Ranges(m, from)
		require.NoError(t, err)
		local := map[int]int{} // by group
		var locals []LocalSource
		for task, r := range old {
			ts := primary.TaskState{Task: task, Range: r, Attempt: alloc(task)}
			l := LocalSource{Meta: localcopy.Meta{Owner: localcopy.Owner{Job: "j", Operator: "o", Task: task}, Attempt: alloc(task), Checkpoint: 7, M: m, Range: r}}
			for g := range r.All() {
				ts.Groups = append(ts.Groups, primary.GroupState{Group: g, Segments: []primary.SegmentRef{{Segment: primary.Segment{Group: g, Digest: digest(g), Entries: 1}}}})
				l.Groups = append(l.Groups, localcopy.GroupInfo{Group: g, Digest: digest(g), Entries: 1})
				local[g] = len(locals)
			}
			manifest.Operators[0].Tasks = append(manifest.Operators[0].Tasks, ts)
			if rapid.Bool().Draw(t, "kept") {
				locals = append(locals, l)
				continue
			}
			for g := range r.All() {
				delete(local, g)
			}
		}
		for task := range to {
			r, err := keygroups.RangeOf(m, to, task)
			require.NoError(t, err)
			p, err := MakePlan(Want{Job: "j", Operator: "o", M: m, Range: r}, manifest, locals)
			require.NoError(t, err)
			for i, gp := range p.Groups {
				require.Equal(t, r.First+i, gp.Group)
				require.Equal(t, Primary, gp.Sources[len(gp.Sources)-1].Local)
				if want, ok := local[gp.Group]; ok {
					require.Equal(t, want, gp.Sources[0].Local)
				} else {
					require.Len(t, gp.Sources, 1)
				}
			}
		}
	})
}
