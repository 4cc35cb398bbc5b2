package event

import "math/bits"

// dice are random numbers: SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014). Any value is a
// good beginning, and the numbers are the same on every platform.
type dice uint64

func (d *dice) next() uint64 {
	*d += 0x9e3779b97f4a7c15
	return mix(uint64(*d))
}

// below returns an even number in [0, n). n > 0; the bias is below n/2⁶⁴.
func (d *dice) below(n int64) int64 {
	high, _ := bits.Mul64(d.next(), uint64(n))
	return int64(high)
}

// mix is the output function of SplitMix64: one to one, and every bit depends on all.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// pick returns one of the values.
func pick(d *dice, values []string) string { return values[d.below(int64(len(values)))] }

// cut returns n bytes of the text, which is longer than that, without a copy.
func cut(d *dice, text string, n int64) string {
	begin := d.below(int64(len(text)) - n)
	return text[begin : begin+n]
}
