package main_test

import (
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"idlehost/host/e2e/hosttest"
)

// TestConsoleBlocks runs every console block of the documents, from the root of
// the repository, in sh. In a block:
//
//   - "$ command" is run to its end, and must succeed;
//   - "$ command &" is started; it is ended by SIGTERM at the block's end;
//   - other lines are what is expected then: the command's own output,
//     complete and in order, and lines that those started before write
//     meanwhile. "..." stands for any text, on a line of its own for any
//     lines;
//   - "go run ./host" is the program that the test has built, with the
//     documented default addresses made explicit;
//   - the ports of 127.0.0.1 are replaced by free ones, in the output back;
//     the client commands find theirs in HOST_SERVER.
func TestConsoleBlocks(t *testing.T) {
	program, err := hosttest.Build(t.TempDir(), "idlehost/host")
	if err != nil {
		t.Fatal(err)
	}
	for _, doc := range documents(t) {
		if doc.name == "README.md" && len(consoles(doc.text)) == 0 {
			t.Error("README.md has no console block")
		}
		for _, b := range consoles(doc.text) {
			t.Run(fmt.Sprintf("%s line %d", path.Base(doc.name), b.line), func(t *testing.T) {
				for _, tool := range []string{"sh", "curl", "clang", "minisign"} {
					if slices.ContainsFunc(b.lines, func(l string) bool { return strings.HasPrefix(l, "$ "+tool+" ") }) {
						hosttest.Tool(t, tool)
					}
				}
				s := &session{t: t, program: program, ports: map[string]string{}}
				s.run(b.lines)
			})
		}
	}
}

type console struct {
	line  int
	lines []string
}

// consoles returns the fenced blocks of that name.
func consoles(text string) (blocks []console) {
	in := false
	for i, l := range strings.Split(text, "\n") {
		switch {
		case in && l == "```":
			in = false
		case in:
			b := &blocks[len(blocks)-1]
			b.lines = append(b.lines, l)
		case l == "```console":
			in = true
			blocks = append(blocks, console{line: i + 1})
		}
	}
	return blocks
}

// session is one block that runs.
type session struct {
	t       *testing.T
	program string
	ports   map[string]string // documented to free
	jobs    []*job
}

// job is a command in the background.
type job struct {
	*hosttest.Process
	seen int // lines of its output that were expected so far
}

func (s *session) run(lines []string) {
	for len(lines) > 0 {
		command, ok := strings.CutPrefix(lines[0], "$ ")
		if !ok {
			s.t.Fatalf("%q is output without a command", lines[0])
		}
		n := 1
		for n < len(lines) && !strings.HasPrefix(lines[n], "$ ") {
			n++
		}
		s.step(command, lines[1:n])
		lines = lines[n:]
	}
	for _, j := range s.jobs {
		j.Signal(s.t, syscall.SIGTERM)
		if code := j.Exit(s.t); code != 0 {
			s.t.Errorf("a command in the background exits with %d at SIGTERM", code)
		}
	}
}

// step runs one command and compares.
func (s *session) step(command string, want []string) {
	shell := s.translate(command)
	var own []string
	if background, ok := strings.CutSuffix(shell, "&"); ok {
		s.jobs = append(s.jobs, &job{Process: hosttest.StartIn(s.t, "..", "sh", "-c", "exec "+background)})
	} else {
		cmd := exec.Command("sh", "-c", shell)
		cmd.Dir = ".."
		out, err := cmd.CombinedOutput()
		if err != nil && strings.Contains(string(out), "curl: option") && strings.Contains(string(out), "is unknown") {
			s.t.Skipf("this curl is too old: %s", out)
		}
		if err != nil {
			s.t.Fatalf("$ %s: %v\n%s", command, err, out)
		}
		own = splitLines(s.back(string(out)))
	}
	if err := s.compare(own, want); err != nil {
		s.t.Errorf("$ %s: %v; its output:\n%s", command, err, strings.Join(own, "\n"))
	}
}

// compare holds the lines of a command, and those that jobs write, against
// the expected ones.
func (s *session) compare(own, want []string) error {
	any := false
	for _, w := range want {
		if w == "..." {
			any = true
			continue
		}
		i := slices.IndexFunc(own, pattern(w).MatchString)
		if i == 0 || i > 0 && any {
			own, any = own[i+1:], false
			continue
		}
		if !s.heard(w) {
			return fmt.Errorf("no line like %q", w)
		}
	}
	if len(own) > 0 && !any {
		return fmt.Errorf("%q is not expected", own[0])
	}
	return nil
}

// heard waits for a line of a job.
func (s *session) heard(want string) bool {
	re := pattern(want)
	for deadline := time.Now().Add(hosttest.Patience); time.Now().Before(deadline); {
		for _, j := range s.jobs {
			lines := j.Lines()
			for i := j.seen; i < len(lines); i++ {
				if re.MatchString(s.back(lines[i])) {
					j.seen = i + 1
					return true
				}
			}
		}
		if len(s.jobs) == 0 {
			return false
		}
		<-time.After(5 * time.Millisecond)
	}
	for _, j := range s.jobs {
		s.t.Logf("in the background:\n%s", strings.Join(j.Lines(), "\n"))
	}
	return false
}

// pattern makes an expected line an expression: "..." is any text.
func pattern(line string) *regexp.Regexp {
	return regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(line), `\.\.\.`, ".*") + "$")
}

func splitLines(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
}

var (
	port    = regexp.MustCompile(`127\.0\.0\.1:([0-9]+)`)
	serve   = regexp.MustCompile(`go run ./host( --| &|$)`)
	clients = regexp.MustCompile(`(go run ./host (tenant|policy|conns|audit) )`)
)

// translate makes a documented command one that can run beside others.
func (s *session) translate(command string) string {
	if serve.MatchString(command) {
		for flag, address := range map[string]string{"--listen": "127.0.0.1:8080", "--admin": "127.0.0.1:9900"} {
			if !strings.Contains(command, flag) && !strings.Contains(command, "--config") && !strings.Contains(command, "--help") {
				command = strings.Replace(command, "go run ./host", "go run ./host "+flag+" "+address, 1)
			}
		}
	}
	command = clients.ReplaceAllString(command, "env HOST_SERVER=http://127.0.0.1:9900 $1")
	command = strings.ReplaceAll(command, "go run ./host", s.program)
	return port.ReplaceAllStringFunc(command, func(address string) string {
		documented := strings.TrimPrefix(address, "127.0.0.1:")
		if s.ports[documented] == "" {
			s.ports[documented] = strconv.Itoa(hosttest.FreePort(s.t))
		}
		return "127.0.0.1:" + s.ports[documented]
	})
}

// back shows the documented ports.
func (s *session) back(out string) string {
	for documented, free := range s.ports {
		out = strings.ReplaceAll(out, "127.0.0.1:"+free, "127.0.0.1:"+documented)
	}
	return strings.ReplaceAll(out, filepath.Dir(s.program)+"/", "")
}

// TestConsoleSessions keeps the mechanism honest: what is wrong in a block
// must be found.
func TestConsoleSessions(t *testing.T) {
	for _, c := range []struct {
		own, want string
		ok        bool
	}{
		{"a\nb\n", "a\nb\n", true},
		{"a\nb\n", "a\n", false},
		{"a\nb\n", "b\n", false},
		{"a\n", "a\nb\n", false},
		{"a\nb\nc\n", "a\n...\nc\n", true},
		{"a\nb\nc\n", "a\n...\n", true},
		{"a\nb\nc\n", "...\nb\n", false},
		{"took 5 ms\n", "took ... ms\n", true},
		{"took 5 us\n", "took ... ms\n", false},
		{"a+b\n", "a.b\n", false},
		{"", "", true},
	} {
		s := &session{t: t}
		if err := s.compare(splitLines(c.own), splitLines(c.want)); (err == nil) != c.ok {
			t.Errorf("output %q against %q: %v", c.own, c.want, err)
		}
	}
}

// TestREADMECode: the policy that the README shows is the one that is built.
func TestREADMECode(t *testing.T) {
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	code, err := os.ReadFile("../examples/hello-go/main.go")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), "```go\n"+string(code)+"```\n") {
		t.Error("README.md does not show examples/hello-go/main.go as it is")
	}
}
