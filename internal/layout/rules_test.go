package layout

import "strings"

// module is the path of the root module.
const module = "github.com/heapstate/heapstate"

// maxLines is how long a file may be without a reason.
const maxLines = 400

// longBecause are the words that begin the reason of a longer file, in the comment above its package clause.
const longBecause = "long because"

// houses says, for each directory of the top level that holds Go code, which others it may import. A package may
// always import those of its own directory.
var houses = map[string][]string{
	"internal":    {},
	"keygroups":   {},
	"heapbackend": {"keygroups", "internal"},
	"primary":     {"keygroups", "internal"},
	"localcopy":   {"keygroups", "heapbackend", "primary", "internal"},
	"recovery":    {"keygroups", "heapbackend", "primary", "localcopy", "internal"},
	"cmd":         {"keygroups", "heapbackend", "primary", "localcopy", "recovery", "internal"},
	"fuzz":        {"keygroups", "heapbackend", "primary", "localcopy", "recovery", "internal"},
	"examples":    {"keygroups", "heapbackend", "primary", "localcopy", "recovery", "internal"},
	"bench":       {"keygroups", "heapbackend", "primary", "localcopy", "recovery", "internal"},
}

// core are the directories that every user links.
var core = []string{"internal", "keygroups", "heapbackend", "primary", "localcopy", "recovery"}

// topLevel is what else the top level may hold. .git is not part of the tree.
var topLevel = []string{
	"go.mod", "go.sum", "README.md", "LICENSE", "CHANGELOG.md", ".gitignore", "docs", ".ci", ".git",
}

// coreModules are the modules that code of the core may import; docs/decisions says why each is there.
var coreModules = []string{
	"github.com/dgraph-io/ristretto/v2",
	"github.com/google/uuid",
	"github.com/klauspost/compress",
	"github.com/vmihailenco/msgpack/v5",
	"github.com/zeebo/xxh3",
	"golang.org/x/sync",
	"golang.org/x/sys",
}

// belowCoreModules come with those and are imported by them alone.
var belowCoreModules = []string{
	"github.com/cespare/xxhash/v2",
	"github.com/dustin/go-humanize",
	"github.com/klauspost/cpuid/v2",
	"github.com/vmihailenco/tagparser/v2",
}

// testModules are the modules for tests, which other code does not import.
var testModules = []string{
	"github.com/stretchr/testify",
	"go.uber.org/goleak",
	"pgregory.net/rapid",
	"github.com/anishathalye/porcupine",
}

// testPackages are the packages of the standard library for tests.
var testPackages = []string{"testing"}

// suites are the exported conformance suites: code that is for tests though it is not in one.
var suites = []string{"primary/primarytest", "localcopy/localcopytest"}

// barred are the packages of the standard library that the core does without, whoever imports them.
var barred = []string{"C", "expvar", "net/http", "net/rpc", "plugin"}

// vague are words that say nothing about what a package or a file is.
var vague = []string{"util", "utils", "common", "helper", "helpers", "misc"}

// within reports whether an import path or a slash-separated path is root or lies below it.
func within(path, root string) bool {
	rest, ok := strings.CutPrefix(path, root)
	return ok && (rest == "" || rest[0] == '/')
}

// withinAny reports whether path is or lies below one of the roots.
func withinAny(path string, roots []string) bool {
	for _, root := range roots {
		if within(path, root) {
			return true
		}
	}
	return false
}

// house returns the first element of a slash-separated path.
func house(path string) string {
	first, _, _ := strings.Cut(path, "/")
	return first
}
