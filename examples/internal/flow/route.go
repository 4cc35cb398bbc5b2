package flow

import "github.com/heapstate/heapstate/keygroups"

// All is the route of a record that every task gets, one's own included: a
// watermark, say. It stays in order with the records that its source sends to
// each task.
const All = -1

// ByKey returns the route of records with the given key: the task, 0..tasks-1,
// that owns the key group of the key. m and seed have to be those of the
// backends behind the exchange (heapbackend.Config), or a record arrives where
// its key does not belong. The route is safe for concurrent use.
//
// Errors: those of keygroups for an m, a number of tasks or a key type that
// cannot be.
func ByKey[R any, K comparable](key func(R) K, m, tasks int, seed uint64) (func(R) int, error) {
	hasher, err := keygroups.NewHasher[K](seed)
	if err != nil {
		return nil, err
	}
	ranges, err := keygroups.Ranges(m, tasks)
	if err != nil {
		return nil, err
	}
	owner := make([]int, m)
	for task, r := range ranges {
		for group := range r.All() {
			owner[group] = task
		}
	}
	return func(record R) int { return owner[keygroups.Of(hasher.Hash(key(record)), m)] }, nil
}
