// Package cow is the table that keyed state rests on: a hash table of pages, of which a point-in-time view costs nothing
// until the first write, and then one page at a time.
//
// # Words
//
//   - slot: room for one key and its value. group: eight slots and a control word, one byte for each slot, which is 0x80
//     for an empty slot or the tag (7 bits of the hash) of what it holds.
//   - page: a header, 1 to 8 groups, and the epoch in which the page was last written.
//   - directory: which page a hash belongs to. It is cut into segments of 256 pointers.
//   - table: a directory and its pages. One state has a table for each key group.
//   - space: the clock that the tables of one backend share. epoch: a tick of it; each capture begins a new one.
//   - view: the right to read everything as it was at the end of an epoch. A page is shared while a live view sees it.
//   - frozen: a table's directory as it was at a capture.
//   - pool: makes the pages of one state's tables, and keeps those that nobody sees any more.
//
// # Memory
//
//	directory bits 0..d-1                                     page (here 2 groups)
//	┌──────────┐    ┌────────────┐    ┌─────────────────────────────────────────────────────────┐
//	│ segments │ ─> │ 256 pages  │ ─> │ epoch count depth │ ctrl 0 │ ctrl 1 │ owned │ 16 slots  │
//	└──────────┘    └────────────┘    └─────────────────────────────────────────────────────────┘
//
//	hash:  63 ........ 48 │ 47 ............ 23 │ 22 ........ 7 │ 6 ... 0
//	       the key group  │ directory (25)     │ home (16)     │ tag
//
// Header and control words share one or two cache lines, so a look-up touches the directory, that line, and one slot.
// A key lives in its home group or, if that was full, in the next one around the page that had room; a look-up stops at
// the first group with an empty slot. A full page becomes a larger one up to 8 groups, and then splits in two by one more
// bit of the hash (extendible hashing: R. Fagin, J. Nievergelt, N. Pippenger, H. R. Strong, 1979; the control bytes are
// those of Abseil's Swiss tables). Pages of the same type and size are one Go type, so the collector knows which hold
// pointers: pages of plain numbers are never scanned.
//
// # A capture and what follows
//
// Space.Capture ends the epoch, and Table.Freeze copies the directory's header: the root slice, not what it points to.
// The next write to a page finds that the page's epoch is not the current one, and asks whether a view can see it:
//
//	page.epoch == epoch            written since the capture: write in place
//	page.epoch >  newest live view nobody sees it: stamp it with the epoch, write in place
//	otherwise                      copy it, put the copy into the directory, write there
//
// The directory itself is copied the same way: the root with the first page replaced, a segment with its first page
// replaced. So no single write pays for more than one page, one segment and one root.
//
// A page that was replaced goes to the dead list of the newest view at that time. When that view is released the list
// moves to limbo, whole; later allocations take pages out of it, a few at a time, and give those that an older live view
// can still see to that view's list. So a release costs nothing, and the copying after the next capture goes into pages
// that are already mapped and warm. What is idle beyond the need of the last two intervals is dropped, chunk by chunk.
//
// # Adoption
//
// A table becomes what a frozen one was by taking its directory over: O(1). The pages may be shared with the space they
// came from and with other adopters, so Space.Adopt pins the view for as long as the adopting space lives, raises the
// space's clock above the view's, and sets its floor there: a page at or below the floor is copied before it is written
// and is never recycled, since only the collector knows who else holds it. Views of the adopting space pin what it has
// pinned, and so on down any chain of restores.
//
// # Deletes
//
// A slot becomes empty again at once. If its group had been full, entries of the page may have passed through it on the
// way to where they are; then the page, at most 64 entries, is rebuilt. A page with two groups to spare shrinks; two
// pages that one bit set apart merge when they fit well into one; the directory halves when no page needs its last bit.
//
// # References in values
//
// A copied page shares what its values refer to with the original. For such types a page has an owned word with a bit
// for each slot: set when the value was inserted, or handed out for writing, since the page was copied. Upsert reports a
// clear bit, and the caller then clones that one value.
//
// # Concurrency
//
// A space, its tables and pools belong to one goroutine. Frozen tables are read from any. View.Retain and View.Release
// may be called from any goroutine: a release is put on a list under a mutex, which the owner empties before it decides
// what is shared. That order, release before reuse, is what makes recycling safe for readers.
//
// # Limits
//
// Keys whose hashes agree in all of the low 48 bits share a page, which grows to 8192 entries and then refuses with
// ErrFull. Only keys chosen with knowledge of the seed get there.
package cow
