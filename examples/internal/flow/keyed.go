package flow

import "context"

// keyedHalf processes what the exchange brings to one task.
type keyedHalf[R any] struct {
	task     Task
	operator Operator[R]
	meeting  *meeting[R]

	ended int // inputs that have ended
}

// run returns when the input of all tasks has ended, not just this one's: until
// then checkpoints go on, and this task has its part in each.
func (k *keyedHalf[R]) run(ctx context.Context) error {
	align := newAligner[R](len(k.meeting.inboxes))
	deliver := func(m message[R]) error { return k.deliver(ctx, m) }
	inbox := k.meeting.inboxes[k.task.Index()]
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-k.meeting.over:
			return nil
		case m := <-inbox:
			if err := align.push(m, deliver); err != nil {
				return err
			}
		}
	}
}

func (k *keyedHalf[R]) deliver(ctx context.Context, m message[R]) error {
	switch m.kind {
	case kindRecords:
		err := k.operator.Process(m.records)
		clear(m.records)
		// Never blocks: the link has room for all its batches.
		k.meeting.links[m.from][k.task.Index()].free <- m.records[:0]
		return err
	case kindBarrier:
		return k.task.Checkpoint(ctx, m.barrier, m.position)
	case kindEnd:
		if k.ended++; k.ended == len(k.meeting.inboxes) {
			k.meeting.inputEnded()
		}
	}
	return nil
}
