package main

import "github.com/heapstate/heapstate/examples/nexmark/internal/query"

// nexmark is what this program runs.
func nexmark() *query.Program[struct{}] { return &query.Program[struct{}]{} }
