package heapbackend_test

import (
	"bytes"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/heapbackend"
)

// A golden file is the bytes of one snapshot: a line "schema HEX" and for each group that is not empty a line
// "GROUP ENTRIES HEX", with HEX cut into lines. Files stay for ever: a new version of the format gets new ones.

var addGolden = flag.Bool("golden", false, "write the golden files that are missing; present ones are never changed")

// order is a value with every kind of part that a derived codec writes.
type order struct {
	ID      uint64
	Price   float64
	Paid    bool
	Note    string
	Raw     []byte
	Sum     [4]byte
	At      time.Time
	Lines   []orderLine
	Labels  map[string]int16
	Parent  *order
	Renamed int8 `msgpack:"short"`
}

type orderLine struct {
	Item  string
	Count int32
}

func orderOf(i int) order {
	o := order{
		ID: uint64(i) << 40, Price: float64(i) / 3, Paid: i%2 == 0, Note: strings.Repeat("n", i*20), Raw: []byte{byte(i)},
		Sum: [4]byte{1, 2, 3, byte(i)}, At: time.Unix(int64(i)*1e9, int64(i)*1e8).UTC(), Renamed: int8(-i),
	}
	if i > 0 {
		parent := order{Note: "parent"}
		o.Lines = []orderLine{{"a", 1}, {"b", int32(-i)}}
		o.Labels, o.Parent = map[string]int16{"x": -300, "b": int16(i)}, &parent
	}
	return o
}

// goldens are the programs whose snapshots the files hold. few enough entries stand in a page that their order is that
// of their insertion, and of their decoding.
var goldens = map[string]func(t *testing.T) goldenCase{
	"kinds":     goldenKinds,
	"keys":      goldenKeys,
	"codec":     goldenCodec,
	"composite": goldenComposite,
	"ttl":       goldenTTL,
	"timers":    goldenTimers,
}

type goldenCase struct {
	b heapbackend.AnyBackend
	// empty is a backend with the same states and nothing in them.
	empty heapbackend.AnyBackend
}

func goldenKinds(t *testing.T) goldenCase {
	register := func() (*heapbackend.Backend[string], *heapbackend.Value[string, order], *heapbackend.List[string, orderLine], *heapbackend.Map[string, int32, *orderLine]) {
		b := backend[string](t, whole())
		return b, valueOf[order](t, b, "orders"), listOf[orderLine](t, b, "lines"), mapOf[int32, *orderLine](t, b, "by number")
	}
	b, v, l, m := register()
	for i := range 5 {
		k := fmt.Sprintf("customer %d", i)
		require.NoError(t, v.Put(k, orderOf(i)))
		require.NoError(t, l.Append(k, orderLine{"x", int32(i)}, orderLine{"", -1}))
		require.NoError(t, m.Put(k, int32(-i), nil))
		require.NoError(t, m.Put(k, 70000, &orderLine{"y", 1 << 20}))
	}
	empty, _, _, _ := register()
	return goldenCase{b, empty}
}

func goldenKeys(t *testing.T) goldenCase {
	register := func() (*heapbackend.Backend[float64], *heapbackend.Value[float64, uint64], *heapbackend.Map[float64, [2]uint8, bool]) {
		b := backend[float64](t, whole())
		return b, valueOf[uint64](t, b, "v"), mapOf[[2]uint8, bool](t, b, "m")
	}
	b, v, m := register()
	for i, k := range []float64{0, negativeZero, 1.5, otherNaN, -1e300} {
		require.NoError(t, v.Put(k, 1<<(12*i)))
		require.NoError(t, m.Put(k, [2]uint8{1, uint8(i)}, i%2 == 0))
	}
	empty, _, _ := register()
	return goldenCase{b, empty}
}

func goldenComposite(t *testing.T) goldenCase {
	type key struct {
		Tenant int32
		User   string
		Shard  [2]uint16
	}
	register := func() (*heapbackend.Backend[key], *heapbackend.Value[key, struct{}]) {
		b := backend[key](t, whole())
		return b, valueOf[struct{}](t, b, "set")
	}
	b, v := register()
	for i := range 6 {
		require.NoError(t, v.Put(key{int32(-i), stringKey(i), [2]uint16{uint16(i), 9}}, struct{}{}))
	}
	empty, _ := register()
	return goldenCase{b, empty}
}

func goldenTTL(t *testing.T) goldenCase {
	now := heapbackend.Timestamp(-2)
	ttl := heapbackend.TTL{After: 200 * 365 * 24 * time.Hour}
	a, empty := newAging(t, &now, ttl), newAging(t, &now, ttl)
	for k := range uint64(5) {
		a.put(t, k, int(k)*100)
		now = 10 << (8 * k)
		a.put(t, k+1, int(k))
	}
	return goldenCase{a.b, empty.b}
}

func goldenCodec(t *testing.T) goldenCase {
	register := func() (*heapbackend.Backend[uint64], map[string]func(uint64, int) error) {
		b := backend[uint64](t, whole())
		return b, decimals(t, b, heapbackend.Options[int]{Codec: decimal{}})
	}
	b, put := register()
	for _, state := range []string{"value", "list", "map"} {
		for k := range uint64(5) {
			require.NoError(t, put[state](k, int(k)))
		}
	}
	empty, _ := register()
	return goldenCase{b, empty}
}

func TestGoldenBlocks(t *testing.T) {
	for name, program := range goldens {
		t.Run(name, func(t *testing.T) {
			c := program(t)
			s := capture(t, c.b)
			written := goldenText(t, s)
			file := filepath.Join("testdata", "golden", name+".v1.txt")
			golden, err := os.ReadFile(file)
			if os.IsNotExist(err) && *addGolden {
				require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
				require.NoError(t, os.WriteFile(file, []byte(written), 0o644))
				golden, err = []byte(written), nil
			}
			require.NoErrorf(t, err, "write it with -golden")
			require.Equal(t, string(golden), written, "today's code writes other bytes")
			schema, blocks := parseGolden(t, string(golden))
			var staged []*heapbackend.Staged
			for g, block := range blocks {
				x, err := c.empty.StageBlock(schema, g, block)
				require.NoError(t, err)
				staged = append(staged, x)
			}
			require.NoError(t, c.empty.Install(staged))
			require.Equal(t, string(golden), goldenText(t, capture(t, c.empty)), "what was read is written otherwise")
		})
	}
}

func goldenText(t *testing.T, s *heapbackend.Snapshot) string {
	var text strings.Builder
	line := func(head string, b []byte) {
		fmt.Fprintf(&text, "%s\n", head)
		for len(b) > 0 {
			n := min(len(b), 48)
			fmt.Fprintf(&text, "  %x\n", b[:n])
			b = b[n:]
		}
	}
	line("schema", s.Schema())
	for g := range testM {
		block, n, err := s.AppendGroup(nil, g)
		require.NoError(t, err)
		if n > 0 {
			line(fmt.Sprintf("group %d, %d entries", g, n), block)
		}
	}
	return text.String()
}

func parseGolden(t *testing.T, text string) (schema []byte, blocks map[int][]byte) {
	blocks = map[int][]byte{}
	group := -1
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if digits, ok := strings.CutPrefix(line, "  "); ok {
			b, err := hex.DecodeString(digits)
			require.NoError(t, err)
			if group < 0 {
				schema = append(schema, b...)
			} else {
				blocks[group] = append(blocks[group], b...)
			}
			continue
		}
		if line != "schema" {
			_, err := fmt.Sscanf(line, "group %d,", &group)
			require.NoError(t, err)
		}
	}
	return schema, blocks
}

// TestGoldenFilesAreAllRead finds a file that no program writes any more, or a program that lost its file.
func TestGoldenFilesAreAllRead(t *testing.T) {
	files, err := filepath.Glob("testdata/golden/*")
	require.NoError(t, err)
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".v1.txt")
		require.Contains(t, goldens, name)
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		require.False(t, bytes.Contains(text, []byte("\r")))
	}
	require.Len(t, files, len(goldens))
}
