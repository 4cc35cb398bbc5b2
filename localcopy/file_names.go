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

// isAllocation reports whether name is the directory of an allocation.
func isAllocation(name string) bool {
	id, err := uuid.Parse(name)
	return err == nil && id.String() == name
}

// fileName is the name of a file of the format, taken apart.
type fileName struct {
	operator string // escaped
	task     int
	suffix   string
}

// parseFileName is the inverse of the last element of copyStem with a suffix, and false for any name that it does not
// give.
func parseFileName(name string) (n fileName, ok bool) {
	stem, ok := strings.CutSuffix(name, copySuffix)
	n.suffix = copySuffix
	if !ok {
		stem, ok = strings.CutSuffix(name, tempSuffix)
		n.suffix = tempSuffix
	}
	parts := strings.Split(stem, ".")
	if !ok || len(parts) != 3 || parts[0] == "" || !isAllocation(parts[2]) {
		return fileName{}, false
	}
	for i := range len(parts[0]) {
		if c := parts[0][i]; !isPlain(c) && c != '%' {
			return fileName{}, false
		}
	}
	task, err := strconv.Atoi(parts[1])
	n.operator, n.task = parts[0], task
	return n, err == nil && task >= 0 && strconv.Itoa(task) == parts[1]
}

// parseCopyName returns the task of a sealed copy of the operator, and false for any other name.
func parseCopyName(name, operator string) (task int, ok bool) {
	n, ok := parseFileName(name)
	return n.task, ok && n.suffix == copySuffix && n.operator == escape(operator)
}

// isTemp reports whether a name is one of a file being written.
func isTemp(name string) bool { return strings.HasSuffix(name, tempSuffix) }

// escape turns any name into a path element: lower-case letters, digits, '-' and '_' stand for themselves, every other
// byte is %xx, so that two names never meet, not even where file names ignore case. A name that gets long is cut and
// ends in its hash.
func escape(name string) string {
	var b strings.Builder
	for i := range len(name) {
		c := name[i]
		if isPlain(c) {
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

// isPlain reports whether a byte stands for itself in an escaped name.
func isPlain(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '_'
}
