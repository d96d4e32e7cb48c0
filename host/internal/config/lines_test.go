package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
)

func TestKeyLines(t *testing.T) {
	doc := strings.Join([]string{
		"# comment = 1",                      // 1
		"top = 'x' # trailing",               // 2
		"a.b.\"c d\" = [ # open",             // 3
		"  1, # one",                         // 4
		"  [2, 3],",                          // 5
		"]",                                  // 6
		"text = \"\"\"one",                   // 7
		"not = a key",                        // 8
		"escaped \\\"\"\" still in",          // 9
		"end\"\"\"\"\"",                      // 10
		"raw = '''",                          // 11
		"[no header]",                        // 12
		"'''",                                // 13
		"[[l]]",                              // 14
		"x = { y = \"}\", z.w = 1 }",         // 15
		"[l.sub]",                            // 16
		"k = 1",                              // 17
		"[[l]] # second",                     // 18
		"[[l.tls]]",                          // 19
		"c = 2",                              // 20
		"[[ l . tls ]]",                      // 21
		"c = 3",                              // 22
		"\"\\u0061b\" = 1979-05-27 07:32:00", // 23
	}, "\r\n")
	got := keyLines(doc)
	for path, line := range map[string]int{
		"top": 2, "a": 3, "a.b": 3, `a.b."c d"`: 3, `a.b."c d"[0]`: 4, `a.b."c d"[1]`: 5, `a.b."c d"[1][1]`: 5,
		"text": 7, "raw": 11, "l": 14, "l[0]": 14, "l[0].x.y": 15, "l[0].x.z.w": 15, "l[0].sub.k": 17,
		"l[1]": 18, "l[1].tls[0].c": 20, "l[1].tls[1]": 21, "l[1].tls[1].c": 22, "l[1].tls[1].ab": 23,
	} {
		if got[path] != line {
			t.Errorf("line of %s = %d, want %d", path, got[path], line)
		}
	}
	if _, ok := got["not"]; ok {
		t.Error("a line of a string passed for a key")
	}
}

// FuzzParse holds that nothing panics, that every key of a document that
// parses has a line, and that what Print writes of a valid configuration is
// valid again.
func FuzzParse(f *testing.F) {
	examples, _ := filepath.Glob("../../../examples/basic/*.toml")
	for _, name := range examples {
		if data, err := os.ReadFile(name); err == nil {
			f.Add(string(data))
		}
	}
	f.Add("a.b.\"c\\\"d\" = [1, {x = '}', y.z = \"\"\"\"\"\"}]\n[[l]]\n[[l.m]]\nk = 1e3\n[l.m.n]\n\"\" = 1979-05-27 07:32:00Z")
	f.Add("[[listener]]\naddress = \":1\"\ntls = [{cert = \"c\", key = \"k\"}]")
	f.Fuzz(func(t *testing.T, doc string) {
		if len(doc) > 4096 {
			return // the TOML library is quadratic in the length of a dotted key
		}
		c, err := Parse("f.toml", []byte(doc))
		var tree map[string]any
		if _, bad := toml.Decode(doc, &tree); bad == nil {
			lines := keyLines(doc)
			walk("", tree, func(path string) {
				if n := lines[path]; n < 1 || n > 1+strings.Count(doc, "\n") {
					t.Fatalf("line of %s = %d", path, n)
				}
			})
		}
		if err != nil {
			return
		}
		c.Complete()
		if c.Check() != nil {
			return // completing may reveal that two listeners got one name
		}
		var b strings.Builder
		if err := c.Print(&b); err != nil {
			t.Fatal(err)
		}
		if _, err := Parse("f.toml", []byte(b.String())); err != nil {
			t.Fatalf("%v\n%s", err, b.String())
		}
	})
}

func walk(path string, v any, f func(string)) {
	if strings.Count(path, ".")+strings.Count(path, "[") >= maxDepth {
		return // deeper than keyLines looks; quoted dots only make this stricter
	}
	switch v := v.(type) {
	case map[string]any:
		for k, v := range v {
			f(join(path, k))
			walk(join(path, k), v, f)
		}
	case []map[string]any:
		for i, v := range v {
			f(Index(path, i))
			walk(Index(path, i), v, f)
		}
	case []any:
		for i, v := range v {
			f(Index(path, i))
			walk(Index(path, i), v, f)
		}
	}
}
