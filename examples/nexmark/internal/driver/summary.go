package driver

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/heapstate/heapstate/examples/nexmark/internal/latency"
)

// summarise says how fast it was.
func (r *running[E]) summarise() {
	all := r.latencies()
	r.say("%d events in %s, failures included: %.0f events/s; %d checkpoints, %d recoveries, %d results received",
		r.Settings.Events, short(r.record.Elapsed), r.rate(), r.completed(), len(r.record.Recoveries), r.results.Received)
	r.say("latency of a record, from its source to having been processed:")
	r.say("  all                     %s", quantiles(all))
	r.say("  no checkpoint under way %s", quantiles(&r.results.Quiet))
	r.say("  a checkpoint under way  %s", quantiles(&r.results.During))
}

// latencies are those of all records.
func (r *running[E]) latencies() *latency.Histogram {
	all := r.results.Quiet
	all.Add(&r.results.During)
	return &all
}

func (r *running[E]) rate() float64 { return float64(r.Settings.Events) / r.record.Elapsed.Seconds() }

// completed is how many checkpoints completed.
func (r *running[E]) completed() (n int) {
	for _, c := range r.record.Checkpoints {
		if c.Error == "" {
			n++
		}
	}
	return n
}

func quantiles(h *latency.Histogram) string {
	if h.Count() == 0 {
		return "no record"
	}
	return fmt.Sprintf("p50 %s  p99 %s  p99.9 %s  (%d records)", short(h.Quantile(0.5)), short(h.Quantile(0.99)), short(h.Quantile(0.999)), h.Count())
}

// row is a query in the table of all.
type row struct {
	number      int
	verified    bool
	results     int
	rate        float64
	checkpoints int
	recoveries  int
	latencies   *latency.Histogram
}

func (r *running[E]) row(verified bool) row {
	return row{r.query.Number, verified, r.found, r.rate(), r.completed(), len(r.record.Recoveries), r.latencies()}
}

// table shows all queries together.
func table(out io.Writer, rows []row) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintln(w, "query\tresults\tevents/s\tp50\tp99\tp99.9\tcheckpoints\trecoveries\t")
	for _, r := range rows {
		verdict := "verified"
		if !r.verified {
			verdict = "DIFFERS"
		}
		_, _ = fmt.Fprintf(w, "%d\t%d\t%.0f\t%s\t%s\t%s\t%d\t%d\t %s\n", r.number, r.results, r.rate,
			short(r.latencies.Quantile(0.5)), short(r.latencies.Quantile(0.99)), short(r.latencies.Quantile(0.999)), r.checkpoints, r.recoveries, verdict)
	}
	_ = w.Flush()
}

// short is a duration with three digits or so.
func short(d time.Duration) time.Duration {
	for unit := time.Second; unit >= time.Microsecond; unit /= 1000 {
		if d >= unit {
			return d.Round(unit / 100)
		}
	}
	return d
}
