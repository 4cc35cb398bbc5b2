package query

// Settings say what the input is. The same settings are the same input, event for event.
type Settings struct {
	Events int64  // how many, over all partitions
	Seed   uint64 // of everything random in them
	Rate   int    // events per second of processing time, which spaces them out; no limit on how fast they are read
}

// Program is everything the harness has to know of what it runs.
type Program[E any] struct {
	Queries []Query[E]
	// Input opens the input.
	Input func(Settings) (Input[E], error)
	// Answer is the answer to a query over the whole input, found without any of what is being tried here.
	Answer func(number int, s Settings) (map[string]string, error)
	// Final makes the answer to a query of all its upserts, the last one under each key; it may change the map.
	Final func(number int, upserts map[string]string) (map[string]string, error)
}

// Find returns a query by its number, nil if there is none.
func (p *Program[E]) Find(number int) *Query[E] {
	for i := range p.Queries {
		if p.Queries[i].Number == number {
			return &p.Queries[i]
		}
	}
	return nil
}

// Input is a fixed number of partitions, the same for every number of tasks. It is safe for concurrent use.
type Input[E any] interface {
	// Partitions is how many there are.
	Partitions() int
	// Reader returns a reader of a partition, in [0, Partitions()), at a position that a Reader returned; 0 is the beginning.
	Reader(partition int, position int64) (Reader[E], error)
}

// Reader reads one partition. One goroutine owns it. What it shows is a function of the position alone.
type Reader[E any] interface {
	// Next returns the next event, and false at the end.
	Next() (E, bool)
	// Position is how many events of the partition are before the next one.
	Position() int64
	// Watermark is a time below which no further event of the partition happened. It never goes back, is math.MinInt64 when nothing is
	// known and math.MaxInt64 after the last event.
	Watermark() int64
	// Processing is a time below which no further event of the partition arrives; otherwise as Watermark.
	Processing() int64
}
