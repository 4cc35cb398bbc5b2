package state

import "path/filepath"

// Job is the name of the job, which is what its checkpoints are found by.
const Job = "wordcount"

// Layout names the places in a directory.
type Layout struct{ Dir string }

// Primary is where the checkpoints are.
func (l Layout) Primary() string { return filepath.Join(l.Dir, "primary") }

// Local is where the local copies are.
func (l Layout) Local() string { return filepath.Join(l.Dir, "local") }

// Spool is where standard input is kept.
func (l Layout) Spool() string { return filepath.Join(l.Dir, "spool") }

// Result is where the tasks leave their counts.
func (l Layout) Result() string { return filepath.Join(l.Dir, "result") }

func (l Layout) marker() string { return filepath.Join(l.Dir, "wordcount.json") }
func (l Layout) lock() string   { return filepath.Join(l.Dir, "lock") }
