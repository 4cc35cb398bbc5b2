package fuzz

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/heapstate/heapstate/internal/vfs"
	"github.com/heapstate/heapstate/primary"
)

// seam is what every call of one process to its store and its file systems goes through: it names the call, and lets
// happen to it what the faults say. The two adapters, one over vfs.FS and one over primary.Store, only ask it.
//
// A call is named by what it does, to which file, and how often that was done before in the process, so that a fault
// can be written down and found again: "write:store/tmp~/3#2". Ids are left out of names and numbers are short.
type seam struct {
	faults []fault // of this process
	dead   chan struct{}

	mu     sync.Mutex // guards what follows
	count  map[string]int
	trace  []call
	struck int                  // faults that were met
	away   map[string]time.Time // by root: until when nothing answers
	full   map[string]bool      // by root
	disks  map[string]*unsynced // by root
	killed bool
}

// call names one call.
type call struct {
	op, name string
	nth      int
}

func (c call) String() string { return fmt.Sprintf("%s:%s#%d", c.op, c.name, c.nth) }

// root is the part of a name that says which tree or store it is in.
func (c call) root() string {
	root, _, _ := strings.Cut(c.name, "/")
	return root
}

// What goes wrong at a call.
const (
	failKind    = "fail"   // an error, nothing happens
	lostKind    = "lost"   // it happens, and is answered by an error
	doubtKind   = "doubt"  // it happens, and is answered by ErrUncertain: commits
	maybeKind   = "maybe"  // nothing happens, and it is answered by ErrUncertain: commits
	shortKind   = "short"  // half of the bytes, then an error
	slowKind    = "slow"   // takes longer than the grace of a restart
	lateKind    = "late"   // takes longer than every time-out of a checkpoint
	staleKind   = "stale"  // happens at once, and is answered late
	hangKind    = "hang"   // for as long as the process lives
	fullKind    = "full"   // no space for this and what is written later
	awayKind    = "away"   // this call and all others of the same root fail for a while
	killKind    = "before" // the process is killed just before
	killedKind  = "after"  // the process is killed just after
	powerKind   = "power"  // the machine is switched off just before: what was not synced is lost
	slowFor     = 700 * time.Millisecond
	lateFor     = 2600 * time.Millisecond
	awayFor     = 3 * time.Second
	callLatency = 10 * time.Microsecond
	mostCalls   = 5000 // of a process, which has some hundreds
)

var callKinds = []string{
	failKind, lostKind, doubtKind, maybeKind, shortKind, slowKind, lateKind, staleKind, hangKind, fullKind, awayKind,
	killKind, killedKind, powerKind,
}

var (
	errFault  = errors.New("injected")
	errKilled = errors.New("the process was killed")
)

// Operations by what can go wrong at them.
var (
	changing  = []string{"mkdirall", "create", "link", "rename", "remove", "removeall", "write", "commit", "delete"}
	syncing   = []string{"sync", "syncdir"}
	growing   = []string{"mkdirall", "create", "link", "write", "commit"}
	listing   = []string{"readdir", "list"}
	transfers = []string{"write", "readat"}
	commits   = []string{"commit"}
	// unhurried are the calls the store makes with a mutex held. A bubble's clock stands while a goroutine waits for a
	// mutex, so the ones that several goroutines may come to take no time.
	unhurried = []string{"mkdirall:store/tmp~", "lock:store/tmp~/lock"}
)

// suits tells whether a kind of fault makes sense at an operation.
func suits(kind, op string) bool {
	switch kind {
	case lostKind, killedKind:
		return slices.Contains(changing, op)
	case doubtKind, maybeKind:
		return slices.Contains(commits, op)
	case shortKind:
		return slices.Contains(transfers, op)
	case fullKind:
		return slices.Contains(growing, op)
	case staleKind:
		return slices.Contains(changing, op) || slices.Contains(listing, op)
	case powerKind:
		return slices.Contains(changing, op) || slices.Contains(syncing, op)
	}
	return true
}

func newSeam(faults []fault) *seam {
	return &seam{
		faults: faults, dead: make(chan struct{}),
		count: map[string]int{}, away: map[string]time.Time{}, full: map[string]bool{}, disks: map[string]*unsynced{},
	}
}

// kill ends the process as far as its files can tell: nothing it asks for happens any more.
func (s *seam) kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.killLocked()
}

func (s *seam) killLocked() {
	if !s.killed {
		s.killed = true
		close(s.dead)
	}
}

// met tells whether a call came.
func (s *seam) met(c call) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count[c.op+":"+c.name] >= c.nth
}

func (s *seam) isKilled() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.killed
}

// reached is asked before every call and answers as a hook of vfs.Inject does.
func (s *seam) reached(op, name string, size int) error {
	c, f := s.note(op, shortName(name))
	if !slices.Contains(unhurried, op+":"+c.name) {
		s.sleep(callLatency)
	}
	if f != nil {
		return s.strike(c, f, size)
	}
	return s.standing(c)
}

// note counts a call and finds the fault that is meant for it.
func (s *seam) note(op, name string) (call, *fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := call{op: op, name: name}
	s.count[op+":"+name]++
	c.nth = s.count[op+":"+name]
	if !s.killed {
		s.trace = append(s.trace, c)
	}
	if len(s.trace) == mostCalls {
		s.killLocked()
	}
	for i := range s.faults {
		if s.faults[i].call == c && !s.killed {
			s.struck++
			return c, &s.faults[i]
		}
	}
	return c, nil
}

// standing is the answer to a call that no fault is meant for.
func (s *seam) standing(c call) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.killed:
		return errKilled
	case time.Now().Before(s.away[c.root()]):
		return fmt.Errorf("%w: %s is away", errFault, c.root())
	case s.full[c.root()] && slices.Contains(growing, c.op):
		return fmt.Errorf("%w: %w", errFault, syscall.ENOSPC)
	}
	return nil
}

func (s *seam) strike(c call, f *fault, size int) error {
	failure := fmt.Errorf("%w: %s", errFault, f.kind)
	switch f.kind {
	case lostKind:
		return vfs.Late{Err: failure}
	case doubtKind:
		return vfs.Late{Err: fmt.Errorf("%w: %w", primary.ErrUncertain, failure)}
	case maybeKind:
		return fmt.Errorf("%w: %w", primary.ErrUncertain, failure)
	case shortKind:
		return vfs.Short{N: size / 2, Err: failure}
	case slowKind, lateKind:
		s.sleep(map[string]time.Duration{slowKind: slowFor, lateKind: lateFor}[f.kind])
		return s.standing(c)
	case staleKind:
		return vfs.Late{Wait: func() { s.sleep(lateFor) }}
	case hangKind:
		<-s.dead
		return errKilled
	case killKind, powerKind:
		s.kill()
		return errKilled
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch f.kind {
	case killedKind:
		s.killLocked()
		return vfs.Late{Err: errKilled}
	case fullKind:
		s.full[c.root()] = true
		if failure = fmt.Errorf("%w: %w", errFault, syscall.ENOSPC); c.op == "write" {
			return vfs.Short{N: size / 2, Err: failure}
		}
	case awayKind:
		s.away[c.root()] = time.Now().Add(awayFor)
	}
	return failure
}

// sleep passes the bubble's time, unless the process is killed.
func (s *seam) sleep(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.dead:
	}
}

var (
	idPattern     = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	numberPattern = regexp.MustCompile(`0{8,19}([0-9]+)`)
	ownerPattern  = regexp.MustCompile(`tmp~/[^/]*\.`)
)

// shortName leaves the ids out of a name, which no two runs have in common.
func shortName(name string) string {
	name = ownerPattern.ReplaceAllString(name, "tmp~/")
	name = idPattern.ReplaceAllString(name, "*")
	return numberPattern.ReplaceAllString(name, "$1")
}

// over puts the seam before a tree of files. Nothing is synced for real: what a dead process has written stays, unless
// the machine is switched off.
func (s *seam) over(root string, fsys vfs.FS) vfs.FS {
	disk := newUnsynced(fsys)
	s.mu.Lock()
	s.disks[root] = disk
	s.mu.Unlock()
	return vfs.Inject(disk, func(op vfs.Op) error {
		name := op.Name
		if op.New != "" {
			name = op.New
		}
		return s.reached(op.Kind.String(), root+"/"+name, op.Bytes)
	})
}
