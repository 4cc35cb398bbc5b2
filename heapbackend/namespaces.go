package heapbackend

import (
	"cmp"
	"fmt"
	"iter"
	"math/bits"

	"github.com/heapstate/heapstate/keygroups"
)

// NamespacedKey is a key and a namespace: a window, a session, a tenant. Its key group is that of Key, so everything a
// backend holds for one key is in one task, whatever the namespace.
type NamespacedKey[K, N comparable] struct {
	Key       K
	Namespace N
}

// In returns the key k in namespace n, as states of Namespaces take it.
func In[K, N comparable](k K, n N) NamespacedKey[K, N] { return NamespacedKey[K, N]{k, n} }

// Namespaces is a Scope of a backend: a state registered in it holds something for each key in each namespace, and
// knows which namespaces a key has. It costs nothing itself; states of one backend may be in several, and in none.
//
// Finding, reading and writing an entry costs what it costs without namespaces. The first write of a key in a
// namespace and the removal write an index as well, which takes a second entry for each key, and a small table for a
// key in more than one namespace.
type Namespaces[K, N comparable] struct {
	of     scopeOf[NamespacedKey[K, N]]
	key    keygroups.Hasher[K]
	spaces keyCodec[N]
}

// NamespacesOf returns the scope of a backend in which keys have a namespace of type N, which may be what a key may be:
//
//	windows, err := heapbackend.NamespacesOf[Window](backend)
//	counts, err := heapbackend.NewValue[int](windows, "counts")
//	err = counts.Update(heapbackend.In(user, window), func(n *int) { *n++ })
//
// Errors: keygroups.ErrKeyType and ErrStateType for a type that cannot be a key.
func NamespacesOf[N, K comparable](b *Backend[K]) (*Namespaces[K, N], error) {
	h, err := keygroups.NewHasher[N](b.cfg.Seed)
	if err != nil {
		return nil, fmt.Errorf("heapbackend: namespace: %w", err)
	}
	n := &Namespaces[K, N]{key: b.hasher}
	if n.spaces, err = newKeyCodec(h); err != nil {
		return nil, err
	}
	// What the keys are made of refers to no backend, since pages that others adopt lead to it.
	parts, order := &Namespaces[K, N]{key: n.key, spaces: n.spaces}, b.keys.order
	keys := keyCodec[NamespacedKey[K, N]]{locate: parts.locate}
	if err := keys.init(); err != nil {
		return nil, err
	}
	if b.keys.equal != nil || n.spaces.equal != nil {
		keys.equal = func(a, b NamespacedKey[K, N]) bool {
			return parts.key.Equal(a.Key, b.Key) && parts.spaces.same(a.Namespace, b.Namespace)
		}
	}
	keys.order = func(a, c NamespacedKey[K, N]) int {
		return cmp.Or(order(a.Key, c.Key), parts.spaces.order(a.Namespace, c.Namespace))
	}
	n.of = scopeOf[NamespacedKey[K, N]]{core: &b.core, keys: keys, keyType: b.keyType, namespace: h.Type()}
	n.of.index = func() index[NamespacedKey[K, N]] {
		return newSpaceIndex(&b.core, b.keys, n.spaces, b.groups(), b.cfg.Range.First)
	}
	return n, nil
}

func (n *Namespaces[K, N]) scope() *scopeOf[NamespacedKey[K, N]] { return &n.of }

// locate places a key in the table of its key group by both parts. The hash of both is never written anywhere.
func (n *Namespaces[K, N]) locate(k NamespacedKey[K, N]) (group, hash uint64) {
	group = n.key.Hash(k.Key)
	high, low := bits.Mul64(group^0x9e3779b97f4a7c15, n.spaces.hasher.Hash(k.Namespace)^0xd1b54a32d192ed03)
	return group, high ^ low ^ group
}

// State is a state, or a view of one in a snapshot, without its value type.
type State[K comparable] interface {
	// Name is the name the state is registered under.
	Name() string
	// Keys is the number of keys it holds something for.
	Keys() int
	// held calls look once with the index of the state's keys, nil if it has none, unless that cannot be read. If look
	// reports true what it saw stays as it is until release is called.
	held(look func(index any) (hold bool)) (release func())
	// has reports whether a key that the index knows is in the state.
	has(k K) bool
	// owner is the backend it belongs to.
	owner() *core
}

// Of yields the namespaces in which a state holds something for a key, in no order, as they were when the loop began;
// the loop's body may write. s is a state of n's backend, registered with namespaces of this type, or a view of one; of
// any other it yields nothing. O(namespaces yielded). About a page of namespaces at most is copied for the loop; during
// a loop over more than that writes to the backend copy pages, as after a capture.
func (n *Namespaces[K, N]) Of(s State[NamespacedKey[K, N]], k K) iter.Seq[N] {
	return func(yield func(N) bool) {
		if s.owner() != n.of.core {
			return
		}
		var all iter.Seq[N]
		release := s.held(func(index any) (hold bool) {
			all, hold = namesIn[K, N](index, k)
			return hold
		})
		defer release()
		if all == nil {
			return
		}
		all(func(space N) bool { return !s.has(In(k, space)) || yield(space) })
	}
}

// namesIn returns the namespaces of a key in an index, nil if there are none, to be gone through once; and whether that
// is to be held meanwhile.
func namesIn[K, N comparable](index any, k K) (all iter.Seq[N], hold bool) {
	switch x := index.(type) {
	case *spaceIndex[K, N]:
		return x.list(k)
	case *frozenSpaces[K, N]:
		if set := x.get(k); set != nil {
			all := *set
			return all.each, true
		}
	}
	return nil, false
}

// Mergeable is a state of which what two keys hold can be made one: List, Reducing and Aggregating.
type Mergeable[K comparable] interface {
	State[K]
	// merge adds what from holds to what into holds, and removes from.
	merge(into, from K) error
}

// Merge moves what a state holds for a key in the namespaces from to namespace into: lists are concatenated in the
// order given, after what into holds; reducing and aggregating states are combined. It is what happens when session
// windows meet. A namespace that holds nothing adds nothing, one that is named twice adds once, and into itself is
// left as it is. With a TTL what has expired is not moved, and what is moved keeps its stamp unless it is combined.
//
// Errors as Value.Put; ErrMismatch for a state of another backend; and ErrConfig, after which the backend refuses
// further use, for an Aggregator without Merge. O(namespaces), plus for lists O(elements moved).
func (n *Namespaces[K, N]) Merge(s Mergeable[NamespacedKey[K, N]], k K, into N, from ...N) error {
	if s.owner() != n.of.core {
		return fmt.Errorf("%w: state %q is another backend's", ErrMismatch, s.Name())
	}
	for _, f := range from {
		if n.spaces.same(f, into) {
			continue
		}
		if err := s.merge(In(k, into), In(k, f)); err != nil {
			return err
		}
	}
	return n.of.core.Err()
}
