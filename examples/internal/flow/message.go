package flow

// kind says what a message carries.
type kind uint8

const (
	kindRecords kind = iota // a batch of records
	kindBarrier             // everything before it belongs to the checkpoint
	kindEnd                 // the source has no more records; barriers may still follow
)

// message is what travels on a link.
type message[R any] struct {
	kind     kind
	from     int    // the source that sent it
	records  []R    // kindRecords; goes back to the link's free list once processed
	barrier  uint64 // kindBarrier: the checkpoint
	position []byte // kindBarrier, on the link to the source's own task only: where the source stood
}

// link is the way from one source to one keyed half. Invariant: the batches in
// free, in flight, held by the aligner and being filled are batchesPerLink
// together, so sending a batch that came from free never overfills the inbox.
type link[R any] struct {
	inbox chan<- message[R]
	free  chan []R
}

func newLink[R any](inbox chan<- message[R]) link[R] {
	l := link[R]{inbox: inbox, free: make(chan []R, batchesPerLink)}
	for range batchesPerLink {
		l.free <- nil // allocated when first used
	}
	return l
}
