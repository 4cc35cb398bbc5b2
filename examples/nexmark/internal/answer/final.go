package answer

import (
	"fmt"
	"maps"
)

// Final makes the answer of all facts that were set, in O(n). The facts stay as they are. An error wraps [ErrFact] and names the query: a fact
// of queries 4, 5 and 7 could not be read, or there is no such query.
func Final(q Query, facts map[string]string) (map[string]string, error) {
	switch q {
	case Q4:
		return averages(facts)
	case Q5:
		return highest(q, facts, func(value string) (n int64, ok bool) {
			ok = split(value, &n)
			return n, ok
		})
	case Q7:
		return highest(q, facts, func(value string) (price int64, ok bool) {
			var auction, bidder int64
			ok = split(value, &price, &auction, &bidder)
			return price, ok
		})
	case Q3, Q8, Q11, Q12, Q18:
		return maps.Clone(facts), nil
	}
	return nil, fmt.Errorf("%w: %v", ErrFact, q)
}

// averages makes averages of categories of closed auctions.
func averages(facts map[string]string) (map[string]string, error) {
	type total struct{ sum, count int64 }
	totals := map[int64]total{}
	for _, value := range facts {
		var category, price int64
		if !split(value, &category, &price) {
			return nil, fmt.Errorf("%w: %v", ErrFact, Q4)
		}
		t := totals[category]
		totals[category] = total{t.sum + price, t.count + 1}
	}
	output := make(map[string]string, len(totals))
	for category, t := range totals {
		CategoryAverage(category, t.sum, t.count).Set(output)
	}
	return output, nil
}

// highest keeps the facts with the greatest size of their window, which is the first field of the key.
func highest(q Query, facts map[string]string, size func(value string) (int64, bool)) (map[string]string, error) {
	greatest := map[int64]int64{}
	measure := func(key, value string) (window, n int64, err error) {
		var other int64
		n, ok := size(value)
		if !split(key, &window, &other) || !ok {
			return 0, 0, fmt.Errorf("%w: %v", ErrFact, q)
		}
		return window, n, nil
	}
	for key, value := range facts {
		window, n, err := measure(key, value)
		if err != nil {
			return nil, err
		}
		if before, ok := greatest[window]; !ok || n > before {
			greatest[window] = n
		}
	}
	output := map[string]string{}
	for key, value := range facts {
		window, n, err := measure(key, value)
		if err != nil {
			return nil, err
		}
		if n == greatest[window] {
			output[key] = value
		}
	}
	return output, nil
}
