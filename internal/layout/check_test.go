package layout

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
)

// tree is a source tree under examination.
type tree struct {
	files    fs.FS
	problems []string
	packages map[string]*pkg // by directory
	nested   []string        // directories of nested modules
	ignored  []string        // patterns of names at the top level that are not part of the tree
}

// pkg is what the rules want to know of one package directory.
type pkg struct {
	name    string // of the package, of its first file that is not an external test
	comment string // above the package clause of its doc.go
	hasDoc  bool
}

// check returns everything in the tree that breaks a rule, in a stable order.
func check(files fs.FS) ([]string, error) {
	t := &tree{files: files, packages: map[string]*pkg{}}
	t.readIgnored()
	if err := t.checkTop(); err != nil {
		return nil, err
	}
	if err := fs.WalkDir(files, ".", t.visit); err != nil {
		return nil, err
	}
	for _, dir := range slices.Sorted(maps.Keys(t.packages)) {
		t.checkDoc(dir, t.packages[dir])
	}
	slices.Sort(t.problems)
	return t.problems, nil
}

func (t *tree) report(format string, args ...any) {
	t.problems = append(t.problems, fmt.Sprintf(format, args...))
}

// readIgnored reads the patterns of .gitignore that name files of the top level: built programs and profiles.
func (t *tree) readIgnored() {
	b, err := fs.ReadFile(t.files, ".gitignore")
	if err != nil {
		return // a tree without one ignores nothing
	}
	for line := range strings.Lines(string(b)) {
		line = strings.TrimPrefix(strings.TrimSpace(line), "/")
		if line != "" && !strings.HasPrefix(line, "#") && !strings.Contains(line, "/") {
			t.ignored = append(t.ignored, line)
		}
	}
}

func (t *tree) checkTop() error {
	entries, err := fs.ReadDir(t.files, ".")
	if err != nil {
		return err
	}
	for _, e := range entries {
		_, isHouse := houses[e.Name()]
		matches := func(pattern string) bool { ok, _ := path.Match(pattern, e.Name()); return ok }
		switch {
		case isHouse && e.IsDir(), slices.Contains(topLevel, e.Name()):
		case !e.IsDir() && slices.ContainsFunc(t.ignored, matches):
		default:
			t.report("%s: not allowed at the top level", e.Name())
		}
	}
	return nil
}

func (t *tree) visit(name string, e fs.DirEntry, err error) error {
	if err != nil {
		return err
	}
	if e.IsDir() {
		base := e.Name()
		if name != "." && (base == "testdata" || base == "vendor" || base[0] == '.' || base[0] == '_') {
			return fs.SkipDir
		}
		if _, err := fs.Stat(t.files, path.Join(name, "go.mod")); err == nil && name != "." {
			t.nested = append(t.nested, name)
		}
		return nil
	}
	if path.Ext(name) != ".go" {
		return nil
	}
	src, err := fs.ReadFile(t.files, name)
	if err != nil {
		return err
	}
	return t.checkFile(name, src)
}

func (t *tree) checkFile(name string, src []byte) error {
	file, err := parser.ParseFile(token.NewFileSet(), name, src, parser.ImportsOnly|parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	dir := path.Dir(name)
	p := t.packages[dir]
	if p == nil {
		p = &pkg{}
		t.packages[dir] = p
	}
	if n := file.Name.Name; !strings.HasSuffix(n, "_test") && p.name == "" {
		p.name = n
	}
	if path.Base(name) == "doc.go" {
		p.hasDoc, p.comment = true, file.Doc.Text()
	}
	t.checkNames(name, file.Name.Name)
	t.checkLength(name, src, file)
	for _, spec := range file.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		t.checkImport(name, imported)
	}
	return nil
}

func (t *tree) checkNames(name, pkg string) {
	words := strings.FieldsFunc(strings.TrimSuffix(path.Base(name), ".go"), func(r rune) bool { return r == '_' })
	for _, word := range append(words, pkg) {
		if slices.Contains(vague, word) {
			t.report("%s: %q says nothing about what it is", name, word)
		}
	}
}

func (t *tree) checkLength(name string, src []byte, file *ast.File) {
	lines := bytes.Count(src, []byte("\n"))
	if lines <= maxLines || ast.IsGenerated(file) {
		return
	}
	for _, c := range file.Comments {
		if c.Pos() < file.Package && strings.Contains(strings.Join(strings.Fields(c.Text()), " "), longBecause) {
			return
		}
	}
	t.report("%s: %d lines, more than %d, and the comment above its package clause does not say %q", name, lines, maxLines, longBecause)
}

// checkImport applies the rules of one import by one file.
func (t *tree) checkImport(name, imported string) {
	from, isTest := house(name), strings.HasSuffix(name, "_test.go")
	forTests := isTest || withinAny(path.Dir(name), suites)
	if !forTests && (withinAny(imported, testPackages) || withinAny(imported, testModules)) {
		t.report("%s: imports %s, which is for tests", name, imported)
		return
	}
	if within(imported, module) {
		to := strings.TrimPrefix(strings.TrimPrefix(imported, module), "/")
		t.checkOurs(name, from, to, forTests)
		return
	}
	if !slices.Contains(core, from) || withinAny(name, t.nested) {
		return
	}
	isStd := !strings.Contains(house(imported), ".")
	switch {
	case withinAny(imported, barred):
		t.report("%s: imports %s, which the core does without", name, imported)
	case !isStd && !withinAny(imported, coreModules) && !(forTests && withinAny(imported, testModules)):
		t.report("%s: imports %s, which is not a module of the core", name, imported)
	}
}

// checkOurs applies the rules of an import of one of our own packages, given by its directory.
func (t *tree) checkOurs(name, from, to string, forTests bool) {
	allowed, known := houses[from]
	switch {
	case !known:
		t.report("%s: Go code outside of the known directories", name)
	case house(to) != from && !slices.Contains(allowed, house(to)):
		t.report("%s: %s must not import %s", name, from, to)
	case !forTests && withinAny(to, suites):
		t.report("%s: imports %s, which is for tests", name, to)
	}
}

func (t *tree) checkDoc(dir string, p *pkg) {
	comment := strings.TrimSpace(p.comment)
	switch {
	case !p.hasDoc:
		t.report("%s: no doc.go", dir)
	case comment == "":
		t.report("%s: doc.go has no package comment", dir)
	case p.name != "main" && !strings.HasPrefix(comment, "Package "+p.name+" "):
		t.report("%s: the package comment does not begin with \"Package %s\"", dir, p.name)
	}
}
