package primary

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/heapstate/heapstate/primary/internal/frame"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// openFrame is frame.Open for one version. Its errors are a *CorruptError without object, and ErrVersion.
func openFrame(b []byte, magic string, version uint32) ([]byte, error) {
	body, _, err := frame.Open(b, magic, version)
	var damage *frame.DamageError
	switch {
	case errors.As(err, &damage):
		return nil, corruptAt(damage.Offset, damage.Reason, nil)
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrVersion, err)
	}
	return body, nil
}

func corruptAt(off int64, reason string, err error) *CorruptError {
	return &CorruptError{Group: NoGroup, Offset: off, Reason: reason, Err: err}
}

// maxFrame is the longest manifest or log record in bytes.
const maxFrame = 256 << 20

// readWhole is how many bytes are read without a look at the first of them.
const readWhole = 64 << 10

// readFrame reads an object that is one frame. It takes no more memory than the frame says it has, and a frame that
// long is there: a file that grew, by a hole or by anything else, is ErrCorrupt.
func readFrame(ctx context.Context, store Store, name, magic string) ([]byte, error) {
	size, err := store.Size(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("primary: read %s: %w", name, err)
	}
	if size < 0 || size > maxFrame {
		reason := fmt.Sprintf("object has %d bytes, limit %d", size, maxFrame)
		return nil, &CorruptError{Object: name, Group: NoGroup, Reason: reason}
	}
	if size > readWhole {
		head := make([]byte, frame.Head)
		if err := store.ReadAt(ctx, name, head, 0); err != nil {
			return nil, fmt.Errorf("primary: read %s: %w", name, err)
		}
		if err := frame.Check(head, magic, size); err != nil {
			return nil, &CorruptError{Object: name, Group: NoGroup, Reason: err.Error()}
		}
	}
	b := make([]byte, size)
	if err := store.ReadAt(ctx, name, b, 0); err != nil {
		return nil, fmt.Errorf("primary: read %s: %w", name, err)
	}
	return b, nil
}
