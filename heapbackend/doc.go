// Package heapbackend holds the keyed state of one task in heap memory, so that a point-in-time view of it costs
// microseconds and a restart from that view costs as little.
//
// # Words
//
// A backend is the keyed state of one task. A state is one named, typed part of it: a Value, a List, a Map, a Reducing
// or an Aggregating for each key, or Timers. A namespace is a second part of a key: a window, say. Every key belongs
// to one key group, and a backend holds a range of them. A capture takes a snapshot: the backend as it was at that
// moment, immutable, readable from any goroutine. To stage a key group is to get it ready, from bytes or from a
// snapshot; to install staged groups is to make them the backend's content. Operator state belongs to the task and not
// to a key: an OperatorList or a Broadcast.
//
// # Model
//
//	Backend[K] ── state "totals" ── key group 0 ── table ── pages of up to 64 entries
//	   │              │             key group 1 ── table ── ...
//	   │              └ ...
//	   ├───────── state "seen"   ── ...
//	   └───────── operator state "partitions" ── elements
//
//	Capture ──> Snapshot ──> AppendGroup ──> bytes ──> StageBlock ─────┐
//	                 └───────────────────────────────> StageSnapshot ──┴──> Install
//
// A state is, for each key group, one hash table made of pages (internal/cow tells how). A capture remembers the
// tables' directories; from then on the first write to a page copies that page, and only while the snapshot is held.
// Taking a group over from a snapshot shares the pages the same way. So capture and takeover depend on the number of
// states and key groups, never on the amount of data.
//
// Timers have an order, so they stand in a tree for each key group instead (internal/timeline), by the same rules: a
// node is copied before its first write after a capture. Due removes timers one by one and yields them in the order of
// their times over all key groups. Timestamps are milliseconds since the Unix epoch.
//
// Register every state, then restore, then work. A state that a restored checkpoint holds and the program has not
// registered is carried, unread, into every later snapshot.
//
// # Namespaces
//
// States are registered in a Scope: the backend, or its Namespaces, in which every kind of state has keys of two
// parts. The first alone decides the key group. Beside the tables of such a state an index holds the namespaces of
// each key, so that they are listed, and merged, without a search.
//
// # Operator state
//
// What a task has to remember apart from any key, such as the partitions it reads, is operator state: a split list,
// whose elements are shared out among the tasks when their number changes; a union list, of which every task gets all
// elements back; a broadcast map, which is the same in every task. In a snapshot it is one more block, numbered M +
// the index of the task, which AppendGroup writes and the Stage methods take like that of a key group (Snapshot.Blocks
// yields all). A restore stages the blocks of all old tasks that OperatorBlocks names, and Install puts this task's
// share together.
//
// # Rules for values
//
// They hold for every kind of state, in namespaces and operator state too. Values without slices, maps and pointers
// need no thought, nor do strings.
//
// What a state is given it copies: Put, Append, Set, Add, what Create, reduce and Migrate functions and a Codec's
// Decode return, and what the function given to Update stores in the value. So the program keeps what it gave, and may
// give it again, and may give what it got, whole or in part, to any key of any state.
//
// What a state gives is shared, with the state and with snapshots, and must not be assigned through: no element of a
// slice or a map of it is set, nothing that a pointer in it leads to, and no method called that does so. Appending is
// no assignment, since no slice that is given has spare capacity, but for what a type with methods of its own keeps in
// unexported fields behind references. What Get returned may change with the next Update of its key; what a view or a
// loop yields, with Updates after the snapshot's release, or the loop's end. Config.CheckValues finds programs that do
// it all the same.
//
// Update, and an Aggregator's Add and Merge, are the way to modify in place. What their functions are given is theirs
// during the call; they keep nothing of it.
//
// A value is the same from every source: from Get at once, from a snapshot that was taken over, from a local copy on
// disk and from a primary copy. What the derived encoding does not keep is taken out when a value enters the state or
// an Update ends:
//
//	time.Time                        comes back in UTC, without the reading of the monotonic clock
//	net.IP                           comes back in its form of 16 bytes, an empty one as nil
//	what a value refers to twice     comes back as two: pointers and slices in a value share nothing
//	spare capacity                   is not kept, but inside the state for the slices of the value itself
//	nil and empty slices and maps    come back as they were, so do -0, NaN, and strings that are no UTF-8
//	a type with methods of its own,  comes back as these make it: what they write, they must read as the same value,
//	  EncodeMsgpack, MarshalMsgpack, in memory that no other value has
//	  MarshalMsg, MarshalBinary or
//	  MarshalText with its other half
//
// Refused at registration (ErrStateType), unless Options.Codec is given: fields tagged `msgpack:"-"` and unexported
// fields, which would be lost (but not blank ones, nor those of a type with methods of its own); big.Float, whose text
// loses its precision; interfaces, functions, channels, complex numbers; map keys with pointers; pointers to what may
// itself be nil. A program's Codec must keep all of a value: nothing is taken out then.
//
// At most MaxDepth structs, arrays, slices and maps are nested in a value. One that is deeper, or holds itself, is
// refused by the write with ErrDepth.
//
// What that costs: nothing for values without references, a conversion for a time. For others
//
//	Get, loops     O(1) and no allocation, as for all values
//	Put and such   O(size of the value): it is copied
//	Update         O(1) where the references that fn leaves are those that were there: in the value itself, or in
//	               structs that its pointers lead to, are slices, maps and pointers behind which are no further
//	               references. One that is new is copied. A slice that fn appends to counts as new only when its
//	               memory is: amortised O(1) for slices of the value itself. What leads to further references, as
//	               [][]int, map[string]*T and a type that is part of itself do, is copied by every Update: use a Map, a
//	               List or a flatter type for what is large. Times behind references make it O(size), too, and so do
//	               slices in exported fields behind references where a type has a codec or a Clone of its own.
//
// Options.Clone, or a Clone method of the type that is copied, replaces the copying; such values are copied only when
// one of the references in the value itself is new. What an Update's function stores deeper must then be no one else's.
//
// # Debug mode
//
// Config.CheckValues, for the tests of a program, finds what no test of results would: values that are right in the
// heap and wrong in a file. Every value that is written is encoded twice, decoded and compared, whatever kind of state
// it goes into; every entry is compared with what was last written when it is written again and at each capture; every
// capture is read back; and every block that is written of a snapshot, or taken over, is compared with what was
// captured. A fault is a CheckError, which matches ErrCheck and names the state, the key group, the kind of fault and
// what to do:
//
//	FaultModified    memory of a value was written to through what Get or a loop returned, or through another key
//	FaultChanged     what comes back is another value: something of it is not written, or is rounded
//	FaultUnsteady    the same value has other bytes each time
//	FaultUnreadable  the codec refuses the value, or its own bytes
//
// The operation that finds one returns it, and the backend refuses further use, the next capture included; what reads a
// snapshot, which may be another's, only returns it. NaN is equal
// to itself. Types with methods of their own are compared to the last unexported field: one that keeps what it does not
// write, a cache say, cannot be checked. Keys need no check: all of a key is written, whatever its methods say.
//
// # Time to live
//
// With Options.TTL the values of a state, the elements of its lists or the entries of its maps expire some time after
// they were last written, or read. What has expired is not returned, is left out of snapshots by the time of their
// capture, and is removed a few entries with each operation. The clock is the program's choice: wall time or a
// watermark. One that is behind, as a watermark is after a restart, makes nothing expire sooner: a write never shortens
// a life.
//
// # Evolution
//
// A checkpoint outlives the program that wrote it. What a state's values are may change from one program to the next,
// and is put right when a key group is read, from a snapshot as from bytes, with the same result:
//
//	fields of structs added, dropped, moved    matched by name; new ones are zero
//	integers of another width or sign          read; one that does not fit is refused
//	float32 to float64                         read
//	anything else about values                 Options.Version counts it, Options.Migrations say how (Migrate)
//	kind, key, map key, namespace              refused: register the state under another name
//
// A version needs no type of its own: the same type in another unit is a new version too. What was written before a
// state had a version is version 0. A checkpoint is read as the version it was written in, by name, and taken through
// one migration after the other; the next checkpoint is of the newest version. Migrations may be dropped when no
// checkpoint of their version is left.
//
// New fields may take 1,024 bytes of memory for each byte that the old struct takes at the least, which leaves out long
// arrays only: bytes that are few must not become memory that is much. Make them slices, or migrate.
//
// What is refused is a *SchemaError with the name of the state, how it is registered, how it was written, what exactly
// changed, and what to do. Nothing is installed then, and a carried state stays carried.
//
// # Concurrency
//
// A backend belongs to one goroutine at a time; use from two at once is detected, most of the time, and makes it refuse
// further use with ErrConcurrent. Snapshots and their views are free to all goroutines, as are StageBlock and
// StageSnapshot. The package starts no goroutine.
//
// # Errors
//
// Nothing panics on bad input. An operation that finds the backend misused (ErrConcurrent, ErrGroup) or at a limit
// (ErrFull) returns the error and makes the backend refuse everything after it, the next Capture included: a program
// may check each operation or only the capture, and can never checkpoint a state that lacks a write.
//
// # Cost
//
// A timer is registered, deleted and removed in O(log timers of its group); asking whether one is due is O(1).
//
// Get, Put, Update, Delete: O(1), one hash and one probe, and for values with references what the rules for values say.
// The first write to a page after a capture copies up to about 4 KiB, or eight entries where those are larger. Capture:
// O(states x key groups). AppendGroup and StageBlock: O(entries of the group). With a TTL each operation reads the
// clock and looks at a few entries more, and a snapshot counts a group once, when it is first asked. Benchmarks beside
// the code print the ratios to Go's own map: go test -bench . ./heapbackend.
package heapbackend
