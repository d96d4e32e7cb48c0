package examples

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// TestTenantsDemo runs the script of examples/tenants and compares what it
// prints with what its README shows; dots stand for any text.
func TestTenantsDemo(t *testing.T) {
	t.Parallel() // curl waits for the next second
	tool("sh")(t)
	rateOfCurl(t)
	program := host(t)
	cmd := exec.CommandContext(t.Context(), "sh", "tenants/demo.sh")
	cmd.Env = append(os.Environ(), "HOST="+program, "LISTEN="+freeAddress(t), "ADMIN="+freeAddress(t))
	var trouble strings.Builder
	cmd.Stderr = &trouble
	text, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, text, &trouble)
	}
	got, want := lines(string(text)), shown(t, "tenants/README.md")
	for i, w := range want {
		switch {
		case i >= len(got):
			t.Fatalf("nothing is printed for %q", w)
		case !anyText(w).MatchString(got[i]):
			t.Errorf("line %d: %q, want %q", i+1, got[i], w)
		}
	}
	if len(got) > len(want) {
		t.Errorf("%q is printed besides", got[len(want)])
	}
}

func lines(text string) []string { return strings.Split(strings.TrimSpace(text), "\n") }

// shown returns the block of a README that shows what is printed.
func shown(t *testing.T, file string) []string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "```text\n")
	block, _, ok := strings.Cut(rest, "```")
	if !ok {
		t.Fatalf("%s shows no text", file)
	}
	return lines(block)
}

var dots = regexp.MustCompile(`(\\\.){3,}`)

// anyText makes an expected line an expression.
func anyText(line string) *regexp.Regexp {
	return regexp.MustCompile("^" + dots.ReplaceAllString(regexp.QuoteMeta(line), ".*") + "$")
}

// freeAddress returns one that nobody listens on.
// freeAddress returns one that nobody listens on. Where the platform has more
// addresses of its own than one, nobody else is soon given its port either.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", fmt.Sprintf("127.%d.%d.%d:0", 1+rand.IntN(254), rand.IntN(256), 1+rand.IntN(254)))
	if err != nil {
		l, err = net.Listen("tcp", "127.0.0.1:0")
	}
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// rateOfCurl skips the test where curl is missing, or older than --rate.
func rateOfCurl(t *testing.T) {
	t.Helper()
	text, err := exec.Command(tool("curl")(t), "--version").Output()
	var major, minor int
	if err == nil {
		_, err = fmt.Sscanf(string(text), "curl %d.%d", &major, &minor)
	}
	if err != nil {
		t.Fatalf("curl --version: %v", err)
	}
	if major < 7 || major == 7 && minor < 84 {
		t.Skipf("this curl is too old: %d.%d", major, minor)
	}
}
