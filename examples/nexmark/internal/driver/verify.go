package driver

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// ErrDiffers: the results of a query are not those of the batch computation.
var ErrDiffers = errors.New("the results differ from the batch computation")

// shownDifferences is how many differences are shown.
const shownDifferences = 5

// compare returns ErrDiffers with the first differences, in the order of the keys.
func compare(got, want map[string]string) error {
	var differences []string
	for key, g := range got {
		if w, ok := want[key]; !ok {
			differences = append(differences, fmt.Sprintf("%q: %q, which should not be there", key, g))
		} else if g != w {
			differences = append(differences, fmt.Sprintf("%q: %q, not %q", key, g, w))
		}
	}
	for _, key := range slices.Collect(maps.Keys(want)) {
		if _, ok := got[key]; !ok {
			differences = append(differences, fmt.Sprintf("%q: missing, should be %q", key, want[key]))
		}
	}
	if len(differences) == 0 {
		return nil
	}
	slices.Sort(differences)
	return fmt.Errorf("%w in %d places, of %d:\n  %s", ErrDiffers, len(differences), len(want),
		strings.Join(differences[:min(len(differences), shownDifferences)], "\n  "))
}
