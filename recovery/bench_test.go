package recovery

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/heapbackend"
	"github.com/heapstate/heapstate/localcopy"
)

// BenchmarkAdvance is the cost of a record that no checkpoint is due at.
func BenchmarkAdvance(b *testing.B) {
	task := &Task{ctx: b.Context()}
	b.ReportAllocs()
	var o int64
	for b.Loop() {
		o++
		if err := task.Advance(b.Context(), o); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkAdoption is a whole restore, plan included, from a heap copy.
func BenchmarkAdoption(b *testing.B) {
	for _, n := range []int{10_000, 1_000_000} {
		b.Run(fmt.Sprintf("entries=%d", n), func(b *testing.B) {
			cfg := heapbackend.Config{M: 128, Range: rng(0, 128), Seed: 1}
			from, err := heapbackend.New[uint64](cfg)
			require.NoError(b, err)
			v, err := heapbackend.NewValue[int64](from, "v")
			require.NoError(b, err)
			for k := range uint64(n) {
				require.NoError(b, v.Put(k, 1))
			}
			f := &fixture{store: newFaultStore()}
			f.snapshot, err = from.Capture()
			require.NoError(b, err)
			defer f.snapshot.Release()
			f.manifest = f.write(b, 5)
			source, c := f.copy(LetterHeap, sound)
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				into, err := heapbackend.New[uint64](cfg)
				require.NoError(b, err)
				_, err = heapbackend.NewValue[int64](into, "v")
				require.NoError(b, err)
				b.StartTimer()
				plan, err := MakePlan(Want{Job: "j", Operator: "o", M: 128, Seed: 1, Range: rng(0, 128)}, f.manifest, []LocalSource{source})
				require.NoError(b, err)
				_, err = Restore(b.Context(), RestoreConfig{Backend: into, Plan: plan, Locals: []localcopy.Copy{c}})
				require.NoError(b, err)
				b.StopTimer()
				require.NoError(b, into.Close())
				b.StartTimer()
			}
		})
	}
}
