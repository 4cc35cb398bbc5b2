package inject

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Failure is a kind of injected failure.
type Failure string

// The failures there are.
const (
	Panic    Failure = "panic"    // a keyed task panics
	Kill     Failure = "kill"     // the worker process is killed with SIGKILL
	LoseDisk Failure = "losedisk" // the same, and its local disk is gone
)

// Rescale is no failure: the worker ends with a savepoint, and another goes on
// from it with another parallelism. It is scheduled as failures are, and not
// read by [Parse].
const Rescale Failure = "rescale"

// Injection is a failure at a share of the input, 0 < Percent < 100.
type Injection struct {
	Failure Failure
	Percent float64
}

// String is the injection as it is written on the command line.
func (i Injection) String() string {
	return fmt.Sprintf("%s@%s%%", i.Failure, strconv.FormatFloat(i.Percent, 'f', -1, 64))
}

// ErrInjection: a list of injections that cannot be read.
var ErrInjection = errors.New("bad injection")

// Parse reads a list like "panic@25%,kill@50%", in any order; "none"
// and "" are the empty list. The result is sorted by share.
func Parse(list string) ([]Injection, error) {
	if list == "none" || list == "" {
		return nil, nil
	}
	var out []Injection
	for item := range strings.SplitSeq(list, ",") {
		i, err := parseOne(strings.TrimSpace(item))
		if err != nil {
			return nil, err
		}
		out = append(out, i)
	}
	return Sort(out), nil
}

// Sort sorts injections by share, in place, those of one share in their order, and returns them.
func Sort(list []Injection) []Injection {
	slices.SortStableFunc(list, func(a, b Injection) int { return cmp.Compare(a.Percent, b.Percent) })
	return list
}

func parseOne(item string) (Injection, error) {
	kind, share, found := strings.Cut(item, "@")
	number, percent := strings.CutSuffix(share, "%")
	if !found || !percent {
		return Injection{}, fmt.Errorf("%w %q: want KIND@SHARE%%, for example kill@50%%", ErrInjection, item)
	}
	switch Failure(kind) {
	case Panic, Kill, LoseDisk:
	default:
		return Injection{}, fmt.Errorf("%w %q: %q is none of panic, kill, losedisk", ErrInjection, item, kind)
	}
	p, err := strconv.ParseFloat(number, 64)
	if err != nil || !(p > 0 && p < 100) {
		return Injection{}, fmt.Errorf("%w %q: the share has to be above 0%% and below 100%%", ErrInjection, item)
	}
	return Injection{Failure(kind), p}, nil
}
