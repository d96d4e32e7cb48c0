package plugins_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Every README has the agreed sections, and the parameters in its examples are
// ones that its policy takes.
func TestReadmes(t *testing.T) {
	param := regexp.MustCompile(`--plugin-config (\S+)`)
	for name := range everyPolicy {
		text, err := os.ReadFile(filepath.Join(name, "README.md"))
		if err != nil {
			t.Fatal(err)
		}
		for _, section := range []string{"Name", "The idea", "Parameters", "Reasons", "Examples", "When to use it", "Source"} {
			if !strings.Contains(string(text), "\n## "+section+"\n") {
				t.Errorf("%s: no section %q", name, section)
			}
		}
		examples := 0
		for _, line := range strings.Split(string(text), "\n") {
			if !strings.Contains(line, "--plugin ") {
				continue
			}
			examples++
			var params []string
			for _, m := range param.FindAllStringSubmatch(line, -1) {
				params = append(params, m[1])
			}
			if !strings.Contains(line, "--plugin "+name+".wasm") {
				t.Errorf("%s: example of another policy: %s", name, line)
			}
			if g := start(t, name); !g.configure(t, params...) {
				t.Errorf("%s: example is refused: %s: %s", name, line, g.logs)
			}
		}
		if examples < 2 {
			t.Errorf("%s: %d examples", name, examples)
		}
	}
}
