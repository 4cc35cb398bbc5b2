package keygroups

import "errors"

// The decisions a caller can take. Every error of this package wraps at least
// one of them; the text around it carries the numbers or the type, never a key.
var (
	// ErrMaxParallelism: M is below 1 or above Max.
	ErrMaxParallelism = errors.New("keygroups: max parallelism out of range")

	// ErrParallelism: a parallelism is below 1, or above the max parallelism.
	ErrParallelism = errors.New("keygroups: parallelism out of range")

	// ErrTask: a task index is outside 0..parallelism-1.
	ErrTask = errors.New("keygroups: task out of range")

	// ErrGroup: a key group is outside 0..M-1.
	ErrGroup = errors.New("keygroups: key group out of range")

	// ErrNilKey: a nil interface was given where a key is needed.
	ErrNilKey = errors.New("keygroups: nil key")

	// ErrKeyType: the key's type has no canonical encoding.
	ErrKeyType = errors.New("keygroups: unsupported key type")
)
