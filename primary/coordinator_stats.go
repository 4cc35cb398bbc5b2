package primary

import "time"

// CoordinatorStats counts what a coordinator did since it was opened.
type CoordinatorStats struct {
	// Triggered, Completed and Aborted count checkpoints and savepoints. Failed
	// counts the aborted or overdue ones that speak against the job: timeouts,
	// declines and failed commits of checkpoints.
	Triggered, Completed, Aborted, Failed uint64
	// Pending is how many are under way, FailuresInRow how many failed since the
	// last one that completed.
	Pending, FailuresInRow int
	// Discarded counts acks that were late, fenced or unusable.
	Discarded uint64
	// Deleted counts deleted objects and log slots, DeleteErrors deletions that
	// failed, repetitions included.
	Deleted, DeleteErrors uint64
	// Last is the id of the newest completed checkpoint or savepoint, LastBytes
	// the stored bytes of the segments its manifest lists, LastDuration the time
	// from its trigger to its completion, LastCompletion that moment.
	Last           uint64
	LastBytes      int64
	LastDuration   time.Duration
	LastCompletion time.Time
}

// Stats returns the numbers so far, those before Run included.
func (c *Coordinator) Stats() CoordinatorStats {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.stats
	s.Pending, s.FailuresInRow = len(c.pending), c.failures
	return s
}

func (s *CoordinatorStats) completed(p *pending, m *Manifest, now time.Time) {
	s.Completed++
	s.Last, s.LastDuration, s.LastCompletion = p.Checkpoint, now.Sub(p.began), now
	s.LastBytes = 0
	for i := range m.Operators {
		for j := range m.Operators[i].Tasks {
			for _, g := range m.Operators[i].Tasks[j].Groups {
				for _, seg := range g.Segments {
					s.LastBytes += seg.Length
				}
			}
		}
	}
}
