package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// write makes a module of files.
func write(t *testing.T, files map[string]string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	files["go.mod"] = "module idlehost\n\ngo 1.26\n"
	for name, text := range files {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// real runs gotest in a module, and takes the figures of time out of its output.
func real(t *testing.T, dir string, args ...string) (text string, code int) {
	t.Helper()
	var out, complaints bytes.Buffer
	code, err := run(&out, &complaints, dir, args)
	if err != nil {
		t.Fatalf("%v\n%s", err, &complaints)
	}
	return regexp.MustCompile(`[0-9.]+m?s\b|\(cached\)`).ReplaceAllString(out.String(), "*"), code
}

const passing = `package p
import "testing"
func TestFine(t *testing.T) { t.Log("nobody wants to read this") }
func TestParts(t *testing.T) {
	t.Run("one", func(t *testing.T) {})
	t.Run("two", func(t *testing.T) { t.Skip("first line\nno such tool: frobnicator") })
}
func TestOther(t *testing.T) { t.Skip("no such tool: frobnicator") }
func TestLong(t *testing.T) { t.Skip("long form only: a day of traffic") }
func TestCut(t *testing.T) { t.Log("usual form: 25 of 200 crashes") }
`

func TestPassing(t *testing.T) {
	dir := write(t, map[string]string{"p/p_test.go": strings.Replace(passing, `first line\n`, "", 1), "q/q.go": "package q\n"})
	text, code := real(t, dir, "./...")
	// Packages come as they end.
	const empty = "?   	idlehost/q	[no test files]\n"
	if !strings.Contains(text, empty) {
		t.Errorf("%q is missing", empty)
	}
	text = strings.Replace(text, empty, "", 1)
	const want = `ok  	idlehost/p	*

skipped:
  no such tool: frobnicator: p TestOther, p TestParts/two

have only a long form, which make test-long runs:
  p TestLong: a day of traffic

ran in their usual form; make test-long runs the long one:
  p TestCut: 25 of 200 crashes

the race detector was off

3 passed, 0 failed, 3 skipped (*)
`
	if code != 0 || text != want {
		t.Errorf("exit code %d, output\n%s\nwant\n%s", code, text, want)
	}
}

const failing = `package f
import ("testing"; "fmt")
func TestGood(t *testing.T) { t.Log("nobody wants to read this") }
func TestBad(t *testing.T) {
	fmt.Println("said by what is tested")
	t.Run("good", func(t *testing.T) { t.Log("nor this") })
	t.Run("bad", func(t *testing.T) { t.Error("first"); t.Error("second") })
}
`

func TestFailing(t *testing.T) {
	text, code := real(t, write(t, map[string]string{"f/f_test.go": failing}), "-shuffle=5", "./...")
	for _, want := range []string{
		"-test.shuffle 5\n", "said by what is tested\n", "first\n", "second\n", "--- FAIL: TestBad/bad (*)\n", "FAIL\tidlehost/f\t*\n",
		"\nfailed:\n  f TestBad/bad\n", "\n2 passed, 1 failed, 0 skipped (*)\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing", want)
		}
	}
	if strings.Contains(text, "nobody") || strings.Contains(text, "nor this") || code != 1 || t.Failed() {
		t.Errorf("exit code %d, output\n%s", code, text)
	}
}

const flaky = `package f
import "testing"
var n int
func TestFlaky(t *testing.T) {
	n++
	t.Run("sub", func(t *testing.T) { if n == 1 { t.Error("the first time") } })
}
`

// TestAgain: what failed is printed though it passed when it ran again.
func TestAgain(t *testing.T) {
	text, code := real(t, write(t, map[string]string{"f/f_test.go": flaky}), "-count=2", "./...")
	for _, want := range []string{"the first time\n", "--- FAIL: TestFlaky/sub (*)\n", "\nfailed:\n  f TestFlaky/sub\n", "\n1 passed, 1 failed, 0 skipped (*)\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing", want)
		}
	}
	if code != 1 || t.Failed() {
		t.Errorf("exit code %d, output\n%s", code, text)
	}
}

func TestBroken(t *testing.T) {
	text, code := real(t, write(t, map[string]string{
		"build/b_test.go":  "package build\nvar x int = \"text\"\n",
		"panics/p_test.go": "package panics\nimport \"testing\"\nfunc TestPanics(t *testing.T) { t.Run(\"sub\", func(t *testing.T) { panic(\"at the disco\") }) }\n",
		"leaves/l_test.go": "package leaves\nimport (\"os\"; \"testing\")\nfunc TestLeaves(t *testing.T) { println(\"last words\"); os.Exit(3) }\n",
		"main/m_test.go":   "package main\nimport (\"os\"; \"testing\")\nfunc TestMain(m *testing.M) { m.Run(); println(\"leak\"); os.Exit(1) }\nfunc TestX(t *testing.T) {}\n",
	}), "-vet=off", "./...")
	for _, want := range []string{
		"b_test.go:2:13: cannot use", "FAIL\tidlehost/build [build failed]\n",
		"panic: at the disco", "last words\n", "leak\n",
		"\n  build\n", "\n  panics TestPanics/sub\n", "\n  leaves TestLeaves", "\n  main\n", "\n1 passed, 4 failed, 0 skipped (*)\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing", want)
		}
	}
	if code == 0 || t.Failed() {
		t.Errorf("exit code %d, output\n%s", code, text)
	}
}

// TestUsage: an error of the command line is go test's to tell.
func TestUsage(t *testing.T) {
	if _, code := real(t, write(t, map[string]string{}), "-count=often"); code != 2 {
		t.Errorf("exit code %d, want that of go test", code)
	}
}

func TestProgress(t *testing.T) {
	var out bytes.Buffer
	r := newReport(&out)
	begin := r.printed
	r.take(event{Time: begin, Action: "run", Package: "idlehost/host/x", Test: "TestA"})
	r.take(event{Time: begin, Action: "run", Package: "idlehost/host/x", Test: "TestA/slow"})
	r.take(event{Time: begin, Action: "run", Package: "idlehost/host/y", Test: "TestB"})
	r.take(event{Time: begin, Action: "pass", Package: "idlehost/host/y", Test: "TestB"})
	r.progress(begin.Add(quiet - time.Second))
	if out.Len() > 0 {
		t.Errorf("says %q too early", &out)
	}
	r.progress(begin.Add(quiet + 10*time.Second))
	if got, want := out.String(), "... 1 tests have ended; running: host/x TestA/slow for 40 s\n"; got != want {
		t.Errorf("says %q, want %q", got, want)
	}
}
