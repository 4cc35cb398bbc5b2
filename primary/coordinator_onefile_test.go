package primary

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/primary/internal/commitlog"
)

// contents are the objects of a store.
type contents map[string][]byte

func contentsOf(t tester, s Store) contents {
	t.Helper()
	all := contents{}
	for _, name := range names(t, s, "") {
		b, err := readObject(context.Background(), s, name)
		require.NoError(t, err)
		all[name] = b
	}
	return all
}

// store returns a store that holds them.
func (c contents) store(t tester) *Memory {
	t.Helper()
	s := NewMemory()
	for _, name := range slices.Sorted(maps.Keys(c)) {
		require.NoError(t, createObject(context.Background(), s, name, c[name]))
	}
	return s
}

// oneFile is what can happen to a file: nil content means that it is gone.
type oneFile struct {
	what    string
	content func(c contents, name string) []byte
}

// happenings are what can happen to one file. past is what the store was one checkpoint ago.
func happenings(past contents, foreign contents) []oneFile {
	return []oneFile{
		{"lost", func(contents, string) []byte { return nil }},
		{"empty", func(contents, string) []byte { return []byte{} }},
		{"cut", func(c contents, name string) []byte { return c[name][:len(c[name])/2] }},
		{"longer", func(c contents, name string) []byte { return append(bytes.Clone(c[name]), make([]byte, 100_000)...) }},
		{"version flipped", func(c contents, name string) []byte { return flipped(c[name], 8) }},
		{"middle flipped", func(c contents, name string) []byte { return flipped(c[name], len(c[name])/2) }},
		{"an older of the kind", func(c contents, name string) []byte { return likeIt(past, name) }},
		{"another job's", func(c contents, name string) []byte {
			return likeIt(foreign, strings.Replace(name, testJob, "other", 1))
		}},
	}
}

func flipped(b []byte, at int) []byte {
	b = bytes.Clone(b)
	b[at] ^= 0x40
	return b
}

// likeIt returns the last object in the same directory.
func likeIt(c contents, name string) []byte {
	dir := name[:strings.LastIndexByte(name, '/')+1]
	found := []byte("nothing like it")
	for _, other := range slices.Sorted(maps.Keys(c)) {
		if strings.HasPrefix(other, dir) && !strings.Contains(other[len(dir):], "/") {
			found = c[other]
		}
	}
	return found
}

// situations are moments at which a job may be left.
var situations = map[string]func(t *testing.T, r *rig){
	"after a checkpoint":  func(*testing.T, *rig) {},
	"after a savepoint":   func(_ *testing.T, r *rig) { r.ackAll(r.trigger(true), true) },
	"before a checkpoint": func(_ *testing.T, r *rig) { r.part(0, r.trigger(false), false) },
	"after a start": func(t *testing.T, r *rig) {
		r.stop()
		again := startRig(t, r.store, func(cfg *CoordinatorConfig) { cfg.Retain = r.cfg.Retain })
		again.part(0, again.trigger(false), false)
		synctest.Wait()
		again.stop()
		r.run()
	},
}

// Whatever happens to one file of a job that is not the state itself, the job goes on from its newest checkpoint, or
// from nothing at all with an error; and nothing that was there before is deleted before it has.
func TestOneFile(t *testing.T) {
	for situation, lead := range situations {
		for retain := 1; retain <= 3; retain++ {
			t.Run(fmt.Sprintf("%s/retain=%d", situation, retain), func(t *testing.T) {
				now, past, foreign, newest := aJob(t, lead, retain)
				tried := 0
				for _, name := range slices.Sorted(maps.Keys(now)) {
					if at := parseName(testJob, name).area; at != areaLog && at != areaOrigin && at != areaManifest {
						continue
					}
					for _, h := range happenings(past, foreign) {
						changed := maps.Clone(now)
						changed[name] = h.content(now, name)
						if changed[name] == nil {
							delete(changed, name)
						}
						goesOn(t, name+" "+h.what, changed, retain, newest)
						tried++
					}
				}
				require.Greater(t, tried, 20)
			})
		}
	}
}

// aJob returns what the store of a job holds after four checkpoints and what follows them, what it held before the last
// of them, what that of another job holds, and the newest checkpoint.
func aJob(t *testing.T, lead func(*testing.T, *rig), retain int) (now, past, foreign contents, newest uint64) {
	bubble(t, func(t *testing.T, store Store) {
		keep := func(cfg *CoordinatorConfig) { cfg.Retain = retain }
		other := startRig(t, NewMemory(), keep, func(cfg *CoordinatorConfig) { cfg.Job = "other" })
		other.complete()
		other.stop()
		foreign = contentsOf(t, other.store)
		r := startRig(t, store, keep)
		for range 3 {
			r.complete()
		}
		synctest.Wait()
		past = contentsOf(t, store)
		newest = r.complete().Checkpoint
		lead(t, r)
		synctest.Wait()
		r.stop()
		now = contentsOf(t, store)
	})
	return now, past, foreign, newest
}

// goesOn opens the job on what the store holds and has it make a checkpoint.
func goesOn(t *testing.T, what string, c contents, retain int, newest uint64) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		store := c.store(t)
		r := newRig(t, store, func(cfg *CoordinatorConfig) { cfg.Retain, cfg.SkipCorrupt = retain, retain == 2 })
		coord, err := OpenCoordinator(t.Context(), r.cfg)
		require.NoError(t, err, what)
		require.NotNil(t, coord.Latest(), what)
		require.Equal(t, newest, coord.Latest().Checkpoint, what)
		read, err := LoadRetained(t.Context(), store, testJob)
		require.NoError(t, err, what)
		require.Equal(t, coord.Retained(), read, what)
		require.Len(t, read, retain, "%s: nothing retained is lost", what)
		r.c = coord
		r.startTasks()
		r.run()
		r.complete()
		synctest.Wait()
		r.stop()
		requireKept(t, what, c, store)
	})
}

// requireKept checks that every savepoint is still there as it was.
func requireKept(t *testing.T, what string, before contents, store Store) {
	t.Helper()
	after := contentsOf(t, store)
	for name, b := range before {
		if strings.HasPrefix(name, savepointsPrefix(testJob)) {
			require.Equal(t, b, after[name], "%s: %s", what, name)
		}
	}
}

// Where all that says what was committed is gone, or goes back to what it once was, the job does not start, and
// nothing is changed: with any of it put back it goes on.
func TestLostLog(t *testing.T) {
	now, past, _, newest := aJob(t, situations["after a start"], 2)
	in := func(dirs ...string) func(string) bool {
		return func(name string) bool {
			return slices.ContainsFunc(dirs, func(dir string) bool { return strings.HasPrefix(name, testJob+"/"+dir) })
		}
	}
	only := func(c contents, keep func(string) bool) contents {
		c = maps.Clone(c)
		maps.DeleteFunc(c, func(name string, _ []byte) bool { return !keep(name) })
		return c
	}
	not := func(f func(string) bool) func(string) bool { return func(name string) bool { return !f(name) } }
	older := only(now, not(in("log")))
	maps.Copy(older, only(past, in("log")))
	for what, c := range map[string]contents{
		"no record and no copy":       only(now, not(in("log"))),
		"only objects":                only(now, in("objects")),
		"only the origin":             only(now, in("origin")),
		"a log older than its object": older,
	} {
		t.Run(what, func(t *testing.T) {
			bubble(t, func(t *testing.T, _ Store) {
				store := c.store(t)
				for _, step := range []bool{false, true} {
					r := newRig(t, store, func(cfg *CoordinatorConfig) { cfg.SkipCorrupt = step })
					_, err := OpenCoordinator(t.Context(), r.cfg)
					require.ErrorIs(t, err, ErrLogLost)
					var lost *LogLostError
					require.ErrorAs(t, err, &lost)
					require.Equal(t, testJob, lost.Job)
					require.NotEmpty(t, lost.Found)
					require.Contains(t, err.Error(), testJob+"/log-copy")
				}
				if what != "a log older than its object" { // which readers cannot know
					_, err := LoadRetained(t.Context(), store, testJob)
					require.ErrorIs(t, err, ErrLogLost)
				}
				require.Equal(t, c, contentsOf(t, store), "nothing is changed")
			})
		})
	}
	for _, row := range []string{"log/", "log-copy/"} { // the way to repair
		t.Run("put back "+row, func(t *testing.T) {
			repaired := only(now, not(in("log")))
			maps.Copy(repaired, only(now, in(row)))
			goesOn(t, row, repaired, 2, newest)
		})
	}
}

// The other way: what the newest record says is gone is moved away, and the job starts anew.
func TestStartAnewIsAnExplicitAct(t *testing.T) {
	now, _, _, _ := aJob(t, situations["after a savepoint"], 2)
	bubble(t, func(t *testing.T, _ Store) {
		maps.DeleteFunc(now, func(name string, _ []byte) bool { return !strings.HasPrefix(name, savepointsPrefix(testJob)) })
		require.NotEmpty(t, now)
		r := startRig(t, now.store(t))
		require.Nil(t, r.c.Latest())
		r.complete()
		synctest.Wait()
		requireKept(t, "anew", now, r.store)
		for id, err := range Savepoints(t.Context(), r.store, testJob) {
			require.NoError(t, err)
			_, err := LoadSavepoint(t.Context(), r.store, testJob, id)
			require.NoError(t, err)
		}
	})
}

// A savepoint is the user's: without its manifest nothing of it is deleted.
func TestSavepointWithoutItsManifestIsLeftAlone(t *testing.T) {
	now, _, _, _ := aJob(t, situations["after a savepoint"], 1)
	bubble(t, func(t *testing.T, _ Store) {
		maps.DeleteFunc(now, func(name string, _ []byte) bool { return parseName(testJob, name).area == areaManifest })
		store := now.store(t)
		for range 3 {
			r := startRig(t, store)
			r.complete()
			synctest.Wait()
			r.stop()
		}
		requireKept(t, "moved manifest", now, store)
	})
}

// missingStore lists nothing of the log, a few times: all its records are replaced during each listing.
type missingStore struct {
	Store
	misses int
}

func (m *missingStore) List(ctx context.Context, prefix string) iter.Seq2[Info, error] {
	if strings.HasPrefix(prefix, commitlog.Prefix(testJob)) && m.misses > 0 {
		m.misses--
		return func(func(Info, error) bool) {}
	}
	return m.Store.List(ctx, prefix)
}

func TestReadersAreNotMisledByAListing(t *testing.T) {
	now, _, _, newest := aJob(t, situations["after a checkpoint"], 1)
	store := &missingStore{Store: now.store(t), misses: 2}
	ms, err := LoadRetained(t.Context(), store, testJob)
	require.NoError(t, err)
	require.Equal(t, []uint64{newest}, manifestIDs(ms))
	store.misses = 2
	entries, err := ReadLog(t.Context(), store, testJob)
	require.NoError(t, err)
	require.Len(t, entries, 1)
}

// A store that is away is no store without a log.
func TestStoreThatDoesNotAnswerIsNoLostLog(t *testing.T) {
	now, _, _, _ := aJob(t, situations["after a checkpoint"], 1)
	for at := 1; ; at++ {
		hooked := &hookStore{Store: now.store(t)}
		failed := false
		hooked.set(func(_ context.Context, o op) error {
			if o.n == at {
				failed = true
				return errTest
			}
			return nil
		}, nil)
		_, err := OpenCoordinator(t.Context(), newRig(t, hooked).cfg)
		if !failed {
			require.NoError(t, err)
			require.Greater(t, at, 5)
			return
		}
		if err != nil {
			require.ErrorIs(t, err, errTest)
			for _, not := range []error{ErrLogLost, ErrCorrupt, ErrNotExist, ErrFenced} {
				require.False(t, errors.Is(err, not), "call %d: %v", at, err)
			}
		}
	}
}
