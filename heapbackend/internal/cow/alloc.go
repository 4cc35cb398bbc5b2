package cow

// Pages of each size are types of their own, so that the collector knows what they hold: a page without pointers is
// never scanned.
type (
	page1[K comparable, V any] struct {
		header
		words [1 + 1]uint64
		slots [1 * slotsPerGroup]slot[K, V]
	}
	page2[K comparable, V any] struct {
		header
		words [2 + 1]uint64
		slots [2 * slotsPerGroup]slot[K, V]
	}
	page3[K comparable, V any] struct {
		header
		words [3 + 1]uint64
		slots [3 * slotsPerGroup]slot[K, V]
	}
	page4[K comparable, V any] struct {
		header
		words [4 + 1]uint64
		slots [4 * slotsPerGroup]slot[K, V]
	}
	page5[K comparable, V any] struct {
		header
		words [5 + 1]uint64
		slots [5 * slotsPerGroup]slot[K, V]
	}
	page6[K comparable, V any] struct {
		header
		words [6 + 1]uint64
		slots [6 * slotsPerGroup]slot[K, V]
	}
	page7[K comparable, V any] struct {
		header
		words [7 + 1]uint64
		slots [7 * slotsPerGroup]slot[K, V]
	}
	page8[K comparable, V any] struct {
		header
		words [8 + 1]uint64
		slots [8 * slotsPerGroup]slot[K, V]
	}
	page16[K comparable, V any] struct {
		header
		words [16 + 1]uint64
		slots [16 * slotsPerGroup]slot[K, V]
	}
	page64[K comparable, V any] struct {
		header
		words [64 + 1]uint64
		slots [64 * slotsPerGroup]slot[K, V]
	}
	page256[K comparable, V any] struct {
		header
		words [256 + 1]uint64
		slots [256 * slotsPerGroup]slot[K, V]
	}
	page1024[K comparable, V any] struct {
		header
		words [1024 + 1]uint64
		slots [1024 * slotsPerGroup]slot[K, V]
	}
)

// newPage allocates a page of n groups, where n is 1 to 8, 16, 64, 256 or 1024.
func newPage[K comparable, V any](n uint16) *header {
	var h *header
	switch n {
	case 1:
		h = &new(page1[K, V]).header
	case 2:
		h = &new(page2[K, V]).header
	case 3:
		h = &new(page3[K, V]).header
	case 4:
		h = &new(page4[K, V]).header
	case 5:
		h = &new(page5[K, V]).header
	case 6:
		h = &new(page6[K, V]).header
	case 7:
		h = &new(page7[K, V]).header
	case 8:
		h = &new(page8[K, V]).header
	case 16:
		h = &new(page16[K, V]).header
	case 64:
		h = &new(page64[K, V]).header
	case 256:
		h = &new(page256[K, V]).header
	default:
		h = &new(page1024[K, V]).header
		n = maxGroups
	}
	h.groups = n
	return h
}

// larger returns the next page size above n groups, 0 above the largest.
func larger(n, most uint16) uint16 {
	switch {
	case n < most:
		return n + 1
	case n < 16:
		return 16
	case n < maxGroups:
		return n * 4
	}
	return 0
}
