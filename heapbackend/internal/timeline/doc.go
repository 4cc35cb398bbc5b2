// Package timeline is an ordered set of timers, of which a point-in-time view costs nothing until the first write, and then
// one node at a time: a B+ tree beside the table of package cow, on the same clock.
//
// # Words
//
//   - item: a time, a key, and the hash of that key. Items are ordered by time, then by hash, and only where both are equal
//     by what the keys are, so that comparing two of them reads two words.
//   - tree: the items of one key group. Its leaves hold the items in order; an inner node holds for each kid a lower bound
//     of what is below it. The bound of the first kid is never looked at.
//   - kind: what all trees of one state share: the clock, the order of keys and the size of a node.
//   - frozen: a tree as it was at a capture.
//
// # Copy on write
//
// Each node carries the epoch in which it was last written. A write goes down from the root and takes each node on its way
// as cow does with pages: in place if no live view can see it, else a copy takes its place in its parent, which was taken
// before. So a write after a capture copies at most the nodes of one path, and every other write none; with the last view
// released nothing is copied any more. Freezing a tree is taking its root, and so is adopting one: the adopter's space
// counts the epochs of adopted nodes as shared for good (cow.Space.Adopt).
//
// # Shape
//
// A node holds up to 64 items, fewer if they are large, and makes room for 4, 8, 16 and so on as they come. A full node
// splits in halves. But times ascend, more or less, and what is left of a node that splits at its end would stay half empty:
// an item for the last eighth of a node splits off that eighth, and one for the end leaves the node full. The first item goes
// by moving the start of the leaf, not its items. A node of less than a quarter is joined with a neighbour if both together
// leave a quarter free; else it stays until it is empty. (That this is enough: T. Johnson and D. Shasha, "B-trees with inserts
// and deletes: why free-at-empty is better than merge-at-half", 1993.)
//
// # Concurrency
//
// A tree belongs to the goroutine that owns its space. Frozen trees are read, and adopted, from any.
package timeline
