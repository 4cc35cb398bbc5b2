// Package commitlog is the commit log of a job: which checkpoints there are, and who may make the next one. It holds
// the manifests without knowing what is in them.
//
// # Two rows
//
// The log is a row of create-if-absent slots, numbered from 1 without gaps, and each record is written twice:
//
//	<job>/log/<slot>       the record: creating it is the commit
//	<job>/log-copy/<slot>  the same bytes, created when it is certain that the record counts
//	<job>/origin           the first claim, never deleted: the job has a log
//
//	slot    ...  16        17       18       19 (newest)
//	log          [ckpt 8]  [claim]  [ckpt 9] [ckpt 10]
//	log-copy     [ckpt 8]  [claim]  [ckpt 9] [ckpt 10]
//	             dead      dead     live of 19
//
// A coordinator claims the log by creating a claim in the slot after the newest one; from then on it creates slot after
// slot. The newest record says what counts: itself and its live list. A claim holds in itself all that is live, so that
// however many starts there were, the log is no longer than what was committed since the one before the last.
//
// # Nobody who has been replaced can commit
//
//   - Let a coordinator's last slot be k. Whoever replaced it saw k as the newest slot and created k+1, so creating
//     k+1 fails: the slot is taken.
//   - Unless k+1 has been deleted since. Slots are deleted in ascending order, each, record and copy, after both of
//     all below it, and never by us before we have created k+1. So if what we wrote in k is still there after k+1 was
//     created, k+1 had never been deleted, and nobody else ever had it. This asks nothing of List. (A copy proves
//     nothing of the kind: one who slept between record and copy creates it after both were deleted. Nor does any
//     record in k: another who slept may have created one there, in the same hole. It must be ours.)
//   - k has gone: then somebody retired it, and our record is in a hole. It is dead for every reader, and whether it
//     ever counted is not known and does not matter, as long as nothing is deleted in the belief that it did not.
//   - What is in k cannot be read: it was damaged. Who replaced us may have passed it over, and then it stays while
//     those after it go, so that it proves nothing: the log is listed. This is why the record is read, and not only
//     looked for. What follows it in its file is not read: a record of which both copies grew, and that was passed
//     over, would still be taken for ours.
//
// After a claim, and where the answer to a creation was lost, the log is listed as well. If there is a newer slot, the
// newest record decides: if it lists our slot as live, we committed before we were replaced. If that record is our own
// seal, it counts only as long as what it seals is there, as above.
//
// Who opens the log learns k from List, which may miss what is created or deleted during the listing. A k that is not
// the newest is found out as above when k+1 is created, unless k is itself a dead record in a hole and the listings
// before and after both miss the newest record: for that it must be replaced and retired during each of the two.
//
// # No single file can lose the newest commit
//
// A copy is created only after its record was, and only when the record counts; a record's slot never holds anything
// else. So where a record is missing, damaged, another job's or in another slot's place, its copy says what it said,
// and the highest slot of either row is the newest. What a single file can do:
//
//   - a record lost, cut, overwritten, replaced by an older one or by another job's: its copy is read;
//   - a copy likewise: it is not read while its record is good;
//   - a dead record or copy put back: it is below what the newest record needs, and dead;
//   - the origin lost: nothing needs it while there are records; the next start makes it anew;
//   - a kill between record and copy: the record counts; the next start's claim holds what it held, and is written
//     twice.
//
// Where the newest record and its copy are damaged, who goes back to an older one takes none that is before a hole:
// those are dead, and may be of somebody who slept and never counted.
//
// Where all records and copies are gone, the origin, or any object of a checkpoint, proves that there was a log:
// ErrLogLost. An object's name has the epoch of the coordinator that asked for it, the slot of a claim: objects of an
// epoch after the newest slot prove that newer records are gone: ErrLogLost too. The opener decides both, before it
// changes anything.
//
// An empty listing alone proves nothing, since all records may be replaced while it is made: a log with an origin is
// listed again.
package commitlog
