package recovery_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"os"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/klauspost/compress/s2"
	"github.com/stretchr/testify/require"
	"github.com/zeebo/xxh3"

	"github.com/heapstate/heapstate/keygroups"
)

// docs/format.md is written for readers in other languages, who check their code against what it shows: so each vector,
// table and example of the page is checked here, as it stands on the page.

// formatSection returns the text of the page below a heading, up to the next one of its level or a higher one.
func formatSection(t *testing.T, heading string) string {
	t.Helper()
	page, err := os.ReadFile("../docs/format.md")
	require.NoError(t, err)
	_, text, ok := strings.Cut(string(page), "\n"+heading+"\n")
	require.Truef(t, ok, "docs/format.md has no %q", heading)
	marks, _, _ := strings.Cut(heading, " ")
	for level := marks; level != ""; level = level[1:] {
		text, _, _ = strings.Cut(text, "\n"+level+" ")
	}
	return text
}

// formatTable returns the rows of the first table of a section whose first column has that name, without backquotes.
func formatTable(t *testing.T, heading, column string) (rows [][]string) {
	t.Helper()
	_, text, ok := strings.Cut(formatSection(t, heading), "\n| "+column+" |")
	require.Truef(t, ok, "%q has no table of %q", heading, column)
	for i, line := range strings.Split(text, "\n") {
		if i < 2 { // the rest of the head, and the rule below it
			continue
		}
		if !strings.HasPrefix(line, "|") {
			break
		}
		var row []string
		for cell := range strings.SplitSeq(strings.Trim(line, "|"), "|") {
			row = append(row, strings.Trim(cell, " `"))
		}
		rows = append(rows, row)
	}
	require.NotEmptyf(t, rows, "%q: the table of %q", heading, column)
	return rows
}

// formatBlock returns the first of a section's blocks of code that begins with the text given.
func formatBlock(t *testing.T, heading, start string) string {
	t.Helper()
	_, text, ok := strings.Cut(formatSection(t, heading), "\n```\n"+start)
	require.Truef(t, ok, "%q has no block of code that begins with %q", heading, start)
	text, _, _ = strings.Cut(text, "```")
	return start + text
}

// formatHex returns the bytes of a block of code whose lines are an offset, bytes, and after a semicolon what they are.
func formatHex(t *testing.T, block string) (b []byte) {
	t.Helper()
	for line := range strings.Lines(block) {
		line, _, _ = strings.Cut(line, ";")
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		at, err := strconv.ParseUint(fields[0], 16, 32)
		require.NoError(t, err, line)
		require.Equalf(t, uint64(len(b)), at, "the offset in %q", line)
		part, err := hex.DecodeString(strings.Join(fields[1:], ""))
		require.NoError(t, err, line)
		b = append(b, part...)
	}
	return b
}

func formatInt(t *testing.T, text string) int {
	t.Helper()
	n, err := strconv.Atoi(text)
	require.NoError(t, err)
	return n
}

func formatWord(t *testing.T, text string) uint64 {
	t.Helper()
	require.Len(t, text, 16)
	n, err := strconv.ParseUint(text, 16, 64)
	require.NoError(t, err)
	return n
}

// keyTypeText reads key types by the grammar of the page, and so as a reader in another language would.
type keyTypeText struct {
	t    *testing.T
	rest string
}

func (k *keyTypeText) take(prefix string) bool {
	rest, ok := strings.CutPrefix(k.rest, prefix)
	k.rest = rest
	return ok
}

func (k *keyTypeText) until(end string) (before string) {
	before, rest, ok := strings.Cut(k.rest, end)
	require.Truef(k.t, ok, "no %q in %q", end, k.rest)
	k.rest = rest
	return before
}

var scalarKeys = []any{ // a prefix of another comes after it
	false, int8(0), int16(0), int32(0), int64(0), int(0), uint8(0), uint16(0), uint32(0), uint64(0), uint(0),
	float32(0), float64(0), "",
}

func (k *keyTypeText) read() reflect.Type {
	switch {
	case k.take("["):
		n := formatInt(k.t, k.until("]"))
		return reflect.ArrayOf(n, k.read())
	case k.take("struct{"):
		var fields []reflect.StructField
		for !k.take("}") {
			k.take("; ")
			fields = append(fields, reflect.StructField{Name: k.until(" "), Type: k.read()})
		}
		return reflect.StructOf(fields)
	}
	for _, zero := range scalarKeys {
		if k.take(reflect.TypeOf(zero).Name()) {
			return reflect.TypeOf(zero)
		}
	}
	require.FailNowf(k.t, "no key type", "%q", k.rest)
	return nil
}

// formatKey returns the key of that type which the page writes as JSON, or as NaN.
func formatKey(t *testing.T, typ, text string) any {
	t.Helper()
	k := keyTypeText{t: t, rest: typ}
	key := reflect.New(k.read())
	require.Empty(t, k.rest, typ)
	if text == "NaN" {
		key.Elem().SetFloat(math.NaN())
	} else {
		require.NoError(t, json.Unmarshal([]byte(text), key.Interface()), text)
	}
	return key.Elem().Interface()
}

func TestFormatPageKeysHaveTheirHashesAndGroups(t *testing.T) {
	for _, row := range formatTable(t, "### Test vectors of keys", "key type") {
		require.Len(t, row, 7)
		key := formatKey(t, row[0], row[1])
		seed, err := strconv.ParseUint(row[3], 16, 64)
		require.NoError(t, err)
		encoding, err := keygroups.AppendAny(nil, key)
		require.NoError(t, err)
		require.Equal(t, row[2], hex.EncodeToString(encoding), "%v", row)
		hash, err := keygroups.HashAny(key, seed)
		require.NoError(t, err)
		require.Equal(t, row[4], fmt.Sprintf("%016x", hash), "%v", row)
		require.Equal(t, xxh3.HashSeed(encoding, seed), hash, "%v", row)
		require.Equal(t, formatInt(t, row[6]), keygroups.Of(hash, formatInt(t, row[5])), "%v", row)
	}
}

func TestFormatPageTasksHaveTheirRanges(t *testing.T) {
	for _, row := range formatTable(t, "### Tasks and their ranges", "M") {
		require.Len(t, row, 3)
		ranges, err := keygroups.Ranges(formatInt(t, row[0]), formatInt(t, row[1]))
		require.NoError(t, err)
		var text []string
		for _, r := range ranges {
			text = append(text, fmt.Sprintf("[%d, %d)", r.First, r.End))
		}
		require.Equal(t, row[2], strings.Join(text, " "))
	}
}

func TestFormatPageChecksumsAreRight(t *testing.T) {
	for _, row := range formatTable(t, "## XXH3-64", "n") {
		require.Len(t, row, 3)
		input := make([]byte, formatInt(t, row[0]))
		for i := range input {
			input[i] = byte(i)
		}
		require.Equal(t, formatWord(t, row[1]), xxh3.Hash(input), "%v", row)
		require.Equal(t, formatWord(t, row[2]), xxh3.HashSeed(input, 0x9e3779b97f4a7c15), "%v", row)
	}
	for _, row := range formatTable(t, "## CRC-32C", "bytes") {
		require.Len(t, row, 3)
		input, err := hex.DecodeString(row[0])
		require.NoError(t, err)
		crc := crc32.Checksum(input, crc32.MakeTable(crc32.Castagnoli))
		require.Equal(t, row[1], fmt.Sprintf("%08x", crc))
		require.Equal(t, row[2], fmt.Sprintf("%08x", (crc>>15|crc<<17)+0xa282ead8))
	}
}

func TestFormatPageS2StreamHasTheContentsItSays(t *testing.T) {
	const unit, length = "abcd", 67_248
	stream := formatHex(t, formatBlock(t, "### S2", "00  "))
	contents, err := io.ReadAll(s2.NewReader(bytes.NewReader(stream)))
	require.NoError(t, err)
	require.Equal(t, strings.Repeat(unit, length/len(unit)+1)[:length], string(contents))
}
