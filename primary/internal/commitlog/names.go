package commitlog

import (
	"fmt"
	"strconv"
	"strings"
)

// digits is how many digits a number in a name has, so that names sort as numbers do.
const digits = 20

// Padded writes a number as names have it.
func Padded(n uint64) string { return fmt.Sprintf("%0*d", digits, n) }

// ParsePadded reads what Padded wrote, and nothing else.
func ParsePadded(s string) (uint64, bool) {
	n, err := strconv.ParseUint(s, 10, 64)
	return n, err == nil && len(s) == digits && s == Padded(n)
}

// The two rows of a log. Prefix is what the names in both begin with.
const (
	rowRecords = "log"
	rowCopies  = "log-copy"
)

// Prefix is what the names of all records and copies of a job's log begin with, and no other name of the job.
func Prefix(job string) string { return job + "/" + rowRecords }

// RecordName is the name of the record in a slot.
func RecordName(job string, slot uint64) string { return job + "/" + rowRecords + "/" + Padded(slot) }

// CopyName is the name of the second copy of the record in a slot.
func CopyName(job string, slot uint64) string { return job + "/" + rowCopies + "/" + Padded(slot) }

// OriginName is the name of what tells for ever that the job has a log.
func OriginName(job string) string { return job + "/origin" }

// ParseName returns the slot whose record or copy has that name.
func ParseName(job, name string) (slot uint64, ok bool) {
	row, number, ok := strings.Cut(strings.TrimPrefix(name, job+"/"), "/")
	if !ok || row != rowRecords && row != rowCopies {
		return 0, false
	}
	slot, ok = ParsePadded(number)
	ok = ok && slot > 0 && (name == RecordName(job, slot) || name == CopyName(job, slot))
	return slot, ok
}
