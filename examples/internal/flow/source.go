package flow

import (
	"context"
	"slices"
)

// sourceHalf reads one task's source and sends its records, and the barriers,
// into the exchange.
type sourceHalf[R any] struct {
	task    Task
	source  Source[R]
	route   func(R) int
	meeting *meeting[R]
	batch   int // records per batch

	filling [][]R  // by keyed half: the batch being filled; nil: none
	sent    uint64 // the newest barrier sent
}

// run returns when the input of all tasks has ended: a source without records
// still has its part in every checkpoint.
func (s *sourceHalf[R]) run(ctx context.Context) error {
	s.filling = make([][]R, len(s.meeting.inboxes))
	emit := func(record R) error { return s.emit(ctx, record) }
	for more := true; more; {
		if err := s.sendDueBarrier(ctx); err != nil {
			return err
		}
		if wait := s.source.Ready(); wait != nil {
			if err := s.await(ctx, wait); err != nil {
				return err
			}
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		var err error
		if more, err = s.source.Next(emit); err != nil {
			return err
		}
	}
	if err := s.sendEnd(ctx); err != nil {
		return err
	}
	for {
		select {
		case <-s.meeting.over:
			return nil
		default:
		}
		if err := s.await(ctx, s.meeting.over); err != nil {
			return err
		}
		if err := s.sendDueBarrier(ctx); err != nil {
			return err
		}
	}
}

// await returns when ready is closed or a barrier may have to be sent. Records do not wait with it: they are sent first.
func (s *sourceHalf[R]) await(ctx context.Context, ready <-chan struct{}) error {
	if err := s.flush(ctx); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-ready:
	case <-s.task.DueC():
	case <-s.meeting.wake[s.task.Index()]:
	}
	return nil
}

// sendDueBarrier sends the barrier of the checkpoint that is due here, or that
// another source has begun, unless it has been sent.
func (s *sourceHalf[R]) sendDueBarrier(ctx context.Context) error {
	if id, ok := s.task.Due(); ok && id > s.sent {
		s.meeting.announce(id)
	}
	id := s.meeting.newest.Load()
	if id <= s.sent {
		return nil
	}
	if err := s.flush(ctx); err != nil {
		return err
	}
	s.sent = id
	position := slices.Clip(s.source.Position())
	for to := range s.filling {
		m := message[R]{kind: kindBarrier, barrier: id}
		if to == s.task.Index() {
			m.position = position
		}
		if err := s.send(ctx, to, m); err != nil {
			return err
		}
	}
	return nil
}

func (s *sourceHalf[R]) sendEnd(ctx context.Context) error {
	if err := s.flush(ctx); err != nil {
		return err
	}
	for to := range s.filling {
		if err := s.send(ctx, to, message[R]{kind: kindEnd}); err != nil {
			return err
		}
	}
	return nil
}

func (s *sourceHalf[R]) emit(ctx context.Context, record R) error {
	to := s.route(record)
	if to != All {
		return s.fill(ctx, to, record)
	}
	for to := range s.filling {
		if err := s.fill(ctx, to, record); err != nil {
			return err
		}
	}
	return nil
}

// fill adds a record to the batch for one task, and sends it when it is full.
func (s *sourceHalf[R]) fill(ctx context.Context, to int, record R) error {
	batch := s.filling[to]
	if batch == nil {
		select {
		case batch = <-s.meeting.links[s.task.Index()][to].free:
		case <-ctx.Done():
			return ctx.Err()
		}
		if batch == nil {
			batch = make([]R, 0, s.batch)
		}
	}
	batch = append(batch, record)
	s.filling[to] = batch
	if len(batch) < s.batch {
		return nil
	}
	s.filling[to] = nil
	return s.send(ctx, to, message[R]{records: batch})
}

// flush sends every batch that has begun.
func (s *sourceHalf[R]) flush(ctx context.Context) error {
	for to, batch := range s.filling {
		if len(batch) == 0 {
			continue
		}
		s.filling[to] = nil
		if err := s.send(ctx, to, message[R]{records: batch}); err != nil {
			return err
		}
	}
	return nil
}

func (s *sourceHalf[R]) send(ctx context.Context, to int, m message[R]) error {
	m.from = s.task.Index()
	select {
	case s.meeting.links[m.from][to].inbox <- m:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
