package recovery

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func testReport(n int) *Report {
	r := &Report{Checkpoint: 12, Took: 1234567 * time.Nanosecond}
	for g := range n {
		gr := GroupReport{Group: g + 10, Source: "heap", Letter: 'H', Bytes: 1024, Entries: 2}
		switch {
		case g == 1:
			gr = GroupReport{Group: g + 10, Source: "primary", Letter: LetterPrimary, Bytes: 100, Entries: 3, Failed: []SourceError{{Source: "heap"}}}
		case g == 2:
			gr = GroupReport{Group: g + 10, Letter: LetterEmpty}
		}
		r.Groups = append(r.Groups, gr)
	}
	return r
}

func TestReportGrid(t *testing.T) {
	require.Equal(t, ""+
		"    10 HP.HHHHHHHHHHHHHHHHHHHHHHHHHHHHHHHHHHHHHHHHHHHHHHHHHHHHHHHHHHHHH\n"+
		"    74 HH\n"+
		"       . empty, H heap, P primary\n", testReport(66).Grid())
	require.Equal(t, "", (&Report{}).Grid())
}

func TestReportString(t *testing.T) {
	r := testReport(5)
	require.Equal(t, "checkpoint 12: 5 key groups: 3 heap (3.0 KiB), 1 primary (100 B), 1 empty, 1 fell back: 9 entries in 1.235ms", r.String())
	require.Equal(t, "no checkpoint: 5 key groups start empty", (&Report{Groups: r.Groups}).String())
}

func TestReportTotals(t *testing.T) {
	r := testReport(5)
	require.Equal(t, []SourceTotal{{"heap", 'H', 3, 3072, 6}, {"primary", 'P', 1, 100, 3}}, r.Totals())
	require.EqualValues(t, 9, r.Entries())
	require.Equal(t, 1, r.FellBack())
}

func TestByteCount(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 1536: "1.5 KiB", 5 << 30: "5.0 GiB", 1 << 62: "4.0 EiB"} {
		require.Equal(t, want, byteCount(n))
	}
}
