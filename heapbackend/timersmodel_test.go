package heapbackend_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/heapstate/heapstate/heapbackend"
	"github.com/heapstate/heapstate/keygroups"
)

// alarm is a timer as the model keeps it: the key in canonical form.
type alarm struct {
	key string
	at  heapbackend.Timestamp
}

// alarmKind is a type of keys: how timers of it are registered, and which of its keys are one.
type alarmKind[K comparable] struct {
	timers    func(t require.TestingT, cfg heapbackend.Config) (heapbackend.AnyBackend, *heapbackend.Timers[K])
	key       func(int) K
	canonical func(K) string
	group     func(K) int
}

func plainAlarms[K comparable](t *testing.T, key func(int) K) alarmKind[K] {
	h, err := keygroups.NewHasher[K](whole().Seed)
	require.NoError(t, err)
	return alarmKind[K]{
		timers: func(t require.TestingT, cfg heapbackend.Config) (heapbackend.AnyBackend, *heapbackend.Timers[K]) {
			b := backend[K](t, cfg)
			return b, timersOf(t, b, "timers")
		},
		key: key, canonical: func(k K) string { return string(h.Append(nil, k)) },
		group: func(k K) int { return keygroups.Of(h.Hash(k), testM) },
	}
}

// windowAlarms has keys with windows; windows are floats, several of which are one.
func windowAlarms(t *testing.T) alarmKind[heapbackend.NamespacedKey[string, float64]] {
	type windowed = heapbackend.NamespacedKey[string, float64]
	keys, spaces := plainAlarms(t, stringKey), plainAlarms(t, func(int) float64 { return 0 })
	return alarmKind[windowed]{
		timers: func(t require.TestingT, cfg heapbackend.Config) (heapbackend.AnyBackend, *heapbackend.Timers[windowed]) {
			b := backend[string](t, cfg)
			n, err := heapbackend.NamespacesOf[float64](b)
			require.NoError(t, err)
			return b, timersOf(t, n, "timers")
		},
		key:       func(i int) windowed { return heapbackend.In(stringKey(i/7), floats[i%len(floats)]) },
		canonical: func(k windowed) string { return keys.canonical(k.Key) + "/" + spaces.canonical(k.Namespace) },
		group:     func(k windowed) int { return keys.group(k.Key) },
	}
}

func timersOf[K comparable](t require.TestingT, in heapbackend.Scope[K], name string) *heapbackend.Timers[K] {
	s, err := heapbackend.NewTimers(in, name, heapbackend.EventTime)
	require.NoError(t, err)
	return s
}

// alarmTask is a backend and the timers it must hold, with their key groups.
type alarmTask[K comparable] struct {
	b      heapbackend.AnyBackend
	timers *heapbackend.Timers[K]
	want   map[alarm]int
}

type alarmShot struct {
	handle *heapbackend.Snapshot
	want   map[alarm]int
}

// alarms is the tasks of a job.
type alarms[K comparable] struct {
	alarmKind[K]
	tasks, ghosts []*alarmTask[K]
	shots         []alarmShot
}

func (m *alarms[K]) fresh(t require.TestingT, r keygroups.Range) *alarmTask[K] {
	b, timers := m.timers(t, part(r.First, r.End))
	return &alarmTask[K]{b, timers, map[alarm]int{}}
}

func (m *alarms[K]) alarm(k K, at heapbackend.Timestamp) alarm { return alarm{m.canonical(k), at} }

// of returns the task of that list which holds a key, nil if none does.
func (m *alarms[K]) of(list []*alarmTask[K], k K) *alarmTask[K] {
	i := slices.IndexFunc(list, func(tk *alarmTask[K]) bool { return tk.b.Config().Range.Contains(m.group(k)) })
	if i < 0 {
		return nil
	}
	return list[i]
}

func (m *alarms[K]) register(t require.TestingT, list []*alarmTask[K], k K, at heapbackend.Timestamp) {
	if tk := m.of(list, k); tk != nil {
		require.NoError(t, tk.timers.Register(k, at))
		tk.want[m.alarm(k, at)] = m.group(k)
		require.True(t, tk.timers.Has(k, at))
	}
}

func (m *alarms[K]) delete(t require.TestingT, k K, at heapbackend.Timestamp) {
	tk := m.of(m.tasks, k)
	_, had := tk.want[m.alarm(k, at)]
	require.Equal(t, had, tk.timers.Has(k, at))
	require.NoError(t, tk.timers.Delete(k, at))
	delete(tk.want, m.alarm(k, at))
}

// fire takes up to most timers that are due; body runs in the loop.
func (m *alarms[K]) fire(t require.TestingT, tk *alarmTask[K], upTo heapbackend.Timestamp, most int, body func()) {
	for k, at := range tk.timers.Due(upTo) {
		if first := tk.earliest(); at > upTo || at != first {
			require.Fail(t, "not in time order", "%v, when %v is first and %v the watermark", at, first, upTo)
		}
		if _, ok := tk.want[m.alarm(k, at)]; !ok {
			require.Fail(t, "a timer that is not there, or was", "%v", at)
		}
		delete(tk.want, m.alarm(k, at))
		require.False(t, tk.timers.Has(k, at))
		body()
		if most--; most <= 0 {
			return
		}
	}
	if len(tk.want) > 0 {
		require.Greater(t, tk.earliest(), upTo, "all that are due")
	}
}

func (tk *alarmTask[K]) earliest() heapbackend.Timestamp {
	first := heapbackend.MaxTimestamp
	for a := range tk.want {
		first = min(first, a.at)
	}
	return first
}

func (m *alarms[K]) capture(t require.TestingT, tk *alarmTask[K]) {
	if len(m.shots) < mostShots {
		m.shots = append(m.shots, alarmShot{capture(t, tk.b), maps.Clone(tk.want)})
	}
}

// stage stages what tk takes of a snapshot and returns what makes it the task's.
func (m *alarms[K]) stage(t require.TestingT, tk *alarmTask[K], s alarmShot, how way) (staged []*heapbackend.Staged, then func()) {
	staged, err := stage(tk.b, s.handle, how)
	require.NoError(t, err)
	return staged, func() {
		r := s.handle.Range().Intersect(tk.b.Config().Range)
		maps.DeleteFunc(tk.want, func(_ alarm, group int) bool { return r.Contains(group) })
		for a, group := range s.want {
			if r.Contains(group) {
				tk.want[a] = group
			}
		}
	}
}

func (m *alarms[K]) rollback(t require.TestingT, tk *alarmTask[K], s alarmShot, how way) {
	staged, then := m.stage(t, tk, s, how)
	require.NoError(t, tk.b.Install(staged))
	then()
}

func (m *alarms[K]) rescale(t require.TestingT, n int, how way) {
	ranges, err := keygroups.Ranges(testM, n)
	require.NoError(t, err)
	var next []*alarmTask[K]
	for _, r := range ranges {
		tk := m.fresh(t, r)
		for _, old := range m.tasks {
			s := alarmShot{capture(t, old.b), old.want}
			m.rollback(t, tk, s, how)
			s.handle.Release()
		}
		next = append(next, tk)
	}
	if n%2 == 0 {
		m.ghosts = m.tasks // they go on, whatever was taken from them
	}
	m.tasks = next
}

func (m *alarms[K]) check(t require.TestingT) {
	for _, tk := range slices.Concat(m.tasks, m.ghosts) {
		require.NoError(t, tk.b.Err())
		m.same(t, tk.timers, tk.want)
	}
	for _, s := range m.shots {
		n := 0
		for g := range s.handle.Range().All() {
			n += int(s.handle.Entries(g))
		}
		require.Len(t, s.want, n)
	}
}

// same requires that timers hold what they must, each group in the order of times.
func (m *alarms[K]) same(t require.TestingT, s *heapbackend.Timers[K], want map[alarm]int) {
	got := map[alarm]int{}
	last, lastGroup := heapbackend.MinTimestamp, -1
	for k, at := range s.All() {
		if g := m.group(k); g != lastGroup {
			require.Greater(t, g, lastGroup)
			last, lastGroup = heapbackend.MinTimestamp, g
		}
		if _, twice := got[m.alarm(k, at)]; twice || at < last {
			require.Fail(t, "out of order", "%v after %v, or twice: %v", at, last, twice)
		}
		last = at
		got[m.alarm(k, at)] = m.group(k)
	}
	require.True(t, maps.Equal(want, got), "want %v, got %v", want, got)
	require.Equal(t, len(want), s.Len())
	next, ok := s.Next()
	require.Equal(t, len(want) > 0, ok)
	if ok {
		require.Equal(t, (&alarmTask[K]{want: want}).earliest(), next)
	}
}

// read restores a snapshot in a backend of its own.
func (m *alarms[K]) read(t require.TestingT, s alarmShot, how way) {
	tk := m.fresh(t, s.handle.Range())
	m.rollback(t, tk, s, how)
	m.same(t, tk.timers, s.want)
}

func TestTimersEqualASet(t *testing.T) {
	t.Run("key=uint64", func(t *testing.T) { anyAlarms(t, plainAlarms(t, uintKey)) })
	t.Run("key=composite", func(t *testing.T) { anyAlarms(t, plainAlarms(t, compositeKey)) })
	t.Run("key=windowed", func(t *testing.T) { anyAlarms(t, windowAlarms(t)) })
}

func anyAlarms[K comparable](t *testing.T, kind alarmKind[K]) {
	rapid.Check(t, func(t *rapid.T) {
		m := &alarms[K]{alarmKind: kind}
		m.tasks = []*alarmTask[K]{m.fresh(t, whole().Range)}
		key := rapid.Custom(func(t *rapid.T) K { return kind.key(rapid.IntRange(0, 60).Draw(t, "key")) })
		at := rapid.OneOf(rapid.Map(rapid.IntRange(-20, 100), func(i int) heapbackend.Timestamp { return heapbackend.Timestamp(i) }),
			rapid.SampledFrom([]heapbackend.Timestamp{heapbackend.MinTimestamp, heapbackend.MinTimestamp + 1, -1 << 40, heapbackend.MaxTimestamp}))
		how := rapid.Map(rapid.SampledFrom([]string{"adopted", "decoded", "mixed"}), func(name string) way { return ways[name] })
		task := func(t *rapid.T) *alarmTask[K] { return rapid.SampledFrom(m.tasks).Draw(t, "task") }
		actions := map[string]func(*rapid.T){
			"":         func(t *rapid.T) { m.check(t) },
			"register": func(t *rapid.T) { m.register(t, m.tasks, key.Draw(t, "key"), at.Draw(t, "at")) },
			"ghost":    func(t *rapid.T) { m.register(t, m.ghosts, key.Draw(t, "key"), at.Draw(t, "at")) },
			"fill": func(t *rapid.T) {
				for range rapid.IntRange(1, 200).Draw(t, "n") {
					m.register(t, m.tasks, key.Draw(t, "key"), at.Draw(t, "at"))
				}
			},
			"delete":  func(t *rapid.T) { m.delete(t, key.Draw(t, "key"), at.Draw(t, "at")) },
			"capture": func(t *rapid.T) { m.capture(t, task(t)) },
			"rescale": func(t *rapid.T) { m.rescale(t, rapid.IntRange(1, 5).Draw(t, "tasks"), how.Draw(t, "how")) },
			"fire": func(t *rapid.T) {
				tk := task(t)
				m.fire(t, tk, at.Draw(t, "watermark"), rapid.IntRange(1, 300).Draw(t, "most"), func() {
					switch rapid.IntRange(0, 9).Draw(t, "body") {
					case 0:
						m.register(t, m.tasks, key.Draw(t, "key"), at.Draw(t, "at"))
					case 1:
						m.delete(t, key.Draw(t, "key"), at.Draw(t, "at"))
					case 2:
						m.capture(t, tk)
					}
				})
			},
			"rollback": func(t *rapid.T) {
				if len(m.shots) > 0 {
					m.rollback(t, task(t), rapid.SampledFrom(m.shots).Draw(t, "shot"), how.Draw(t, "how"))
				}
			},
			"read": func(t *rapid.T) {
				if len(m.shots) > 0 {
					m.read(t, rapid.SampledFrom(m.shots).Draw(t, "shot"), how.Draw(t, "how"))
				}
			},
			"release": func(t *rapid.T) {
				if len(m.shots) > 0 {
					i := rapid.IntRange(0, len(m.shots)-1).Draw(t, "shot")
					m.shots[i].handle.Release()
					m.shots = slices.Delete(m.shots, i, i+1)
				}
			},
		}
		t.Repeat(actions)
		for _, s := range m.shots {
			m.read(t, s, decoded)
		}
	})
}
