package event

import "math/bits"

// Prices run over six powers of ten from 100 cents on, evenly in their logarithm.
const (
	pricesPerDecade = 4096
	priceDecades    = 6
	priceSteps      = pricesPerDecade * priceDecades
	priceStep       = 1.000562312602208636618511367810 // 10^(1/4096)
	priceUnit       = 1 << 16                          // of a cent
)

// newPrices returns 100 × 10^(k/4096) cents for k from 0 to 6 × 4096, in units of 1/65536 cent.
func newPrices() []int64 {
	prices := make([]int64, priceSteps+1)
	v := 100.0 * priceUnit
	for k := range prices {
		prices[k] = int64(v)
		// The conversion forbids a fused operation: the table is the same on every platform, which math.Pow does not promise.
		v = float64(v * priceStep)
	}
	return prices
}

// price draws a price in cents, within 100 and 10⁸.
func (g *Generator) price(d *dice) int64 {
	step, rest := bits.Mul64(d.next(), priceSteps)
	low, high := g.prices[step], g.prices[step+1]
	// In a straight line between two entries, which are 0.06 % apart.
	exact := low + (high-low)*int64(rest>>48)>>16
	return (exact + priceUnit/2) / priceUnit
}
