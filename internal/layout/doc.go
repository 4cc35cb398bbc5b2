// Package layout holds no code: its tests keep the shape of the source tree.
//
// # The house
//
//	keygroups <─ heapbackend <─ localcopy <─ recovery <─ cmd
//	    ^            ^             │  ^          │
//	    └─ primary <─┴─────────────┘  └──────────┴─ fuzz, examples, bench
//
// Arrows point at what is imported; internal/ may be imported by everything above keygroups and imports nothing but
// itself. Nobody imports cmd, fuzz, examples or bench.
//
// # The rules
//
//   - Imports go downward only, in tests too.
//   - The top level holds what is listed in rules_test.go, and nothing else.
//   - The core (keygroups, heapbackend, primary, localcopy, recovery, internal) uses no module that is not listed there
//     with its reason in docs/decisions, and no net/http, itself or through others. Code for a broker or a cloud store
//     is a module of its own, nested in the package it belongs to.
//   - Code that is not a test imports no package for testing, except the exported conformance suites, which only tests
//     import.
//   - Every package has a doc.go with the package comment, which begins as godoc wants it.
//   - No package or file is named util, common or helpers.
//   - A file of more than 400 lines says why: the comment above its package clause has the words "long because".
//
// The rules read the source of every platform and build tag. They are tried against small trees that break each of them.
package layout
