package examples

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestLabDemo runs the script of examples/lab: what it records is replayed to
// the decisions that were made, and told of on a page.
func TestLabDemo(t *testing.T) {
	t.Parallel() // curl waits for the next second
	tool("sh")(t)
	rateOfCurl(t)
	program := host(t)
	out := filepath.Join(t.TempDir(), "report.html")
	cmd := exec.CommandContext(t.Context(), "sh", "lab/demo.sh", out)
	cmd.Env = append(os.Environ(), "HOST="+program, "LISTEN="+freeAddress(t), "ADMIN="+freeAddress(t))
	text, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	for _, want := range []string{"policy ", "adaptive ", "share ", "best fixed ", "(live)", "clairvoyant ", "The report is in " + out} {
		if !strings.Contains(string(text), want) {
			t.Errorf("nothing is said of %q:\n%s", want, text)
		}
	}
	if page, err := os.ReadFile(out); err != nil || !strings.Contains(string(page), "</html>") {
		t.Errorf("the page: %d bytes, %v", len(page), err)
	}
}
