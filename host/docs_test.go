package main_test

import (
	"go/ast"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// document is a Markdown file whose claims the tests hold.
type document struct {
	name string // from the root of the repository
	text string
}

// documents returns every Markdown file of the repository that is not a
// fixture.
func documents(t *testing.T) (list []document) {
	t.Helper()
	err := filepath.WalkDir("..", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != ".." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || d.Name() == "node_modules" || d.Name() == "bin"):
			return filepath.SkipDir
		case d.IsDir() || filepath.Ext(name) != ".md":
			return nil
		}
		text, err := os.ReadFile(name)
		list = append(list, document{filepath.ToSlash(strings.TrimPrefix(name, "../")), string(text)})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// read returns a file, by its name from the root of the repository.
func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile("../" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestREADMEIsShort: a stranger reads the README to its end. What needs more
// room has a document of its own in host/docs.
func TestREADMEIsShort(t *testing.T) {
	if n := strings.Count(read(t, "README.md"), "\n"); n > 250 {
		t.Errorf("README.md has %d lines, at most 250: move what is for later to host/docs", n)
	}
}

var (
	fence    = regexp.MustCompile("(?ms)^```.*?^```$")
	code     = regexp.MustCompile("`[^`\n]*`")
	link     = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	headline = regexp.MustCompile(`(?m)^#+ (.*)$`)
)

// TestLinks: every link of a document to a file of the repository, and to a
// heading in one, leads somewhere.
func TestLinks(t *testing.T) {
	docs := documents(t)
	anchors := map[string][]string{}
	for _, doc := range docs {
		for _, h := range headline.FindAllStringSubmatch(fence.ReplaceAllString(doc.text, ""), -1) {
			anchors[doc.name] = append(anchors[doc.name], anchor(h[1]))
		}
	}
	for _, doc := range docs {
		for _, m := range link.FindAllStringSubmatch(code.ReplaceAllString(fence.ReplaceAllString(doc.text, ""), ""), -1) {
			if strings.Contains(m[1], "://") || strings.HasPrefix(m[1], "mailto:") {
				continue
			}
			file, part, ok := strings.Cut(m[1], "#")
			to := doc.name
			if file != "" {
				to = path.Join(path.Dir(doc.name), file)
			}
			if _, err := os.Stat("../" + to); err != nil {
				t.Errorf("%s: link to %s: there is no such file", doc.name, m[1])
			} else if ok && !slices.Contains(anchors[to], part) {
				t.Errorf("%s: link to %s: %s has no such heading", doc.name, m[1], to)
			}
		}
	}
}

// anchor is what a heading's link is called on the usual forges.
func anchor(heading string) string {
	drop := func(r rune) rune {
		switch {
		case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
			return unicode.ToLower(r)
		case r == ' ':
			return '-'
		}
		return -1
	}
	return strings.Map(drop, heading)
}

// TestRationaleIndex: the index at the top of RATIONALE.md names every question.
func TestRationaleIndex(t *testing.T) {
	text := read(t, "host/RATIONALE.md")
	for _, h := range regexp.MustCompile(`(?m)^## (Why .*)$`).FindAllStringSubmatch(text, -1) {
		if entry := "[" + h[1] + "](#" + anchor(h[1]) + ")"; !strings.Contains(text, entry) {
			t.Errorf("host/RATIONALE.md: put this question under its package in the index:\n  - %s", entry)
		}
	}
}

// TestOperationsNamesMetrics, of what the host exports.
func TestOperationsNamesMetrics(t *testing.T) {
	metric := regexp.MustCompile(`"(host_[a-z_]+)"`)
	doc := read(t, "host/docs/operations.md")
	for _, p := range packages(t) {
		if p.path != full("observe") {
			continue
		}
		for _, f := range p.code() {
			for _, m := range metric.FindAllStringSubmatch(f.text, -1) {
				if !strings.Contains(doc, "`"+m[1]+"`") {
					t.Errorf("%s: host/docs/operations.md does not say what %s counts", f.name, m[1])
				}
			}
		}
	}
}

// TestConfigurationNamesKeys: the document has every key, and the README every
// section and flag.
func TestConfigurationNamesKeys(t *testing.T) {
	key := regexp.MustCompile(`toml:"([a-z_]+)`)
	section := regexp.MustCompile(`(?m)^	[A-Z][A-Za-z]* .*toml:"([a-z_]+)"`)
	flag := regexp.MustCompile(`Var\(&f\.[A-Za-z]+, "([a-z-]+)"`)
	doc, readme := read(t, "host/docs/configuration.md"), read(t, "README.md")
	for _, p := range packages(t) {
		if p.path != full("config") {
			continue
		}
		for _, f := range p.code() {
			for _, m := range key.FindAllStringSubmatch(f.text, -1) {
				if !regexp.MustCompile(`\b` + m[1] + `\b`).MatchString(doc) {
					t.Errorf("%s: host/docs/configuration.md does not have the key %s", f.name, m[1])
				}
			}
		}
	}
	config, _, _ := strings.Cut(read(t, "host/internal/config/config.go"), "\n}\n")
	sections := section.FindAllStringSubmatch(config, -1)
	flags := flag.FindAllStringSubmatch(read(t, "host/internal/cli/flags.go"), -1)
	if len(sections) < 10 || len(flags) < 10 {
		t.Fatalf("found %d sections and %d flags: look for them elsewhere", len(sections), len(flags))
	}
	for _, m := range sections {
		if !strings.Contains(readme, "["+m[1]+"]") {
			t.Errorf("README.md does not name the section [%s]", m[1])
		}
	}
	for _, m := range flags {
		if !strings.Contains(readme, "`--"+m[1]+"`") {
			t.Errorf("README.md does not name the flag --%s", m[1])
		}
	}
}

// TestArchitectureNamesPackages: ARCHITECTURE.md says what every package does, and
// names none that is gone.
func TestArchitectureNamesPackages(t *testing.T) {
	inside, named := full(""), map[string]bool{}
	text := read(t, "host/ARCHITECTURE.md")
	for _, row := range regexp.MustCompile(`(?m)^\| .*$`).FindAllString(text, -1) {
		for _, m := range regexp.MustCompile("`([a-z0-9/]+)`").FindAllStringSubmatch(row, -1) {
			named[m[1]] = true
		}
	}
	for _, p := range packages(t) {
		if name, ok := strings.CutPrefix(p.path, inside); ok && !named[name] {
			t.Errorf("host/ARCHITECTURE.md: put `%s` into the table of its wing", name)
		} else {
			delete(named, name)
		}
	}
	for name := range named {
		t.Errorf("host/ARCHITECTURE.md names `%s`, which is no package", name)
	}
}

// TestArchitectureNamesFunctions: every step of a walk, written `file.go: Func` or
// `file.go: Type.Method`, is there.
func TestArchitectureNamesFunctions(t *testing.T) {
	known := map[string]bool{}
	for _, p := range packages(t) {
		for _, f := range p.code() {
			for _, d := range f.ast.Decls {
				if fn, ok := d.(*ast.FuncDecl); ok {
					known[f.name+": "+receiver(fn)+fn.Name.Name] = true
				}
			}
		}
	}
	steps := regexp.MustCompile("`([a-z0-9_/]+\\.go: [A-Za-z0-9_.]+)`").FindAllStringSubmatch(read(t, "host/ARCHITECTURE.md"), -1)
	if len(steps) < 20 {
		t.Errorf("host/ARCHITECTURE.md names %d functions: its walks are gone", len(steps))
	}
	for _, m := range steps {
		if !known["host/internal/"+m[1]] {
			t.Errorf("host/ARCHITECTURE.md: there is no %s: mend the walk", m[1])
		}
	}
}

// receiver returns "Type." of a method, and nothing of a function.
func receiver(fn *ast.FuncDecl) string {
	if fn.Recv == nil {
		return ""
	}
	typ := fn.Recv.List[0].Type
	for {
		switch x := typ.(type) {
		case *ast.StarExpr:
			typ = x.X
		case *ast.IndexExpr:
			typ = x.X
		case *ast.Ident:
			return x.Name + "."
		default:
			return ""
		}
	}
}

// TestLocksExist: LOCKS.md names locks, as package.Type.field, that are there.
func TestLocksExist(t *testing.T) {
	fields := map[string][]string{} // by package.Type
	for _, p := range packages(t) {
		for _, f := range p.code() {
			ast.Inspect(f.ast, func(n ast.Node) bool {
				typ, ok := n.(*ast.TypeSpec)
				if !ok {
					return true
				}
				if s, ok := typ.Type.(*ast.StructType); ok {
					name := path.Base(p.path) + "." + typ.Name.Name
					for _, field := range s.Fields.List {
						for _, n := range field.Names {
							fields[name] = append(fields[name], n.Name)
						}
					}
				}
				return true
			})
		}
	}
	lock := regexp.MustCompile(`([a-z][a-z0-9]*)\.([A-Za-z]+)\.([a-zA-Z]+)`)
	found := 0
	for line := range strings.SplitSeq(read(t, "host/LOCKS.md"), "\n") {
		if !strings.HasPrefix(line, "    ") {
			continue
		}
		for _, m := range lock.FindAllStringSubmatch(line, -1) {
			if found++; !slices.Contains(fields[m[1]+"."+m[2]], m[3]) {
				t.Errorf("host/LOCKS.md: there is no lock %s: %s", m[0], strings.TrimSpace(line))
			}
		}
	}
	if found < 50 {
		t.Errorf("host/LOCKS.md names %d locks, want the whole order", found)
	}
}

// TestDocumentsNameFilesAndTests: a path and a test that CONTRIBUTING.md,
// SECURITY.md or a document of host/docs names is there.
func TestDocumentsNameFilesAndTests(t *testing.T) {
	tests := map[string]bool{}
	for _, p := range packages(t) {
		for _, f := range p.files {
			for _, d := range f.ast.Decls {
				if fn, ok := d.(*ast.FuncDecl); ok && f.test() {
					tests[fn.Name.Name] = true
				}
			}
		}
	}
	file := regexp.MustCompile("`((?:host|sdk|plugins|examples)/[a-zA-Z0-9_/.]+)`")
	test := regexp.MustCompile(`\b((?:Test|Benchmark)[A-Z][A-Za-z0-9]*)`)
	for _, doc := range documents(t) {
		if doc.name != "CONTRIBUTING.md" && doc.name != "SECURITY.md" && path.Dir(doc.name) != "host/docs" {
			continue
		}
		for _, m := range file.FindAllStringSubmatch(doc.text, -1) {
			if _, err := os.Stat("../" + m[1]); err != nil {
				t.Errorf("%s: there is no %s", doc.name, m[1])
			}
		}
		for _, m := range test.FindAllStringSubmatch(doc.text, -1) {
			if !tests[m[1]] {
				t.Errorf("%s: there is no %s", doc.name, m[1])
			}
		}
	}
}
