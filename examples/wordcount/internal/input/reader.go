package input

import (
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"os"

	"github.com/heapstate/heapstate/examples/wordcount/internal/text"
)

// ErrChanged: a file is no longer what it was when the input was listed.
var ErrChanged = errors.New("input: a file changed during the run")

const (
	maxChunk = 64 << 10 // bytes read at once
	minChunk = 256
	// slackBytes is read beyond a chunk, to find the end of its last word there.
	slackBytes = 64
	// internSlots is how many recent words a reader has as strings, so that a frequent word costs no allocation.
	internSlots = 1 << 14
)

// Control lets a program follow and hold a reader; see flow.Source for Ready.
type Control interface {
	// Ready returns nil when the reader may read on, else a channel that is closed
	// when that may have changed.
	Ready() <-chan struct{}
	// Advance is told how many more bytes have been read; at the start, how many
	// had been.
	Advance(bytes int64)
}

// Reader reads the words of some splits, one split after the other. It is a
// flow.Source.
type Reader struct {
	list    *List
	control Control
	cursors []Cursor
	current int // the first cursor whose split is not read whole
	chunk   int64

	file   *os.File // that of the newest unit; nil before the first
	opened int      // its index in list.Files
	buf    []byte

	seed   maphash.Seed
	intern []string
}

// NewReader returns a reader of the splits of the cursors. It is to be closed.
func NewReader(list *List, cursors []Cursor, control Control) *Reader {
	control.Advance(list.done(cursors))
	return &Reader{
		list: list, control: control, cursors: cursors, seed: maphash.MakeSeed(), intern: make([]string, internSlots),
		// Small inputs are read in small steps, so that "at a quarter of the input" has a meaning there too.
		chunk: min(max(list.Bytes/2048, minChunk), maxChunk),
	}
}

// Ready is the control's.
func (r *Reader) Ready() <-chan struct{} { return r.control.Ready() }

// Position encodes where all the splits stand.
func (r *Reader) Position() []byte { return appendPosition(nil, r.list.Digest, r.cursors) }

// Close closes the file that is open.
func (r *Reader) Close() error {
	if r.file == nil {
		return nil
	}
	f := r.file
	r.file = nil
	return f.Close()
}

// Next emits the words of one chunk. A file that cannot be read as it was
// listed is ErrChanged.
func (r *Reader) Next(emit func(string) error) (more bool, err error) {
	for r.current < len(r.cursors) && r.cursors[r.current].Unit == r.list.unitsOf(r.cursors[r.current].Split) {
		r.current++
	}
	if r.current == len(r.cursors) {
		return false, nil
	}
	c := &r.cursors[r.current]
	u := r.list.unit(c.Split, c.Unit)
	words, next, err := r.read(u, c.Offset)
	if err != nil {
		return false, err
	}
	err = text.Words(words, func(word []byte) error { return emit(r.string(word)) })
	if err != nil {
		return false, err
	}
	read := min(next, u.end) - c.Offset
	c.Offset = next
	if next >= u.end {
		c.Unit, c.Offset = c.Unit+1, 0
		if c.Unit < r.list.unitsOf(c.Split) {
			c.Offset = r.list.unit(c.Split, c.Unit).start
		}
	}
	r.control.Advance(read)
	return true, nil
}

// string returns the word as a string; one that came by lately is not made anew.
func (r *Reader) string(word []byte) string {
	slot := &r.intern[maphash.Bytes(r.seed, word)%internSlots]
	if *slot != string(word) {
		*slot = string(word)
	}
	return *slot
}

// read returns text with exactly the words that begin in a chunk of the unit at
// offset, and the offset of the next chunk, which may lie beyond the unit.
func (r *Reader) read(u unit, offset int64) (words []byte, next int64, err error) {
	size := min(r.chunk, u.end-offset)
	before := min(offset, 1) // the byte before the chunk says whether it begins inside a word
	from := offset - before
	if err := r.fill(u.file, from, before+size+slackBytes); err != nil {
		return nil, 0, err
	}
	start, end := before, before+size // of the chunk, in buf
	if before > 0 && text.IsLetter(r.buf[0]) {
		start += int64(text.LeadingLetters(r.buf[start:end]))
	}
	if start == end || !text.IsLetter(r.buf[end-1]) {
		return r.buf[start:end], offset + size, nil
	}
	for {
		end += int64(text.LeadingLetters(r.buf[end:]))
		have := int64(len(r.buf))
		if end < have || from+have == r.list.Files[u.file].Size {
			return r.buf[start:end], from + end, nil
		}
		if err := r.fill(u.file, from, 2*have); err != nil {
			return nil, 0, err
		}
	}
}

// fill makes buf the n bytes of a file at from, fewer at its end.
func (r *Reader) fill(file int, from, n int64) error {
	f := r.list.Files[file]
	if r.file == nil || r.opened != file {
		if err := r.Close(); err != nil {
			return err
		}
		opened, err := os.Open(f.Path)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrChanged, err)
		}
		r.file, r.opened = opened, file
	}
	n = min(n, f.Size-from)
	if int64(cap(r.buf)) < n {
		r.buf = make([]byte, n)
	}
	r.buf = r.buf[:n]
	if got, err := r.file.ReadAt(r.buf, from); int64(got) < n {
		if err == io.EOF {
			return fmt.Errorf("%w: %s has %d bytes, it had %d", ErrChanged, f.Path, from+int64(got), f.Size)
		}
		return fmt.Errorf("%w: %w", ErrChanged, err)
	}
	return nil
}
