package keygroups

import (
	"fmt"
	"math/bits"
)

// Max is the largest max parallelism, and so the largest number of key groups
// a job can have.
const Max = 32768

// minDefault is the smallest max parallelism that DefaultMax chooses.
const minDefault = 128

// Of returns the key group, 0..m-1, of a key with the given hash:
// floor(hash*m / 2^64), one multiplication and no division. It depends on the
// most significant bits of the hash, so that the low bits stay free for a table.
//
// The caller has validated m, once, with Ranges or DefaultMax: an m outside
// 1..Max does not panic, but what it returns means nothing.
func Of(hash uint64, m int) int {
	group, _ := bits.Mul64(hash, uint64(m))
	return int(group)
}

// DefaultMax returns the max parallelism for a job that names none: one and a
// half times its parallelism, rounded up to a power of two, at least 128 and at
// most Max. It is Flink's choice, to the number.
//
// A parallelism outside 1..Max is ErrParallelism.
func DefaultMax(parallelism int) (int, error) {
	if parallelism < 1 || parallelism > Max {
		return 0, fmt.Errorf("%w: %d is not in 1..%d", ErrParallelism, parallelism, Max)
	}
	wanted := parallelism + parallelism/2
	power := 1 << bits.Len(uint(wanted-1))
	return min(max(power, minDefault), Max), nil
}

// TaskOf returns the task, 0..p-1, that owns a key group when m key groups are
// shared by p tasks: floor(group*p / m), the inverse of RangeOf.
//
// Errors: ErrMaxParallelism, ErrParallelism, and ErrGroup for a group outside
// 0..m-1.
func TaskOf(m, p, group int) (int, error) {
	if err := validate(m, p); err != nil {
		return 0, err
	}
	if group < 0 || group >= m {
		return 0, fmt.Errorf("%w: %d is not in 0..%d", ErrGroup, group, m-1)
	}
	return group * p / m, nil
}

// validate reports every fault of a pair of max parallelism and parallelism.
func validate(m, p int) error {
	badMax, badParallelism := m < 1 || m > Max, p < 1 || p > max(m, 1)
	switch {
	case badMax && p < 1:
		return fmt.Errorf("%w: %d is not in 1..%d; %w: %d is below 1", ErrMaxParallelism, m, Max, ErrParallelism, p)
	case badMax:
		return fmt.Errorf("%w: %d is not in 1..%d", ErrMaxParallelism, m, Max)
	case badParallelism:
		return fmt.Errorf("%w: %d is not in 1..%d", ErrParallelism, p, m)
	}
	return nil
}
