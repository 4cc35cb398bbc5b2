package recovery

import (
	"context"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/heapbackend"
	"github.com/heapstate/heapstate/keygroups"
	"github.com/heapstate/heapstate/primary"
)

// A task that overlooks what its backend says has not done its work, however well it says it ended, and under the
// default restart strategy too.
func TestJobFailsWhenATaskReturnsNilWithABrokenBackend(t *testing.T) {
	hash, err := keygroups.NewHasher[uint64](testSeed)
	require.NoError(t, err)
	type backend = heapbackend.Backend[uint64]
	type value = heapbackend.Value[uint64, int64]
	for name, tt := range map[string]struct {
		end  func(b *backend, v *value, foreign uint64)
		want error
	}{
		"a key of another task": {func(_ *backend, v *value, foreign uint64) { _ = v.Put(foreign, 1) }, heapbackend.ErrGroup},
		"closed":                {func(b *backend, _ *value, _ uint64) { _ = b.Close() }, heapbackend.ErrClosed},
		"a panic in its last operation": {func(b *backend, v *value, _ uint64) {
			own := uint64(0)
			for !b.Config().Range.Contains(b.Group(own)) {
				own++
			}
			defer func() { _ = recover() }()
			_ = v.Update(own, func(x *int64) { *x = 1; panic("half done") })
		}, heapbackend.ErrConcurrent},
	} {
		for _, every := range []time.Duration{0, time.Hour, time.Millisecond} {
			t.Run(name+"/"+every.String(), func(t *testing.T) {
				cfg := Config{Name: "j", Tasks: 2, M: testM, Seed: testSeed, Primary: primary.NewMemory(), Every: every}
				job, err := NewJob(cfg)
				require.NoError(t, err)
				err = job.Run(t.Context(), func(ctx context.Context, task *Task) error {
					b, err := heapbackend.For[uint64](task)
					if err != nil {
						return err
					}
					v, err := heapbackend.NewValue[int64](b, "sums")
					if err != nil {
						return err
					}
					if _, err := task.Restore(ctx); err != nil {
						return err
					}
					foreign := uint64(0)
					for task.Range().Contains(keygroups.Of(hash.Hash(foreign), testM)) {
						foreign++
					}
					tt.end(b, v, foreign)
					return nil
				})
				require.ErrorIs(t, err, tt.want)
				te := new(TaskError)
				require.ErrorAs(t, err, &te)
				require.Equal(t, 1, te.Attempts)
			})
		}
	}
}

// exiting ends the goroutine that stages a block.
type exiting struct{ heapbackend.AnyBackend }

func (exiting) StageBlock([]byte, int, []byte) (*heapbackend.Staged, error) {
	runtime.Goexit()
	return nil, nil
}

func TestRestoreFailsWhenADecoderEndsItsGoroutine(t *testing.T) {
	f := newFixture(t)
	b, _ := f.backend(t)
	for _, workers := range []int{1, 4} {
		cfg := f.config(t, exiting{b}, nil, nil)
		cfg.Parallelism = workers
		_, err := Restore(t.Context(), cfg)
		require.ErrorIs(t, err, ErrGoexit)
		require.Equal(t, Blameless, Judge(err))
	}
}
