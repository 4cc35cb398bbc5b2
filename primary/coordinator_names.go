package primary

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/heapstate/heapstate/primary/internal/commitlog"
)

// The names of a job in its store. Numbers in paths have 20 digits, so that names
// sort as numbers do.
//
//	<job>/log/<slot>, <job>/log-copy/<slot>, <job>/origin             commit log
//	<job>/objects/<checkpoint>/<operator>-<task>-<attempt>-<epoch>    state of checkpoints
//	<job>/savepoints/<checkpoint>/<operator>-<task>-<attempt>-<epoch> state of a savepoint
//	<job>/savepoints/<checkpoint>/manifest                            its manifest
//
// The epoch is that of the coordinator that triggered the checkpoint. It makes
// names unique over the whole life of the job, even when two coordinators that do
// not know of each other give the same id, and it lets a coordinator that has
// been replaced without knowing it clean up behind itself without ever touching
// what its successors' tasks write.

func checkJob(job string) error {
	if err := CheckName(job); err != nil {
		return fmt.Errorf("coordinator: job name: %w", err)
	}
	if strings.Contains(job, "/") {
		return fmt.Errorf("coordinator: job name: %w: %q has a slash", ErrName, job)
	}
	return CheckName(commitlog.CopyName(job, 0))
}

func padded(n uint64) string             { return commitlog.Padded(n) }
func objectsPrefix(job string) string    { return job + "/objects/" }
func savepointsPrefix(job string) string { return job + "/savepoints/" }
func savepointManifestName(job string, checkpoint uint64) string {
	return savepointsPrefix(job) + padded(checkpoint) + "/manifest"
}

// checkpointPrefix is what the names of all objects of one checkpoint begin with.
func checkpointPrefix(job string, t Trigger) string {
	if t.Savepoint {
		return savepointsPrefix(job) + padded(t.Checkpoint) + "/"
	}
	return objectsPrefix(job) + padded(t.Checkpoint) + "/"
}

func objectName(job string, t Trigger, task TaskID, attempt uuid.UUID, epoch uint64) string {
	return checkpointPrefix(job, t) + task.Operator + "-" + strconv.Itoa(task.Task) + "-" +
		attempt.String() + "-" + strconv.FormatUint(epoch, 10)
}

// stored is what the name of something below a job's prefix says.
type stored struct {
	area       area
	checkpoint uint64 // areaObject, areaSavepoint, areaManifest
	slot       uint64 // areaLog
	epoch      uint64 // areaObject, areaSavepoint
}

type area uint8

const (
	areaForeign area = iota // not one of ours: never touched
	areaLog                 // a record of the commit log, or its copy
	areaOrigin
	areaObject
	areaSavepoint // an object of a savepoint
	areaManifest  // the manifest of a savepoint
)

// parseName understands exactly the names that the functions above make.
func parseName(job, name string) stored {
	if name == commitlog.OriginName(job) {
		return stored{area: areaOrigin}
	}
	if slot, ok := commitlog.ParseName(job, name); ok {
		return stored{area: areaLog, slot: slot}
	}
	rest, ok := strings.CutPrefix(name, job+"/")
	if !ok {
		return stored{}
	}
	parts := strings.Split(rest, "/")
	number, ok := commitlog.ParsePadded(parts[min(1, len(parts)-1)])
	switch {
	case !ok:
		return stored{}
	case parts[0] == "savepoints" && len(parts) == 3 && parts[2] == "manifest":
		return stored{area: areaManifest, checkpoint: number}
	case len(parts) == 3 && (parts[0] == "objects" || parts[0] == "savepoints"):
		epoch, ok := parseEpoch(parts[2])
		if !ok {
			return stored{}
		}
		found := stored{area: areaObject, checkpoint: number, epoch: epoch}
		if parts[0] == "savepoints" {
			found.area = areaSavepoint
		}
		return found
	}
	return stored{}
}

// parseEpoch reads the epoch off <operator>-<task>-<attempt>-<epoch>.
func parseEpoch(s string) (uint64, bool) {
	cut := strings.LastIndexByte(s, '-')
	if cut < 0 {
		return 0, false
	}
	epoch, err := strconv.ParseUint(s[cut+1:], 10, 64)
	if err != nil || strconv.FormatUint(epoch, 10) != s[cut+1:] {
		return 0, false
	}
	const uuidLen = 36
	head := s[:cut]
	if len(head) < len("o-0-")+uuidLen {
		return 0, false
	}
	if id, err := uuid.Parse(head[len(head)-uuidLen:]); err != nil || id.String() != head[len(head)-uuidLen:] {
		return 0, false
	}
	return epoch, true
}

// jobOfLog returns the job whose commit log a name belongs to.
func jobOfLog(name string) (string, bool) {
	job, _, ok := strings.Cut(name, "/")
	area := parseName(job, name).area
	return job, ok && (area == areaLog || area == areaOrigin)
}
