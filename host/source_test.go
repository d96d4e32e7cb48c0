package main_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

const (
	module   = "idlehost"
	maxLines = 600       // of a file that is not a test
	maxTest  = 1000      // of a test
	maxBytes = 200 << 10 // of anything in the repository
)

// pkg is one folder with Go files, whatever their build constraints.
type pkg struct {
	path  string // import path
	files []*source
}

type source struct {
	name string // from the root of the module
	text string
	fset *token.FileSet
	ast  *ast.File
}

func (f *source) test() bool { return strings.HasSuffix(f.name, "_test.go") }

func (f *source) generated() bool { return ast.IsGenerated(f.ast) }

// code returns the files that are not tests.
func (p *pkg) code() []*source {
	return slices.DeleteFunc(slices.Clone(p.files), (*source).test)
}

// packages parses the module once: every Go file, so that a rule holds on the
// platforms that this test does not run on.
func packages(t *testing.T) []*pkg {
	t.Helper()
	list, err := parseModule()
	if err != nil {
		t.Fatal(err)
	}
	return list
}

var parseModule = sync.OnceValues(func() (list []*pkg, err error) {
	byDir := map[string]*pkg{}
	err = filepath.WalkDir("..", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != ".." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || d.Name() == "node_modules"):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(name, ".go"):
			return nil
		}
		f, err := parseFile(name)
		if err != nil {
			return err
		}
		dir := path.Dir(f.name)
		if byDir[dir] == nil {
			byDir[dir] = &pkg{path: path.Join(module, dir)}
			list = append(list, byDir[dir])
		}
		byDir[dir].files = append(byDir[dir].files, f)
		return nil
	})
	return list, err
})

func parseFile(name string) (*source, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	f := &source{text: string(text), fset: token.NewFileSet()}
	f.name = filepath.ToSlash(strings.TrimPrefix(name, ".."+string(filepath.Separator)))
	f.ast, err = parser.ParseFile(f.fset, name, text, parser.ParseComments|parser.SkipObjectResolution)
	return f, err
}

func TestPackageDocs(t *testing.T) {
	for _, p := range packages(t) {
		files := p.code()
		if len(files) == 0 {
			files = p.files
		}
		var with []string
		for _, f := range files {
			if f.ast.Doc != nil {
				with = append(with, f.name)
			}
		}
		if len(with) != 1 {
			t.Errorf("package %s: %d files have a package doc %v, want exactly one", p.path, len(with), with)
		}
	}
}

func TestPackageNames(t *testing.T) {
	vague := regexp.MustCompile(`^(utils?|common|helpers?|managers?|base|misc|shared)$`)
	for _, p := range packages(t) {
		if vague.MatchString(path.Base(p.path)) {
			t.Errorf("package %s: the name says nothing; a package is a noun that its callers say", p.path)
		}
		for _, f := range p.code() {
			if vague.MatchString(strings.TrimSuffix(path.Base(f.name), ".go")) {
				t.Errorf("%s: the name says nothing; a file is one noun", f.name)
			}
		}
	}
}

func TestFileLengths(t *testing.T) {
	for _, p := range packages(t) {
		for _, f := range p.files {
			limit := maxLines
			if f.test() {
				limit = maxTest
			}
			if n := strings.Count(f.text, "\n"); n > limit && !f.generated() {
				t.Errorf("%s: %d lines, at most %d: split it by noun", f.name, n, limit)
			}
		}
	}
}

// TestExits: only a main package and cli end the process or print by log.
func TestExits(t *testing.T) {
	prints := regexp.MustCompile(`^log\.(Print|Fatal|Panic|Set)`)
	for _, p := range packages(t) {
		for _, f := range p.code() {
			if f.ast.Name.Name == "main" || p.path == full("cli") {
				continue
			}
			for _, c := range f.calls() {
				if strings.HasPrefix(c, "os.Exit ") || prints.MatchString(c) {
					t.Errorf("%s: calls %s: return an error, main decides", f.name, c)
				}
			}
		}
	}
}

// TestNoInit: nothing happens before main. A guest has no main that runs: it
// registers itself.
func TestNoInit(t *testing.T) {
	for _, p := range packages(t) {
		if within(p.path, module+"/examples") {
			continue
		}
		for _, f := range p.code() {
			for _, d := range f.ast.Decls {
				if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
					t.Errorf("%s: has an init function", f.name)
				}
			}
		}
	}
}

// TestNoRealSleep: time passes in bubbles. A test that waits for the world
// polls a condition with a deadline. A benchmark's load has a pace.
func TestNoRealSleep(t *testing.T) {
	for _, p := range packages(t) {
		if within(p.path, module+"/host/bench") {
			continue
		}
		for _, f := range p.files {
			if !f.test() || slices.Contains(f.imports(), "testing/synctest") {
				continue
			}
			for _, c := range f.calls() {
				if strings.HasPrefix(c, "time.Sleep ") {
					t.Errorf("%s: calls %s outside a synctest bubble", f.name, c)
				}
			}
		}
	}
}

// TestOneSwitchForLongTests: what a test does less of, or not at all, is told by
// longtest alone, so that `make test-long` finds it.
func TestOneSwitchForLongTests(t *testing.T) {
	for _, p := range packages(t) {
		for _, f := range p.files {
			for _, c := range f.calls() {
				if strings.HasPrefix(c, "testing.Short ") {
					t.Errorf("%s: calls %s: ask host/longtest", f.name, c)
				}
			}
		}
	}
}

// TestNoMarkers: the tree holds whole things.
func TestNoMarkers(t *testing.T) {
	marker := regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X)\b`)
	for _, p := range packages(t) {
		for _, f := range p.files {
			for i, line := range strings.Split(f.text, "\n") {
				if marker.MatchString(line) {
					t.Errorf("%s:%d: %s: do it, or write an issue", f.name, i+1, strings.TrimSpace(line))
				}
			}
		}
	}
}

func TestRepositoryFileSizes(t *testing.T) {
	cmd := exec.Command("git", "ls-files", "-z")
	cmd.Dir = ".."
	out, err := cmd.Output()
	if err != nil {
		t.Skip("not a git work tree, or no git")
	}
	for name := range strings.SplitSeq(strings.Trim(string(out), "\x00"), "\x00") {
		info, err := os.Lstat(filepath.Join("..", name))
		if err == nil && info.Size() > maxBytes {
			t.Errorf("%s: %d bytes, at most %d belong into the repository", name, info.Size(), maxBytes)
		}
	}
}
