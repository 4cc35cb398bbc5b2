package supervise

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// Display shows a run while it happens: lines on one stream, progress on another, as a bar
// if that is a terminal and as a line for every tenth if not.
type Display struct {
	out, errs   io.Writer
	bar         *progressbar.ProgressBar // nil: not a terminal
	total       int64
	amount      func(int64) string // an amount of the input, for people
	tenth       int64              // the last one shown as a line
	checkpoints int
}

// NewDisplay returns a display of a total of input, of which some has been read; amount writes an amount of it. errs may be nil: no
// progress is shown.
func NewDisplay(out io.Writer, errs *os.File, total, read int64, amount func(int64) string) *Display {
	d := &Display{out: out, errs: errs, total: total, amount: amount}
	if errs == nil {
		d.errs = io.Discard
	}
	if total > 0 {
		d.tenth = read * 10 / total
	}
	if errs != nil && term.IsTerminal(int(errs.Fd())) {
		d.bar = progressbar.NewOptions64(max(total, 1),
			progressbar.OptionSetWriter(errs),
			progressbar.OptionSetWidth(30),
			progressbar.OptionThrottle(40*time.Millisecond),
			progressbar.OptionSetDescription("0 checkpoints"),
			progressbar.OptionClearOnFinish(),
			progressbar.OptionSetPredictTime(false))
	}
	return d
}

// Line shows lines of text.
func (d *Display) Line(format string, args ...any) {
	if d.bar != nil {
		_ = d.bar.Clear() // what a terminal does not show is not worth an error
	}
	_, _ = fmt.Fprintf(d.out, format+"\n", args...)
	if d.bar != nil {
		_ = d.bar.RenderBlank()
	}
}

// Grid shows the grid of a recovery.
func (d *Display) Grid(grid string) {
	for line := range strings.Lines(grid) {
		d.Line("  %s", strings.TrimRight(line, "\n"))
	}
}

// Progress shows how much of the input has been read. It may go back.
func (d *Display) Progress(read int64) {
	if d.bar != nil {
		_ = d.bar.Set64(min(read, d.total-1)) // Finish ends it
		return
	}
	if d.total == 0 {
		return
	}
	if tenth := read * 10 / d.total; tenth > d.tenth && tenth < 10 {
		d.tenth = tenth
		_, _ = fmt.Fprintf(d.errs, "%3d %% of %s, %d checkpoints\n", tenth*10, d.amount(d.total), d.checkpoints)
	}
}

// Checkpoint counts a checkpoint that completed.
func (d *Display) Checkpoint() {
	d.checkpoints++
	if d.bar != nil {
		d.bar.Describe(fmt.Sprintf("%d checkpoints", d.checkpoints))
	}
}

// Finish takes the bar away.
func (d *Display) Finish() {
	if d.bar != nil {
		_ = d.bar.Finish()
		_ = d.bar.Clear()
		d.bar = nil
	}
}

// Bytes is a size for people: "127.3 MB".
func Bytes(n int64) string {
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	f, unit := float64(n)/1000, 0
	for f >= 999.95 && unit < 4 {
		f, unit = f/1000, unit+1
	}
	return fmt.Sprintf("%.1f %cB", f, "kMGTP"[unit])
}
