// Package vfs is the seam between this module and the file system: a small
// interface over one directory tree, an implementation on os.Root, and a wrapper
// that injects faults.
//
// # Model
//
// An [FS] is one directory tree; nothing it is asked for is outside of it, and
// names are slash-separated and relative to its root. Files are created new
// (never over an existing one, never through a symbolic link) and opened only if
// they are regular files. What is durable is said explicitly: File.Sync for the
// bytes of a file, SyncDir for the names in a directory.
//
// [Inject] wraps an FS with a hook that is asked before every operation and can
// let it pass, fail it, delay it, hang it, cut a write short, or let it happen
// and then report a failure. Packages above test their failure handling by
// failing every operation in turn.
//
// # Concurrency
//
// FS and File are safe for concurrent use, except that writes to one File belong
// to one goroutine.
//
// # Errors
//
// Errors are those of package os: errors.Is with fs.ErrExist, fs.ErrNotExist and
// fs.ErrPermission works. [ErrNotRegular], [ErrLocked] and
// errors.ErrUnsupported are the others a caller may test for.
package vfs
