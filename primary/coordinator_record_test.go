package primary

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

var updateLog = flag.Bool("update-log", false, "write the golden vectors of the commit log that are missing")

// goldenRecords are never changed, only added to.
func goldenRecords() map[string]*record {
	claim := uuid.MustParse("0f2d5f51-2c4e-4f6a-9a51-0123456789ab")
	m := &Manifest{Job: testJob, Sequence: 9, Checkpoint: 40, Created: time.Unix(1700000000, 5).UTC(), M: 8, Seed: 7}
	saved := *m
	saved.Savepoint = true
	return map[string]*record{
		"claim-first": {kind: recordClaim, job: testJob, slot: 1, epoch: 1, claim: claim},
		"claim-live":  {kind: recordClaim, job: testJob, slot: 300, epoch: 300, claim: claim, highest: 1 << 40, live: []uint64{7, 250, 299}},
		"checkpoint":  {kind: recordCheckpoint, job: testJob, slot: 9, epoch: 6, claim: claim, highest: 41, live: []uint64{5, 8}, manifest: m.Append(nil)},
		"savepoint":   {kind: recordSavepoint, job: testJob, slot: 9, epoch: 9, claim: claim, highest: 40, manifest: saved.Append(nil)},
	}
}

func TestLogRecordGolden(t *testing.T) {
	for name, r := range goldenRecords() {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join("testdata", "log", name+".bin")
			if _, err := os.Stat(file); *updateLog && errors.Is(err, os.ErrNotExist) {
				require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
				require.NoError(t, os.WriteFile(file, r.append(nil), 0o644))
			}
			want, err := os.ReadFile(file)
			require.NoError(t, err)
			require.Equal(t, want, r.append(nil))
			got, err := decodeRecord(name, want)
			require.NoError(t, err)
			require.Equal(t, r, got)
			if got.kind != recordClaim {
				m, err := got.decodeManifest(name)
				require.NoError(t, err)
				require.EqualValues(t, 40, m.Checkpoint)
			}
		})
	}
}

func TestLogRecordHostile(t *testing.T) {
	for name, r := range goldenRecords() {
		good := r.append(nil)
		for n := range len(good) {
			_, err := decodeRecord(name, good[:n])
			require.Error(t, err, "prefix of %d", n)
			for bit := range 8 {
				bad := bytes.Clone(good)
				bad[n] ^= 1 << bit
				_, err := decodeRecord(name, bad)
				require.True(t, errors.Is(err, ErrCorrupt) || errors.Is(err, ErrVersion), "byte %d bit %d: %v", n, bit, err)
			}
		}
		_, err := decodeRecord(name, append(bytes.Clone(good), 0))
		require.ErrorIs(t, err, ErrCorrupt)
	}
}

// What a right checksum does not excuse.
func TestLogRecordSemantics(t *testing.T) {
	cases := map[string]func(r *record){
		"unknown kind":             func(r *record) { r.kind = 4 },
		"kind 0":                   func(r *record) { r.kind = 0 },
		"claim with manifest":      func(r *record) { r.kind = recordClaim },
		"commit without manifest":  func(r *record) { r.manifest = nil },
		"slot 0":                   func(r *record) { r.slot, r.live = 0, nil },
		"epoch 0":                  func(r *record) { r.epoch = 0 },
		"epoch after slot":         func(r *record) { r.epoch = 10 },
		"live not below":           func(r *record) { r.live = []uint64{9} },
		"live descends":            func(r *record) { r.live = []uint64{5, 4} },
		"live twice":               func(r *record) { r.live = []uint64{5, 5} },
		"live 0":                   func(r *record) { r.live = []uint64{0, 5} },
		"manifest of another job":  func(r *record) { r.job = "other" },
		"manifest of another slot": func(r *record) { r.slot = 10 },
		"manifest of another kind": func(r *record) { r.kind = recordSavepoint },
		"manifest above highest":   func(r *record) { r.highest = 39 },
		"manifest cut short":       func(r *record) { r.manifest = r.manifest[:len(r.manifest)-1] },
	}
	for name, breakIt := range cases {
		t.Run(name, func(t *testing.T) {
			r := goldenRecords()["checkpoint"]
			breakIt(r)
			got, err := decodeRecord("x", r.append(nil))
			if err == nil {
				_, err = got.decodeManifest("x")
			}
			require.ErrorIs(t, err, ErrCorrupt)
			var corrupt *CorruptError
			require.ErrorAs(t, err, &corrupt)
			require.Equal(t, "x", corrupt.Object)
		})
	}
}

func FuzzLogRecord(f *testing.F) {
	for _, r := range goldenRecords() {
		f.Add(r.append(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := decodeRecord("x", b)
		if err != nil {
			return
		}
		again, err := decodeRecord("x", r.append(nil))
		require.NoError(t, err)
		require.Equal(t, r, again)
		_, _ = r.decodeManifest("x")
	})
}

func TestNames(t *testing.T) {
	id := uuid.New()
	task := TaskID{Operator: "my-op-7", Task: 12}
	for _, savepoint := range []bool{false, true} {
		name := objectName("j", Trigger{Checkpoint: 34, Savepoint: savepoint}, task, id, 56)
		require.NoError(t, CheckName(name))
		want := stored{area: areaObject, checkpoint: 34, epoch: 56}
		if savepoint {
			want.area = areaSavepoint
		}
		require.Equal(t, want, parseName("j", name))
		require.Equal(t, stored{}, parseName("k", name))
	}
	require.Equal(t, stored{area: areaLog, slot: 5}, parseName("j", slotName("j", 5)))
	require.Equal(t, stored{area: areaManifest, checkpoint: 5}, parseName("j", savepointManifestName("j", 5)))
	u := id.String()
	for _, name := range []string{
		"", "j", "j/", "j/log", "j/log/5", "j/log/+0000000000000000005", "j/log/" + padded(5) + "/x", "j/log/" + padded(5) + "0",
		"j/objects/5/o-0-" + u + "-1", "j/objects/" + padded(5), "j/objects/" + padded(5) + "/x",
		"j/objects/" + padded(5) + "/o-0-" + u, "j/objects/" + padded(5) + "/o-0-" + u + "-01", "j/objects/" + padded(5) + "/o-0-" + u + "-",
		"j/objects/" + padded(5) + "/" + u + "-1", "j/objects/" + padded(5) + "/manifest", "j/other/" + padded(5) + "/o-0-" + u + "-1",
		"j/savepoints/" + padded(5) + "/manifest/x", "j/savepoints/" + padded(5) + "/manifest2",
	} {
		require.Equal(t, stored{}, parseName("j", name), name)
	}
}
