package recovery_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"github.com/vmihailenco/msgpack/v5"

	"github.com/heapstate/heapstate/heapbackend"
	"github.com/heapstate/heapstate/keygroups"
	"github.com/heapstate/heapstate/primary"
)

// The worked example of docs/format.md is kept as a file too, for readers that do not want to take it out of the page.
const exampleFile = "testdata/format/object.bin"

// exampleTotal is the value type of the example's first state. It has no Go name there, so that the page does not
// depend on this file.
type exampleTotal = struct {
	Sum int64
	N   uint32
}

// exampleStates are the states of the example's task, the second of two, which owns key groups [4, 8) of 8.
type exampleStates struct {
	backend *heapbackend.Backend[string]
	totals  *heapbackend.Value[string, exampleTotal]
	recent  *heapbackend.List[string, string]
	due     *heapbackend.Timers[heapbackend.NamespacedKey[string, uint64]]
	parts   *heapbackend.OperatorList[string]
}

func openExample(t *testing.T) *exampleStates {
	b, err := heapbackend.New[string](heapbackend.Config{
		M: 8, Seed: 42, Range: keygroups.Range{First: 4, End: 8}, Task: 1, Tasks: 2,
	})
	require.NoError(t, err)
	w, err := heapbackend.NamespacesOf[uint64](b)
	require.NoError(t, err)
	s := &exampleStates{backend: b}
	ttl := &heapbackend.TTL{After: time.Hour, Clock: func() heapbackend.Timestamp { return 1_700_000_000_000 }}
	var errs [4]error
	s.totals, errs[0] = heapbackend.NewValue[exampleTotal](b, "totals")
	s.recent, errs[1] = heapbackend.NewList(b, "recent", heapbackend.Options[string]{TTL: ttl})
	s.due, errs[2] = heapbackend.NewTimers(w, "due", heapbackend.EventTime)
	s.parts, errs[3] = heapbackend.NewSplitList[string](b, "parts")
	require.NoError(t, errors.Join(errs[:]...))
	return s
}

// exampleHeader is the example's header, but for the schema.
func exampleHeader() primary.Header {
	return primary.Header{
		Job: "orders", Operator: "main", Task: 1, Attempt: uuid.MustParse("6ba7b810-9dad-11d1-80b4-00c04fd430c8"),
		Checkpoint: 7, M: 8, Range: keygroups.Range{First: 4, End: 8}, Seed: 42, Compression: primary.None,
	}
}

// buildExample makes the example with the library.
func buildExample(t *testing.T) []byte {
	s := openExample(t)
	require.NoError(t, errors.Join(
		s.totals.Put("cat", exampleTotal{1250, 2}), s.totals.Put("joe", exampleTotal{-5, 1}),
		s.totals.Put("lea", exampleTotal{70, 1}), s.recent.Append("lea", "tea", "h\xf6t"),
		s.due.Register(heapbackend.In("cat", uint64(3)), 1_700_000_060_000), s.parts.Append("a.log", "b.log"),
	))
	snap, err := s.backend.Capture()
	require.NoError(t, err)
	defer snap.Release()
	h := exampleHeader()
	h.Schema = snap.Schema()
	var out bytes.Buffer
	_, err = primary.WriteObject(t.Context(), &out, h, snap, primary.WriteOptions{})
	require.NoError(t, err)
	return out.Bytes()
}

func TestFormatPageExampleIsWhatTheLibraryWrites(t *testing.T) {
	page := formatHex(t, formatBlock(t, "## Worked example", "000  "))
	require.Equal(t, page, buildExample(t))
	file, err := os.ReadFile(exampleFile)
	require.NoError(t, err)
	require.Equal(t, page, file)
}

func TestFormatPageExampleIsReadAsThePageSays(t *testing.T) {
	object := formatHex(t, formatBlock(t, "## Worked example", "000  "))
	r := primary.ReaderAt("example", bytes.NewReader(object))
	index, err := primary.ReadIndex(t.Context(), r, int64(len(object)))
	require.NoError(t, err)
	schema := index.Header.Schema
	index.Header.Schema = nil
	require.Equal(t, exampleHeader(), index.Header)
	s := openExample(t)
	require.NoError(t, s.backend.Install(stageExample(t, s, r, index, schema)))
	var got [][]string
	line := func(state, key, value string) { got = append(got, []string{state, key, value}) }
	for k, v := range s.totals.All() {
		line("totals", strconv.Quote(k), fmt.Sprintf("Sum %d, N %d", v.Sum, v.N))
	}
	for k, l := range s.recent.All() {
		v := slices.Collect(l)
		require.Len(t, v, 2)
		line("recent", strconv.Quote(k), fmt.Sprintf("%q, and a str that is no UTF-8: % x", v[0], v[1]))
	}
	for k, at := range s.due.All() {
		require.Equal(t, heapbackend.Timestamp(1_700_000_060_000), at)
		line("due", fmt.Sprintf("%q in namespace %d", k.Key, k.Namespace), "")
	}
	parts := slices.Collect(s.parts.All())
	line("parts", "", fmt.Sprintf("%q, %q", parts[0], parts[1]))
	require.ElementsMatch(t, formatTable(t, "## Worked example", "state"), got)
}

// stageExample stages all blocks of the example.
func stageExample(
	t *testing.T, s *exampleStates, r primary.RangeReader, index *primary.Index, schema []byte,
) (staged []*heapbackend.Staged) {
	var groups []int
	for _, seg := range index.Segments {
		block, err := primary.ReadBlock(t.Context(), r, seg, primary.None)
		require.NoError(t, err)
		one, err := s.backend.StageBlock(schema, seg.Group, block)
		require.NoError(t, err)
		require.Equal(t, seg.Entries, one.Entries())
		groups, staged = append(groups, seg.Group), append(staged, one)
	}
	require.Equal(t, []int{5, 7, 9}, groups)
	return staged
}

// formatNode is the type whose description the page shows under another name.
type formatNode struct {
	Name       string
	Next       *formatNode
	Tags, More []string
	Left       *formatNode
}

func TestFormatPageSchemasAreWhatTheLibraryWrites(t *testing.T) {
	b, err := heapbackend.New[string](heapbackend.Config{M: 8, Range: keygroups.Range{End: 8}})
	require.NoError(t, err)
	_, err = heapbackend.NewValue[formatNode](b, "node")
	require.NoError(t, err)
	snap, err := b.Capture()
	require.NoError(t, err)
	defer snap.Release()
	text := strings.Replace(schemaJSON(t, snap.Schema()), "recovery_test.formatNode", "main.Node", 1)
	node := formatBlock(t, "### Types of values", `["struct", `)
	require.JSONEq(t, `[["node","value","string",null,"",`+node+`]]`, text)

	s := openExample(t)
	snap, err = s.backend.Capture()
	require.NoError(t, err)
	defer snap.Release()
	totals, parts, ok := strings.Cut(formatBlock(t, "## Schema", `[["totals"`), "\n")
	require.True(t, ok)
	var all []any
	require.NoError(t, json.Unmarshal([]byte(schemaJSON(t, snap.Schema())), &all))
	for i, want := range map[int]string{0: strings.Replace(totals, "main.Total", "", 1), 3: parts} {
		got, err := json.Marshal(all[i : i+1])
		require.NoError(t, err)
		require.JSONEq(t, want, string(got))
	}
}

// schemaJSON is a schema as the page writes one.
func schemaJSON(t *testing.T, schema []byte) string {
	t.Helper()
	var v any
	require.NoError(t, msgpack.Unmarshal(schema, &v))
	text, err := json.Marshal(v)
	require.NoError(t, err)
	return string(text)
}
