package primary

import "fmt"

// Compression says how the blocks of an object are stored.
type Compression uint8

// The compressions. Their numbers are part of the format.
const (
	// S2 is the S2 stream format: the fastest, and the default.
	S2 Compression = 0
	// Zstd is one zstd frame per block: smaller, about a third of S2's speed.
	Zstd Compression = 1
	// None stores blocks as they are.
	None Compression = 2
)

// String returns "s2", "zstd" or "none", or the number of an unknown value.
func (c Compression) String() string {
	switch c {
	case S2:
		return "s2"
	case Zstd:
		return "zstd"
	case None:
		return "none"
	}
	return fmt.Sprintf("compression(%d)", uint8(c))
}

func (c Compression) valid() bool { return c <= None }
