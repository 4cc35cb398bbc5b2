package recovery

import (
	"context"
	"runtime/debug"

	"github.com/heapstate/heapstate/heapbackend"
	"github.com/heapstate/heapstate/localcopy"
	"github.com/heapstate/heapstate/primary"
)

// labelFormat is a format whose copies know that they are of it, so that a report can say so.
type labelFormat struct{ localcopy.Format }

// labelWriter is a writer of a labelFormat.
type labelWriter struct {
	localcopy.Writer
	format localcopy.Format
}

// labelCopy is a copy of a labelFormat.
type labelCopy struct {
	localcopy.Copy
	format localcopy.Format
}

func labelled(formats localcopy.Formats) localcopy.Formats {
	out := make(localcopy.Formats, len(formats))
	for i, f := range formats {
		out[i] = labelFormat{f}
	}
	return out
}

// Begin implements localcopy.Format.
func (f labelFormat) Begin(ctx context.Context, m localcopy.Meta, s *heapbackend.Snapshot) (localcopy.Writer, error) {
	w, err := f.Format.Begin(ctx, m, s)
	if err != nil {
		return nil, err
	}
	return labelWriter{w, f.Format}, nil
}

// Open implements localcopy.Format.
func (f labelFormat) Open(ctx context.Context, o localcopy.Owner) ([]localcopy.Copy, error) {
	found, err := f.Format.Open(ctx, o)
	var copies []localcopy.Copy
	for _, c := range found {
		if c != nil {
			copies = append(copies, &labelCopy{c, f.Format})
		}
	}
	return copies, err
}

// Seal implements localcopy.Writer.
func (w labelWriter) Seal(ctx context.Context, twin []primary.Segment) (localcopy.Copy, error) {
	c, err := w.Writer.Seal(ctx, twin)
	if c == nil || err != nil {
		return nil, err
	}
	return &labelCopy{c, w.format}, nil
}

// sourceOf describes a copy of a labelled format to a plan. The error is a panic of the format.
func sourceOf(c localcopy.Copy) (s LocalSource, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	s = LocalSource{Name: "local", Letter: 'L', Meta: c.Meta(), Groups: c.Groups()}
	if l, ok := c.(*labelCopy); ok {
		s.Name, s.Letter = l.format.Name(), l.format.Letter()
	}
	return s, nil
}
