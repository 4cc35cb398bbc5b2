package keygroups_test

import (
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/zeebo/xxh3"

	"github.com/heapstate/heapstate/keygroups"
)

const goldenFile = "testdata/golden.tsv"

// goldenHeader begins the golden file.
const goldenHeader = `# Keys, their canonical encodings, hashes and key groups. These rows never change:
# state in checkpoints was written under them. New rows may be added at the end
# with go test ./keygroups -run Golden -update
# text(n) is the first n characters of 0-9a-z. repeated.
# type	key	seed	M	encoding	hash	group
`

// The first rows of the file, as they were released, and their SHA-256. A change
// of these two lines for any reason but new rows at the end of the file loses
// somebody's state.
const (
	goldenRows = 512
	goldenSum  = "4cee45c2d0f080e06bb0a03d9c14433c5526139b652f7d7c4b4b39378c5b68b7"
)

var update = flag.Bool("update", false, "add new rows to "+goldenFile+"; existing rows are never changed")

// goldenRow is one line of the golden file.
type goldenRow struct{ typ, key, seed, m, encoding, hash, group string }

// id names the row: what it says about the rest may never change.
func (r goldenRow) id() string { return strings.Join([]string{r.typ, r.key, r.seed, r.m}, "\t") }

func (r goldenRow) String() string {
	return strings.Join([]string{r.typ, r.key, r.seed, r.m, r.encoding, r.hash, r.group}, "\t")
}

// goldenOf computes the rows of all cases: what the file must say today.
func goldenOf(t *testing.T) []goldenRow {
	var rows []goldenRow
	for _, c := range keyCases() {
		for i, m := range []int{128, 4096, 32767, 13} {
			hash := c.hash(t, seeds[i])
			rows = append(rows, goldenRow{
				typ: c.typ, key: c.text, seed: fmt.Sprintf("%016x", seeds[i]), m: strconv.Itoa(m),
				encoding: hex.EncodeToString(c.append(nil)),
				hash:     fmt.Sprintf("%016x", hash), group: strconv.Itoa(keygroups.Of(hash, m)),
			})
		}
	}
	return rows
}

// parseGolden reads the rows of a golden file.
func parseGolden(text string) ([]goldenRow, error) {
	var rows []goldenRow
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		if strings.HasPrefix(line, "#") {
			continue
		}
		f := strings.Split(line, "\t")
		if len(f) != 7 {
			return nil, fmt.Errorf("%d fields in %q", len(f), line)
		}
		rows = append(rows, goldenRow{f[0], f[1], f[2], f[3], f[4], f[5], f[6]})
	}
	return rows, nil
}

// mergeGolden returns the old rows followed by the computed ones that are new.
// A computed row that differs from an old one, and an old row that is not
// computed any more, are errors.
func mergeGolden(old, computed []goldenRow) ([]goldenRow, error) {
	known := map[string]goldenRow{}
	for _, row := range computed {
		if twice, ok := known[row.id()]; ok {
			return nil, fmt.Errorf("two cases for one row: %v and %v", twice, row)
		}
		known[row.id()] = row
	}
	for _, row := range old {
		now, ok := known[row.id()]
		if !ok {
			return nil, fmt.Errorf("a row has no case any more, or is there twice: %v", row)
		}
		if now != row {
			return nil, fmt.Errorf("a row changed, which would lose state:\nwas %v\nnow %v", row, now)
		}
		delete(known, row.id())
	}
	merged := old[:len(old):len(old)]
	for _, row := range computed {
		if _, isNew := known[row.id()]; isNew {
			merged = append(merged, row)
		}
	}
	return merged, nil
}

func readGolden(t *testing.T) []goldenRow {
	text, err := os.ReadFile(goldenFile)
	if os.IsNotExist(err) && *update {
		return nil
	}
	require.NoError(t, err)
	rows, err := parseGolden(string(text))
	require.NoError(t, err)
	return rows
}

func TestGoldenRowsNeverChange(t *testing.T) {
	old := readGolden(t)
	merged, err := mergeGolden(old, goldenOf(t))
	require.NoError(t, err)
	if *update {
		writeGolden(t, merged)
		return
	}
	require.Len(t, old, len(merged), "new cases: add their rows with -update")
	require.GreaterOrEqual(t, len(old), 200)
}

func writeGolden(t *testing.T, rows []goldenRow) {
	var b strings.Builder
	b.WriteString(goldenHeader)
	for _, row := range rows {
		b.WriteString(row.String() + "\n")
	}
	require.NoError(t, os.WriteFile(goldenFile, []byte(b.String()), 0o644))
	t.Logf("%d rows, sum %s", len(rows), sumOf(rows))
}

func sumOf(rows []goldenRow) string {
	digest := sha256.New()
	for _, row := range rows {
		fmt.Fprintln(digest, row)
	}
	return hex.EncodeToString(digest.Sum(nil))
}

func TestGoldenRowsOfTheReleaseAreStillThere(t *testing.T) {
	rows := readGolden(t)
	require.GreaterOrEqual(t, len(rows), goldenRows)
	require.Equal(t, goldenSum, sumOf(rows[:goldenRows]))
}

// The rows are right by the documentation alone, with nothing of this package:
// XXH3 of the encoding, and the group by its formula.
func TestGoldenRowsFollowTheDocumentation(t *testing.T) {
	for _, row := range readGolden(t) {
		encoding, err := hex.DecodeString(row.encoding)
		require.NoError(t, err)
		seed, err := strconv.ParseUint(row.seed, 16, 64)
		require.NoError(t, err)
		m, err := strconv.Atoi(row.m)
		require.NoError(t, err)
		hash := xxh3.HashSeed(encoding, seed)
		require.Equal(t, row.hash, fmt.Sprintf("%016x", hash), "%v", row)
		require.Equal(t, row.group, strconv.Itoa(groupByDefinition(hash, m)), "%v", row)
	}
}

func TestGoldenUpdateRefusesToChangeRows(t *testing.T) {
	row := goldenRow{"uint64", "1", "0", "128", "01", "aa", "3"}
	added := goldenRow{"uint64", "2", "0", "128", "02", "bb", "4"}
	merged, err := mergeGolden([]goldenRow{row}, []goldenRow{added, row})
	require.NoError(t, err)
	require.Equal(t, []goldenRow{row, added}, merged, "new rows go to the end")

	for name, change := range map[string]func(*goldenRow){
		"encoding": func(r *goldenRow) { r.encoding = "00" },
		"hash":     func(r *goldenRow) { r.hash = "00" },
		"group":    func(r *goldenRow) { r.group = "0" },
		"key gone": func(r *goldenRow) { r.key = "7" },
	} {
		changed := row
		change(&changed)
		_, err := mergeGolden([]goldenRow{row}, []goldenRow{changed})
		require.Error(t, err, name)
	}
	_, err = mergeGolden([]goldenRow{row}, []goldenRow{row, row})
	require.Error(t, err, "a case twice")
	_, err = mergeGolden([]goldenRow{row, row}, []goldenRow{row})
	require.Error(t, err, "a row twice")
}
