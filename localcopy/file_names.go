package localcopy

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"github.com/zeebo/xxh3"
)

// Where the file format keeps things, below its root:
//
//	<job>/                      the job's name, escaped
//	  <allocation>/             a uuid
//	    chk-<20 digits>/        the checkpoint
//	      <operator>.<task>.<uuid>.copy   a sealed copy: a primary object
//	      <operator>.<task>.<uuid>.tmp    one being written
//
// The uuid makes every file a name of its own, so that dropping one copy can never remove another.
const (
	copySuffix = ".copy"
	tempSuffix = ".tmp"
	chkPrefix  = "chk-"
	maxName    = 96 // bytes of an escaped name before it is cut
)

func jobDir(job string) string { return escape(job) }

func allocationDir(job string, allocation uuid.UUID) string {
	return jobDir(job) + "/" + allocation.String()
}

func checkpointDir(m *Meta) string {
	return fmt.Sprintf("%s/%s%020d", allocationDir(m.Job, m.Allocation), chkPrefix, m.Checkpoint)
}

// copyStem returns the path of a copy without its suffix.
func copyStem(m *Meta, unique uuid.UUID) string {
	return fmt.Sprintf("%s/%s.%d.%s", checkpointDir(m), escape(m.Operator), m.Task, unique)
}

// parseCheckpointDir is the inverse of the last element of checkpointDir.
func parseCheckpointDir(name string) (checkpoint uint64, ok bool) {
	digits, ok := strings.CutPrefix(name, chkPrefix)
	if !ok || len(digits) != 20 {
		return 0, false
	}
	checkpoint, err := strconv.ParseUint(digits, 10, 64)
	return checkpoint, err == nil
}

// parseCopyName returns the task of a sealed copy of the operator, and false for any other name.
func parseCopyName(name, operator string) (task int, ok bool) {
	rest, ok := strings.CutPrefix(name, escape(operator)+".")
	if !ok {
		return 0, false
	}
	rest, ok = strings.CutSuffix(rest, copySuffix)
	if !ok {
		return 0, false
	}
	digits, unique, ok := strings.Cut(rest, ".")
	if !ok || uuid.Validate(unique) != nil {
		return 0, false
	}
	task, err := strconv.Atoi(digits)
	return task, err == nil && task >= 0 && strconv.Itoa(task) == digits
}

// escape turns any name into a path element: lower-case letters, digits, '-' and '_' stand for themselves, every other
// byte is %xx, so that two names never meet, not even where file names ignore case. A name that gets long is cut and
// ends in its hash.
func escape(name string) string {
	var b strings.Builder
	for i := range len(name) {
		c := name[i]
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '_' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02x", c)
		}
	}
	if b.Len() <= maxName {
		return b.String()
	}
	hash := xxh3.HashString128(name)
	return fmt.Sprintf("%s%%%016x%016x", b.String()[:maxName], hash.Hi, hash.Lo)
}
