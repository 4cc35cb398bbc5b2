package layout

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// root returns the directory of the module.
func root(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	require.NoError(t, err)
	for {
		b, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if first, _, _ := bytes.Cut(b, []byte("\n")); err == nil && strings.TrimSpace(string(first)) == "module "+module {
			return dir
		}
		parent := filepath.Dir(dir)
		require.NotEqual(t, parent, dir, "not within module %s", module)
		dir = parent
	}
}

func TestTreeKeepsTheRules(t *testing.T) {
	problems, err := check(os.DirFS(root(t)))
	require.NoError(t, err)
	for _, p := range problems {
		t.Error(p)
	}
}

// TestWhatTheCoreLinks follows the imports of the core's packages, on this platform, into the modules they come from.
func TestWhatTheCoreLinks(t *testing.T) {
	args := []string{"list", "-deps", "-json=ImportPath,Imports,Standard,Module"}
	for _, dir := range core {
		args = append(args, "./"+dir+"/...")
	}
	for _, p := range linkProblems(goList(t, args...)) {
		t.Error(p)
	}
}

// listed is a package as go list describes it.
type listed struct {
	ImportPath string
	Imports    []string
	Standard   bool
	Module     *struct{ Path string }
}

// goList runs the go command that runs the tests; it needs no network where the tests were built.
func goList(t *testing.T, args ...string) map[string]listed {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = root(t)
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=readonly")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, stderr.String())
	packages := map[string]listed{}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		err := d.Decode(&p)
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		packages[p.ImportPath] = p
	}
	require.Contains(t, packages, module+"/keygroups")
	return packages
}

// linkProblems returns what a user of the core would link and must not, each with the path of imports to it.
func linkProblems(packages map[string]listed) (problems []string) {
	reached := map[string]string{} // by import path, how it was reached
	var follow func(path, how string)
	follow = func(path, how string) {
		if _, ok := reached[path]; ok {
			return
		}
		how = strings.TrimPrefix(how+" -> "+path, " -> ")
		reached[path] = how
		p, ok := packages[path]
		if !ok {
			return // "C" and "unsafe"
		}
		ours := p.Module != nil && p.Module.Path == module
		switch {
		case withinAny(path, barred), withinAny(path, testPackages):
			problems = append(problems, fmt.Sprintf("%s is linked: %s", path, how))
			return
		case p.Module != nil && !ours && !withinAny(p.Module.Path, coreModules) && !withinAny(p.Module.Path, belowCoreModules):
			problems = append(problems, fmt.Sprintf("module %s is linked: %s", p.Module.Path, how))
			return
		case p.Standard:
			return // what it needs is its own affair
		}
		for _, imported := range p.Imports {
			follow(imported, how)
		}
	}
	for path := range packages {
		dir, ours := strings.CutPrefix(path, module+"/")
		if ours && slices.Contains(core, house(dir)) && !withinAny(dir, suites) {
			follow(path, "")
		}
	}
	slices.Sort(problems)
	return slices.Compact(problems)
}
