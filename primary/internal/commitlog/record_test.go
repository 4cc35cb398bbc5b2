package commitlog

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/primary/internal/frame"
)

var update = flag.Bool("update", false, "write the golden vectors of the commit log that are missing")

const testJob = "orders"

var testClaim = uuid.MustParse("0f2d5f51-2c4e-4f6a-9a51-0123456789ab")

// golden are never changed, only added to. The first four are those of version 1, where every holder is the slot
// itself.
func golden() map[string]*Record {
	m := []byte("a manifest")
	return map[string]*Record{
		"claim-first": {Kind: Claim, Job: testJob, Slot: 1, Epoch: 1, Claim: testClaim},
		"claim-live": {Kind: Claim, Job: testJob, Slot: 300, Epoch: 300, Claim: testClaim, Highest: 1 << 40,
			Live: []Ref{{7, 7}, {250, 250}, {299, 299}}},
		"checkpoint": {Kind: Checkpoint, Job: testJob, Slot: 9, Epoch: 6, Claim: testClaim, Highest: 41, Live: []Ref{{5, 5}, {8, 8}}, Manifest: m},
		"savepoint":  {Kind: Savepoint, Job: testJob, Slot: 9, Epoch: 9, Claim: testClaim, Highest: 40, Manifest: m},
		"claim-holds": {Kind: Claim, Job: testJob, Slot: 300, Epoch: 300, Claim: testClaim, Highest: 41, Live: []Ref{{5, 5}, {7, 300}, {250, 300}},
			Skipped: []uint64{6, 251}, Held: []Entry{{Ref{7, 300}, 6, Checkpoint, m}, {Ref{250, 300}, 250, Savepoint, m}}},
		"checkpoint-held": {Kind: Checkpoint, Job: testJob, Slot: 301, Epoch: 300, Claim: testClaim, Highest: 42, Live: []Ref{{7, 300}, {250, 300}},
			Skipped: []uint64{6, 251}, Manifest: m},
	}
}

func TestRecordGolden(t *testing.T) {
	for name, r := range golden() {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join("testdata", "v2", name+".bin")
			if _, err := os.Stat(file); *update && errors.Is(err, os.ErrNotExist) {
				require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
				require.NoError(t, os.WriteFile(file, r.Append(nil), 0o644))
			}
			want, err := os.ReadFile(file)
			require.NoError(t, err)
			require.Equal(t, want, r.Append(nil))
			got, err := Decode(name, want)
			require.NoError(t, err)
			require.Equal(t, r, got)
		})
	}
}

func TestRecordsOfVersionOne(t *testing.T) {
	for _, name := range []string{"claim-first", "claim-live", "checkpoint", "savepoint"} {
		t.Run(name, func(t *testing.T) {
			b, err := os.ReadFile(filepath.Join("testdata", "v1", name+".bin"))
			require.NoError(t, err)
			got, err := Decode(name, b)
			require.NoError(t, err)
			want := golden()[name]
			if want.Kind != Claim { // these have a manifest that says something
				require.NotEmpty(t, got.Manifest)
				got.Manifest = want.Manifest
			}
			require.Equal(t, want, got)
		})
	}
}

func TestRecordHostile(t *testing.T) {
	var damage *DamageError
	for name, r := range golden() {
		good := r.Append(nil)
		for n := range len(good) {
			_, err := Decode(name, good[:n])
			require.ErrorAs(t, err, &damage, "prefix of %d", n)
			for bit := range 8 {
				bad := bytes.Clone(good)
				bad[n] ^= 1 << bit
				_, err := Decode(name, bad)
				require.ErrorAs(t, err, &damage, "byte %d bit %d", n, bit)
			}
		}
		_, err := Decode(name, append(bytes.Clone(good), 0))
		require.ErrorAs(t, err, &damage)
	}
}

// A version that this build does not know is believed only in a record that is whole.
func TestRecordOfANewerVersion(t *testing.T) {
	b := frame.Append(nil, Magic, Version+1, func(b []byte) []byte { return append(b, "whatever"...) })
	_, err := Decode("x", b)
	require.ErrorIs(t, err, ErrVersion)
	b[len(b)-1]++
	_, err = Decode("x", b)
	require.NotErrorIs(t, err, ErrVersion)
}

// What a right checksum does not excuse.
func TestRecordSemantics(t *testing.T) {
	cases := map[string]func(r *Record){
		"unknown kind":            func(r *Record) { r.Kind = 4 },
		"kind 0":                  func(r *Record) { r.Kind = 0 },
		"claim with manifest":     func(r *Record) { r.Kind = Claim },
		"commit without manifest": func(r *Record) { r.Manifest = nil },
		"slot 0":                  func(r *Record) { r.Slot, r.Live, r.Skipped = 0, nil, nil },
		"epoch 0":                 func(r *Record) { r.Epoch = 0 },
		"epoch after slot":        func(r *Record) { r.Epoch = 302 },
		"live not below":          func(r *Record) { r.Live = []Ref{{301, 301}} },
		"live descends":           func(r *Record) { r.Live = []Ref{{5, 5}, {4, 4}} },
		"live twice":              func(r *Record) { r.Live = []Ref{{5, 5}, {5, 5}} },
		"live 0":                  func(r *Record) { r.Live = []Ref{{0, 5}} },
		"holder before":           func(r *Record) { r.Live = []Ref{{5, 4}} },
		"holder after":            func(r *Record) { r.Live = []Ref{{5, 302}} },
		"holds nothing":           func(r *Record) { r.Live = []Ref{{5, 301}} },
		"commit that holds": func(r *Record) {
			r.Live, r.Held = []Ref{{5, 301}}, []Entry{{Ref{5, 301}, 4, Checkpoint, []byte("m")}}
		},
		"skips itself":  func(r *Record) { r.Skipped = []uint64{301} },
		"skips twice":   func(r *Record) { r.Skipped = []uint64{6, 6} },
		"skips nothing": func(r *Record) { r.Skipped = []uint64{0} },
	}
	for name, breakIt := range cases {
		t.Run(name, func(t *testing.T) {
			r := golden()["checkpoint-held"]
			breakIt(r)
			_, err := Decode("x", r.Append(nil))
			var damage *DamageError
			require.ErrorAs(t, err, &damage)
			require.Equal(t, "x", damage.Name)
		})
	}
	held := map[string]func(r *Record){
		"held claim":             func(r *Record) { r.Held[0].Kind = Claim },
		"held without manifest":  func(r *Record) { r.Held[0].Manifest = nil },
		"held of no epoch":       func(r *Record) { r.Held[0].Epoch = 0 },
		"held of a later epoch":  func(r *Record) { r.Held[0].Epoch = 8 },
		"held and not live":      func(r *Record) { r.Live = r.Live[:2] },
		"held in another order":  func(r *Record) { r.Held[0], r.Held[1] = r.Held[1], r.Held[0] },
		"held of another's slot": func(r *Record) { r.Held[0].Slot = 8 },
	}
	for name, breakIt := range held {
		t.Run(name, func(t *testing.T) {
			r := golden()["claim-holds"]
			breakIt(r)
			_, err := Decode("x", r.Append(nil))
			require.Error(t, err)
		})
	}
}

func TestNames(t *testing.T) {
	for _, name := range []string{RecordName("j", 5), CopyName("j", 5)} {
		slot, ok := ParseName("j", name)
		require.True(t, ok)
		require.EqualValues(t, 5, slot)
		_, ok = ParseName("k", name)
		require.False(t, ok)
	}
	for _, name := range []string{
		"", "j", "j/", "j/log", "j/log/5", "j/log/+0000000000000000005", "j/log/" + Padded(5) + "/x", "j/log/" + Padded(5) + "0",
		"j/logs/" + Padded(5), "j/log/" + Padded(0), "log/" + Padded(5), "j/objects/" + Padded(5), OriginName("j"),
	} {
		_, ok := ParseName("j", name)
		require.False(t, ok, name)
	}
}

func FuzzRecord(f *testing.F) {
	for _, r := range golden() {
		f.Add(r.Append(nil))
	}
	files, err := filepath.Glob(filepath.Join("testdata", "v1", "*.bin"))
	require.NoError(f, err)
	for _, file := range files {
		b, err := os.ReadFile(file)
		require.NoError(f, err)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := Decode("x", b)
		if err != nil {
			return
		}
		again, err := Decode("x", r.Append(nil))
		require.NoError(t, err)
		require.Equal(t, r, again)
	})
}
