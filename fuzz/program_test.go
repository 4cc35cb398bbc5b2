package fuzz

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// program is a sequence of operations on the tasks of one job.
type program struct {
	key    byte // kind of key, modulo len(keyKinds)
	groups byte // the job's number of key groups, an index of groupCounts
	tasks  byte // how many tasks the job begins with, less one
	verify byte // 1: Config.CheckValues
	ops    []op
}

// op is one operation: an index of opNames, and what it is done with.
type op struct {
	code    byte
	a, b, c byte
}

// maxOps bounds a program.
const maxOps = 400

// groupCounts are the numbers of key groups a job may have.
var groupCounts = []int{1, 2, 7, 16, 128}

// The operations. Their order is the spelling of a program in bytes: append to it, or old corpora mean something else.
// k is a key, given by its number; i is a snapshot, counted from the oldest that is held; p is a number of tasks, less
// one; way is how state gets from a snapshot into a backend, see restoreGroup.
const (
	opPut        = iota // k v        totals: Put
	opUpdate            // k v        totals: Update
	opDelete            // k          totals: Delete
	opFill              // k n        totals: Put n keys
	opDrain             // k n        totals: Delete n keys
	opBasket            // k n        baskets: Put a value with n items
	opAddTo             // k n        baskets: Update in place
	opDropBasket        // k          baskets: Delete
	opAppend            // k n        lists: Append n elements
	opSet               // k n        lists: Set n elements
	opDropList          // k          lists: Delete
	opMapPut            // k mk v     maps: Put
	opMapUpdate         // k mk v     maps: Update in place
	opMapRemove         // k mk       maps: Remove
	opMapFill           // k n        maps: Put n keys in one map
	opMapClear          // k          maps: Delete
	opIterate           // k n        totals: a loop whose body puts and deletes n keys
	opCapture           //            a snapshot of every task
	opRetain            // i          a second handle of each, and release of the first
	opRelease           // i
	opCheck             //            everything equals the model
	opCheckSnap         // i          the snapshot equals the model of its time
	opRestore           // i p way    new tasks from a snapshot, the old ones closed
	opInstall           // i way part into the tasks there are: all groups, or every second
	opBadInstall        // i way      one group twice: an error, and nothing changed
	opRegister          // s          a state that the last restore left out
	opNext              // mask turn  what the next restore registers, and in what order
	opReset             // p          new, empty tasks
	opForeign           // k          a key at the wrong task, and a restore from the newest snapshot
	opPanic             // k          an Update function that panics, and such a restore
	opMove              // k to mk     baskets: Put what was got under another key, and of mk in its map in maps
	opLend              // k to mk     baskets and maps: an Update stores parts of what was got
	opExtend            // k           appends to everything that can be got of a key
	opCount
)

var opNames = [opCount]string{
	"put", "update", "delete", "fill", "drain", "basket", "addto", "dropbasket", "append", "set", "droplist",
	"mapput", "mapupdate", "mapremove", "mapfill", "mapclear", "iterate", "capture", "retain", "release",
	"check", "checksnap", "restore", "install", "badinstall", "register", "next", "reset", "foreign", "panic",
	"move", "lend", "extend",
}

// opArgs says how many arguments each operation has.
var opArgs = [opCount]int{
	2, 2, 1, 2, 2, 2, 2, 1, 2, 2, 1,
	3, 3, 2, 2, 1, 2, 0, 1, 1,
	0, 1, 3, 3, 2, 1, 2, 1, 1, 1,
	3, 3, 1,
}

// decodeProgram reads a program from the fuzzer's bytes; all bytes are one.
func decodeProgram(b []byte) program {
	var head [4]byte
	b = b[copy(head[:], b):]
	p := program{key: head[0], groups: head[1], tasks: head[2], verify: head[3]}
	for len(b) > 0 && len(p.ops) < maxOps {
		var o [4]byte
		b = b[copy(o[:], b):]
		p.ops = append(p.ops, op{o[0] % opCount, o[1], o[2], o[3]})
	}
	p.normalize()
	return p
}

// normalize brings every number into the range in which it is printed.
func (p *program) normalize() {
	p.key %= byte(len(keyKinds))
	p.groups %= byte(len(groupCounts))
	p.tasks %= 4
	p.verify %= 2
	for i := range p.ops {
		o := &p.ops[i]
		switch opArgs[o.code] {
		case 0:
			o.a, o.b, o.c = 0, 0, 0
		case 1:
			o.b, o.c = 0, 0
		case 2:
			o.c = 0
		}
	}
}

// bytes is the inverse of decodeProgram.
func (p program) bytes() []byte {
	b := []byte{p.key, p.groups, p.tasks, p.verify}
	for _, o := range p.ops {
		b = append(b, o.code, o.a, o.b, o.c)
	}
	return b
}

// String writes the program as text, an operation a line.
func (p program) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "key %s\ngroups %d\ntasks %d\nverify %d\n", keyKinds[p.key], groupCounts[p.groups], p.tasks+1, p.verify)
	for _, o := range p.ops {
		b.WriteString(o.String() + "\n")
	}
	return b.String()
}

func (o op) String() string {
	s := opNames[o.code]
	for _, v := range []byte{o.a, o.b, o.c}[:opArgs[o.code]] {
		s += " " + strconv.Itoa(int(v))
	}
	return s
}

// parseProgram reads what String wrote. Lines that are empty or begin with # mean nothing.
func parseProgram(text string) (p program, err error) {
	at := 0
	for line := range strings.Lines(text) {
		at++
		fields := strings.Fields(line)
		if len(fields) == 0 || fields[0][0] == '#' {
			continue
		}
		if err := p.parseLine(fields); err != nil {
			return p, fmt.Errorf("line %d: %w", at, err)
		}
	}
	return p, nil
}

func (p *program) parseLine(fields []string) error {
	if len(fields) == 2 && fields[0] == "key" {
		return pick(&p.key, slices.Index(keyKinds, fields[1]))
	}
	var args [3]byte
	for i, f := range fields[1:] {
		v, err := strconv.ParseUint(f, 10, 8)
		if err != nil || i >= len(args) {
			return fmt.Errorf("bad arguments %v", fields[1:])
		}
		args[i] = byte(v)
	}
	switch fields[0] {
	case "groups":
		return pick(&p.groups, slices.Index(groupCounts, int(args[0])))
	case "tasks":
		return pick(&p.tasks, int(args[0])-1)
	case "verify":
		return pick(&p.verify, int(args[0]))
	}
	code := slices.Index(opNames[:], fields[0])
	if code < 0 || len(fields)-1 != opArgs[code] {
		return fmt.Errorf("no operation %v", fields)
	}
	p.ops = append(p.ops, op{byte(code), args[0], args[1], args[2]})
	return nil
}

func pick(to *byte, i int) error {
	if i < 0 {
		return fmt.Errorf("no such choice")
	}
	*to = byte(i)
	return nil
}
