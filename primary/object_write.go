package primary

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/zeebo/xxh3"
)

// WriteObject writes the object of h and src to w, front to back in one pass,
// and returns its index. If src is a [BlockSource], its operator state is written
// too, after the key groups. Key groups are encoded and compressed by o.Parallelism
// goroutines and written in ascending order, so that the bytes depend only on h,
// src and the version of the compressor. Each goroutine holds one block, raw and
// stored; it writes that before it begins another.
//
// It returns when all of its goroutines have ended. Errors: ErrInvalid for a
// header that breaks a rule or a source of another range or task; those of src, with the
// key group; those of w; ctx.Err(). After an error w has part of an object: the
// caller aborts it. A panic of src is returned as an error, because it happens on
// a goroutine where nobody else could catch it.
//
// An io.Writer cannot be interrupted: a w that hangs holds WriteObject.
func WriteObject(ctx context.Context, w io.Writer, h Header, src Source, o WriteOptions) (*Index, error) {
	if err := h.check(); err != nil {
		return nil, fmt.Errorf("%w: header: %w", ErrInvalid, err)
	}
	if r := src.Range(); r != h.Range {
		return nil, fmt.Errorf("%w: header of key groups %v, source of %v", ErrInvalid, h.Range, r)
	}
	groups, err := blocksOf(src, &h)
	if err != nil {
		return nil, err
	}
	head := appendHeader(nil, &h)
	if len(head) > maxHeader {
		return nil, fmt.Errorf("%w: header of %d bytes, limit %d", ErrInvalid, len(head), maxHeader)
	}
	out := &objectWriter{w: w}
	if err := out.write(head); err != nil {
		return nil, err
	}
	segments, err := writeBlocks(ctx, out, &h, src, groups, o)
	if err != nil {
		return nil, err
	}
	if err := out.finish(int64(len(head)), segments); err != nil {
		return nil, err
	}
	return &Index{Header: h, Segments: segments, Size: out.off}, nil
}

// blocksOf returns the numbers of the blocks of src.
func blocksOf(src Source, h *Header) ([]int, error) {
	groups := slices.AppendSeq(make([]int, 0, h.Range.Len()+1), h.Range.All())
	s, ok := src.(BlockSource)
	if !ok {
		return groups, nil
	}
	blocks := slices.Collect(s.Blocks())
	rest, ok := blocks[min(len(groups), len(blocks)):], len(blocks) >= len(groups) && slices.Equal(groups, blocks[:len(groups)])
	if !ok || len(rest) > 1 || len(rest) == 1 && rest[0] != h.M+h.Task {
		return nil, fmt.Errorf("%w: the blocks of the source are not those of task %d with key groups %v, in order", ErrInvalid, h.Task, h.Range)
	}
	return blocks, nil
}

// objectWriter counts what it passes on.
type objectWriter struct {
	w   io.Writer
	off int64
}

func (o *objectWriter) write(p []byte) error {
	n, err := o.w.Write(p)
	o.off += int64(n)
	if err == nil && n != len(p) {
		err = io.ErrShortWrite
	}
	if err != nil {
		return fmt.Errorf("primary: write object: %w", err)
	}
	return nil
}

func (o *objectWriter) finish(headerLength int64, segments []Segment) error {
	tail := appendIndex(nil, segments)
	t := trailer{
		indexOffset:  o.off,
		indexLength:  int64(len(tail)),
		size:         o.off + int64(len(tail)) + trailerSize,
		headerLength: headerLength,
		segments:     uint32(len(segments)),
		indexCRC:     crc32.Checksum(tail, castagnoli),
	}
	return o.write(t.append(tail))
}

// blockRun writes the blocks of one object.
//
// Every worker takes the next key group, encodes it, waits for its turn, writes
// it and hands the turn on. Key groups are taken in ascending order and each
// worker has one at a time, so those under way are always within len(turns) of
// the lowest, which waits for nobody: there is no deadlock, and a ring of
// len(turns) channels has one for each.
type blockRun struct {
	header *Header
	src    Source
	groups []int // to write, ascending
	onDone func(Segment, []byte)

	taken atomic.Int64 // key groups taken; a worker that finds none left counts too
	turns []chan struct{}
	stop  context.CancelFunc
	once  sync.Once
	err   error // the first, set through once

	// Owned by whoever has the turn.
	out      *objectWriter
	segments []Segment
}

func writeBlocks(ctx context.Context, out *objectWriter, h *Header, src Source, groups []int, o WriteOptions) ([]Segment, error) {
	workers := o.Parallelism
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	if len(groups) == 0 {
		return nil, nil
	}
	workers = min(workers, len(groups))
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	r := &blockRun{header: h, src: src, groups: groups, onDone: o.OnBlock, out: out, stop: stop, turns: make([]chan struct{}, workers)}
	for i := range r.turns {
		r.turns[i] = make(chan struct{}, 1)
	}
	r.turns[0] <- struct{}{}
	// The workers end when no key group is left, or when stop is called by the
	// first to fail or by the caller's context; they are waited for here.
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() { r.work(ctx) })
	}
	wg.Wait()
	return r.segments, r.err
}

func (r *blockRun) fail(err error) {
	r.once.Do(func() {
		r.err = err
		r.stop()
	})
}

// errGoexit: an encoder of the source's ended the goroutine. Key groups that were
// not written because of that must not pass for empty ones.
var errGoexit = errors.New("primary: source called runtime.Goexit")

func (r *blockRun) work(ctx context.Context) {
	err := errGoexit
	defer func() {
		if err != nil {
			r.fail(err)
		}
	}()
	err = r.rest(ctx)
}

// rest writes key groups until none is left.
func (r *blockRun) rest(ctx context.Context) error {
	var b block
	for {
		i := int(r.taken.Add(1) - 1)
		if i >= len(r.groups) {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("primary: write object: %w", err)
		}
		if err := b.fill(r.src, r.groups[i], r.header.Compression); err != nil {
			return err
		}
		select {
		case <-r.turns[i%len(r.turns)]:
		case <-ctx.Done():
			return fmt.Errorf("primary: write object: %w", ctx.Err())
		}
		if err := r.write(&b); err != nil {
			return err
		}
		r.turns[(i+1)%len(r.turns)] <- struct{}{}
	}
}

// write writes b; the caller has the turn.
func (r *blockRun) write(b *block) error {
	if len(b.raw) == 0 {
		return nil
	}
	b.seg.Offset = r.out.off
	if err := r.out.write(b.stored); err != nil {
		return err
	}
	r.segments = append(r.segments, b.seg)
	if r.onDone != nil {
		r.onDone(b.seg, b.raw)
	}
	return nil
}

// block is one key group on its way: its memory is used again for the next.
type block struct {
	raw, stored []byte
	packed      []byte // memory of stored, unless stored is raw
	seg         Segment
}

// fill encodes and compresses a key group.
func (b *block) fill(src Source, group int, c Compression) error {
	raw, entries, err := appendGroup(src, b.raw[:0], group)
	if err != nil {
		return fmt.Errorf("primary: write object: key group %d: %w", group, err)
	}
	b.raw = raw
	if len(raw) == 0 {
		if entries != 0 {
			return fmt.Errorf("%w: key group %d: %d entries in no bytes", ErrInvalid, group, entries)
		}
		return nil
	}
	if b.stored, err = compress(b.packed, raw, c); err != nil {
		return fmt.Errorf("primary: write object: key group %d: compress: %w", group, err)
	}
	if c != None {
		b.packed = b.stored
	}
	b.seg = Segment{
		Group:   group,
		Kind:    Base,
		Length:  int64(len(b.stored)),
		Raw:     int64(len(raw)),
		CRC:     crc32.Checksum(b.stored, castagnoli),
		Digest:  xxh3.Hash(raw),
		Entries: entries,
	}
	return nil
}

var errPanic = errors.New("primary: source panicked")

func appendGroup(src Source, dst []byte, group int) (raw []byte, entries uint64, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v\n%s", errPanic, p, debug.Stack())
		}
	}()
	return src.AppendGroup(dst, group)
}

// PutObject writes the object of h and src under name, as [WriteObject] does, and
// commits it. If anything fails nothing is left under name, unless the error is
// ErrUncertain.
func PutObject(ctx context.Context, s Store, name string, h Header, src Source, o WriteOptions) (*Index, error) {
	w, err := s.Create(ctx, name)
	if err != nil {
		return nil, err
	}
	index, err := WriteObject(ctx, w, h, src, o)
	if err != nil {
		return nil, errors.Join(err, w.Abort())
	}
	if err := w.Commit(ctx); err != nil {
		return nil, err
	}
	return index, nil
}
