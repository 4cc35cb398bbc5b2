// Package keygroups says who owns a key: the stable hash of a key, its key group,
// and the range of key groups of each task.
package keygroups
