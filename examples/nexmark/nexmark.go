package main

import (
	"github.com/heapstate/heapstate/examples/nexmark/internal/answer"
	"github.com/heapstate/heapstate/examples/nexmark/internal/batch"
	"github.com/heapstate/heapstate/examples/nexmark/internal/event"
	"github.com/heapstate/heapstate/examples/nexmark/internal/queries"
	"github.com/heapstate/heapstate/examples/nexmark/internal/query"
)

// nexmark is what this program runs.
func nexmark() *query.Program[event.Event] {
	return &query.Program[event.Event]{
		Queries: queries.All(),
		Input: func(s query.Settings) (query.Input[event.Event], error) {
			g, err := event.New(config(s))
			if err != nil {
				return nil, err
			}
			return auctions{g}, nil
		},
		Answer: func(number int, s query.Settings) (map[string]string, error) {
			g, err := event.New(config(s))
			if err != nil {
				return nil, err
			}
			return batch.Answer(answer.Query(number), g.All())
		},
		Final: func(number int, upserts map[string]string) (map[string]string, error) {
			return answer.Final(answer.Query(number), upserts)
		},
	}
}
