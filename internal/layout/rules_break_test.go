package layout

import (
	"maps"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

// sound is a small tree that breaks no rule.
func sound() fstest.MapFS {
	files := fstest.MapFS{}
	for name, src := range map[string]string{
		"go.mod":                          "module " + module + "\n",
		"README.md":                       "",
		".gitignore":                      "# built\n/wordcount\n*.prof\n",
		"cpu.prof":                        "",
		"wordcount":                       "",
		".git/HEAD":                       "",
		"keygroups/doc.go":                "// Package keygroups is small.\npackage keygroups\n",
		"keygroups/hash.go":               imports("keygroups", "hash/crc32", "github.com/zeebo/xxh3"),
		"internal/wire/doc.go":            "// Package wire is small.\npackage wire\n",
		"heapbackend/doc.go":              "// Package heapbackend is small.\npackage heapbackend\n",
		"heapbackend/table.go":            imports("heapbackend", module+"/keygroups", module+"/heapbackend/internal/cow", module+"/internal/wire"),
		"heapbackend/internal/cow/doc.go": "// Package cow is small.\npackage cow\n",
		"primary/doc.go":                  "// Package primary is small.\npackage primary\n",
		"primary/store_test.go":           imports("primary_test", "testing", "github.com/stretchr/testify/require", module+"/primary/primarytest"),
		"primary/primarytest/doc.go":      "// Package primarytest is small.\npackage primarytest\n",
		"primary/primarytest/suite.go":    imports("primarytest", "testing", "github.com/stretchr/testify/require", module+"/primary"),
		"primary/s3/go.mod":               "module " + module + "/primary/s3\n",
		"primary/s3/doc.go":               "// Package s3 is small.\npackage s3\n",
		"primary/s3/store.go":             imports("s3", "net/http", "gocloud.dev/blob", module+"/primary"),
		"localcopy/doc.go":                "// Package localcopy is small.\npackage localcopy\n",
		"localcopy/file.go":               imports("localcopy", module+"/primary", module+"/heapbackend", module+"/keygroups"),
		"recovery/doc.go":                 "// Package recovery is small.\npackage recovery\n",
		"recovery/plan.go":                imports("recovery", module+"/localcopy", module+"/primary"),
		"recovery/long.go":                "// This file is long\n// because it is one table.\n\npackage recovery\n" + strings.Repeat("\n", maxLines),
		"fuzz/doc.go":                     "// Package fuzz is small.\npackage fuzz\n",
		"fuzz/fuzz_test.go":               imports("fuzz", "testing", module+"/recovery"),
		"fuzz/testdata/broken.go":         "package util; import \"net/http\"",
		"examples/count/doc.go":           "// Count is a program.\npackage main\n",
		"examples/count/main.go":          imports("main", "net/http", "github.com/some/bar", module+"/recovery", module+"/examples/internal/flow"),
		"examples/internal/flow/doc.go":   "// Package flow is small.\npackage flow\n",
		"cmd/heapstate/doc.go":            "// Heapstate is a program.\npackage main\n",
		"bench/doc.go":                    "// Bench is a program.\npackage main\n",
	} {
		files[name] = &fstest.MapFile{Data: []byte(src)}
	}
	return files
}

// imports is a source file with those imports.
func imports(name string, paths ...string) string {
	var b strings.Builder
	b.WriteString("package " + name + "\n\nimport (\n")
	for _, p := range paths {
		b.WriteString("\t\"" + p + "\"\n")
	}
	b.WriteString(")\n")
	return b.String()
}

func TestSoundTreePasses(t *testing.T) {
	problems, err := check(sound())
	require.NoError(t, err)
	require.Empty(t, problems)
}

// TestEveryBrokenRuleIsReported breaks the sound tree in one place at a time.
func TestEveryBrokenRuleIsReported(t *testing.T) {
	for _, tt := range []struct {
		name, file, src string
		want            string // part of the one problem
	}{
		{"keygroups imports internal", "keygroups/a.go", imports("keygroups", module+"/internal/wire"), "keygroups must not import internal/wire"},
		{"keygroups imports upward", "keygroups/a.go", imports("keygroups", module+"/recovery"), "keygroups must not import recovery"},
		{"a test imports upward", "keygroups/a_test.go", imports("keygroups_test", module+"/heapbackend"), "keygroups must not import heapbackend"},
		{"heapbackend imports primary", "heapbackend/a.go", imports("heapbackend", module+"/primary"), "heapbackend must not import primary"},
		{"below heapbackend too", "heapbackend/internal/cow/a.go", imports("cow", module+"/localcopy"), "heapbackend must not import localcopy"},
		{"primary imports heapbackend", "primary/a.go", imports("primary", module+"/heapbackend"), "primary must not import heapbackend"},
		{"localcopy imports recovery", "localcopy/a.go", imports("localcopy", module+"/recovery"), "localcopy must not import recovery"},
		{"internal imports a package of the house", "internal/wire/a.go", imports("wire", module+"/keygroups"), "internal must not import keygroups"},
		{"somebody imports fuzz", "recovery/a.go", imports("recovery", module+"/fuzz"), "recovery must not import fuzz"},
		{"somebody imports an example", "fuzz/a_test.go", imports("fuzz", module+"/examples/count"), "fuzz must not import examples/count"},
		{"an example imports fuzz", "examples/count/a.go", imports("main", module+"/fuzz"), "examples must not import fuzz"},
		{"somebody imports the command", "examples/count/a.go", imports("main", module+"/cmd/heapstate"), "examples must not import cmd/heapstate"},
		{"somebody imports the benchmarks", "cmd/heapstate/a.go", imports("main", module+"/bench"), "cmd must not import bench"},
		{"a platform's file is read too", "keygroups/a_plan9.go", "//go:build plan9\n\n" + imports("keygroups", module+"/primary"), "keygroups must not import primary"},
		{"somebody imports the root", "recovery/a.go", imports("recovery", module), "recovery must not import "},

		{"unknown directory at the top", "engine/README.md", "", "engine: not allowed at the top level"},
		{"unknown file at the top", "notes.txt", "", "notes.txt: not allowed at the top level"},
		{"the name of a house as a file", "cmd2", "", "cmd2: not allowed at the top level"},

		{"a broker in the core", "recovery/a.go", imports("recovery", "github.com/nats-io/nats.go"), "github.com/nats-io/nats.go, which is not a module of the core"},
		{"a cloud SDK in the core", "primary/a.go", imports("primary", "gocloud.dev/blob/s3blob"), "not a module of the core"},
		{"a cloud SDK in a test of the core", "primary/a_test.go", imports("primary", "gocloud.dev/blob/s3blob"), "not a module of the core"},
		{"a path that only begins like an allowed one", "primary/a.go", imports("primary", "github.com/google/uuids"), "not a module of the core"},
		{"net/http in the core", "localcopy/a.go", imports("localcopy", "net/http/httputil"), "net/http/httputil, which the core does without"},
		{"cgo in the core", "heapbackend/a.go", imports("heapbackend", "C"), "C, which the core does without"},

		{"testing in production code", "heapbackend/a.go", imports("heapbackend", "testing"), "testing, which is for tests"},
		{"testing's own packages", "internal/wire/a.go", imports("wire", "testing/synctest"), "testing/synctest, which is for tests"},
		{"testify in an example", "examples/count/a.go", imports("main", "github.com/stretchr/testify/require"), "testify/require, which is for tests"},
		{"rapid in production code", "recovery/a.go", imports("recovery", "pgregory.net/rapid"), "pgregory.net/rapid, which is for tests"},
		{"production code imports a suite", "primary/a.go", imports("primary", module+"/primary/primarytest"), "primary/primarytest, which is for tests"},
		{"a name like a suite's is not one", "primary/storetest/doc.go", "// Package storetest is small.\npackage storetest\nimport \"testing\"\n", "testing, which is for tests"},

		{"no doc.go", "internal/vfs/a.go", "// Package vfs is small.\npackage vfs\n", "internal/vfs: no doc.go"},
		{"no package comment", "keygroups/doc.go", "package keygroups\n", "keygroups: doc.go has no package comment"},
		{"a detached comment", "keygroups/doc.go", "// Package keygroups is small.\n\npackage keygroups\n", "keygroups: doc.go has no package comment"},
		{"a comment about something else", "keygroups/doc.go", "// Package keys is small.\npackage keygroups\n", "does not begin with \"Package keygroups\""},

		{"a package of helpers", "internal/helpers/doc.go", "// Package helpers is small.\npackage helpers\n", "\"helpers\" says nothing"},
		{"a file of utilities", "recovery/plan_util.go", "package recovery\n", "\"util\" says nothing"},
		{"a long file", "recovery/a.go", "// Something else.\npackage recovery\n" + strings.Repeat("\n", maxLines), "recovery/a.go: 402 lines"},
		{"a long file with the words below", "recovery/a.go", "package recovery\n\n// long because of this\n" + strings.Repeat("\n", maxLines), "recovery/a.go: 403 lines"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			files := maps.Clone(sound())
			files[tt.file] = &fstest.MapFile{Data: []byte(tt.src)}
			problems, err := check(files)
			require.NoError(t, err)
			require.NotEmpty(t, problems)
			for _, p := range problems {
				require.Contains(t, p, tt.want)
			}
		})
	}
}

func TestGoSourceThatDoesNotParseIsAnError(t *testing.T) {
	files := sound()
	files["recovery/a.go"] = &fstest.MapFile{Data: []byte("package")}
	_, err := check(files)
	require.Error(t, err)
}

// TestLinkedModulesAreFollowed gives linkProblems graphs that are wrong somewhere below the core.
func TestLinkedModulesAreFollowed(t *testing.T) {
	type mod = struct{ Path string }
	ours, uuid, other := &mod{module}, &mod{"github.com/google/uuid"}, &mod{"example.com/broker"}
	for _, tt := range []struct {
		name     string
		packages []listed
		want     []string
	}{
		{"nothing wrong", []listed{
			{ImportPath: module + "/primary", Module: ours, Imports: []string{"github.com/google/uuid", "net", "unsafe"}},
			{ImportPath: module + "/primary/primarytest", Module: ours, Imports: []string{"testing"}},
			{ImportPath: "github.com/google/uuid", Module: uuid},
			{ImportPath: "net", Standard: true, Imports: []string{"net/http"}},
			{ImportPath: "net/http", Standard: true},
			{ImportPath: "testing", Standard: true},
		}, nil},
		{"a dependency of a dependency", []listed{
			{ImportPath: module + "/primary", Module: ours, Imports: []string{"github.com/google/uuid"}},
			{ImportPath: "github.com/google/uuid", Module: uuid, Imports: []string{"example.com/broker/client"}},
			{ImportPath: "example.com/broker/client", Module: other},
		}, []string{"module example.com/broker is linked: " + module + "/primary -> github.com/google/uuid -> example.com/broker/client"}},
		{"net/http through a dependency", []listed{
			{ImportPath: module + "/recovery", Module: ours, Imports: []string{"github.com/google/uuid"}},
			{ImportPath: "github.com/google/uuid", Module: uuid, Imports: []string{"net/http"}},
			{ImportPath: "net/http", Standard: true},
		}, []string{"net/http is linked: " + module + "/recovery -> github.com/google/uuid -> net/http"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			packages := map[string]listed{}
			for _, p := range tt.packages {
				packages[p.ImportPath] = p
			}
			require.Equal(t, tt.want, linkProblems(packages))
		})
	}
}
