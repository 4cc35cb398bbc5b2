// Package frame keeps a small msgpack value on its own: the header of an object, a manifest, a record of the commit
// log. Numbers are little-endian.
//
//	 0        8          12        20              20+n        24+n
//	+--------+----------+---------+---------------+-----------+
//	| magic  | version  | n       | n bytes       | CRC-32C   |
//	| 8      | uint32   | uint64  | msgpack       | uint32    |
//	+--------+----------+---------+---------------+-----------+
//
// The checksum is of all that is before it, the version included: a version that this build does not know is believed
// only in a frame that is otherwise whole, so that damage is never taken for a newer format.
package frame
