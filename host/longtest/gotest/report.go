package main

import (
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"idlehost/host/longtest"
)

// event is a line of go test -json; see go doc test2json and go help buildjson.
type event struct {
	Time                          time.Time
	Action, Package, Test, Output string
}

// report turns events into the lines of go test, and counts.
type report struct {
	out     io.Writer
	printed time.Time         // last
	open    map[string]*suite // by package; those that run
	done    int               // tests
	passed  int               // those below count tests without subtests
	skipped []remark          // tests that did not run
	partial []remark          // tests that ran in their usual form
	failed  []string          // tests, and packages that fail by themselves
}

// remark is a line of a test, such as why it was skipped.
type remark struct{ test, text string }

// suite is a package that is being tested.
type suite struct {
	lines []string // of the package itself
	tests map[string]*test
	order []*test
}

type test struct {
	name   string
	began  time.Time
	lines  []string
	result string // pass, fail, skip; empty: it runs
	parent bool   // it has subtests
	broken bool   // a subtest has failed
}

func newReport(out io.Writer) *report {
	return &report{out: out, printed: time.Now(), open: map[string]*suite{}}
}

func (r *report) print(text string) {
	r.printed = time.Now()
	io.WriteString(r.out, text)
}

func (r *report) take(e event) {
	if e.Action == "build-output" {
		r.print(e.Output)
		return
	}
	if e.Package == "" {
		return
	}
	s := r.open[e.Package]
	if s == nil {
		s = &suite{tests: map[string]*test{}}
		r.open[e.Package] = s
	}
	if e.Test == "" {
		r.takeSuite(s, e)
		return
	}
	t := s.tests[e.Test]
	if t == nil || t.result != "" && e.Action == "run" { // -count runs it again
		t = &test{name: e.Test, began: e.Time}
		s.tests[e.Test] = t
		s.order = append(s.order, t)
		if p := s.tests[above(e.Test)]; p != nil {
			p.parent = true
		}
	}
	switch e.Action {
	case "output":
		if !framing.MatchString(e.Output) {
			t.lines = append(t.lines, e.Output)
		}
	case "pass", "fail", "skip":
		r.finish(e.Package, s, t, e.Action)
	}
}

// framing are lines that only say that a test starts or goes on.
var framing = regexp.MustCompile(`^=== (RUN|PAUSE|CONT|NAME) `)

// above is the name of the test that a subtest belongs to.
func above(name string) string {
	i := strings.LastIndexByte(name, '/')
	return name[:max(i, 0)]
}

func (r *report) finish(pkg string, s *suite, t *test, result string) {
	t.result = result
	r.done++
	name := short(pkg) + " " + t.name
	switch result {
	case "pass":
		if !t.parent {
			r.passed++
		}
	case "skip":
		r.skipped = append(r.skipped, remark{name, reason(t.lines)})
	case "fail":
		if !t.broken {
			r.failed = append(r.failed, name)
		}
		if p := s.tests[above(t.name)]; p != nil {
			p.broken = true
		}
		return // its lines are printed with its package's
	}
	for _, l := range t.lines {
		if text, ok := strings.CutPrefix(said(l), longtest.Shortened); ok {
			r.partial = append(r.partial, remark{name, text})
		}
	}
	t.lines = nil
}

// takeSuite takes an event of a package itself.
func (r *report) takeSuite(s *suite, e event) {
	switch e.Action {
	case "output":
		s.lines = append(s.lines, e.Output)
	case "pass", "skip":
		for _, l := range s.lines {
			if strings.HasPrefix(l, "ok ") || strings.HasPrefix(l, "?  ") || strings.Contains(l, "[no test files]") {
				r.print(l)
			}
		}
		delete(r.open, e.Package)
	case "fail":
		r.printFailed(e.Package, s)
		delete(r.open, e.Package)
	}
}

// printFailed prints what a package that failed has said: its tests that failed
// or never came to their end, and what belongs to no test.
func (r *report) printFailed(pkg string, s *suite) {
	known := false
	for _, t := range s.order {
		switch t.result {
		case "":
			r.failed = append(r.failed, short(pkg)+" "+t.name+" (has not ended)")
		case "fail":
		default:
			continue
		}
		known = true
		r.print(strings.Join(t.lines, ""))
	}
	if !known {
		r.failed = append(r.failed, short(pkg))
	}
	r.print(strings.Join(slices.DeleteFunc(s.lines, func(l string) bool { return l == "FAIL\n" || l == "PASS\n" }), ""))
}

// progress tells what is running when nothing has been printed for a while.
func (r *report) progress(now time.Time) {
	if now.Sub(r.printed) < quiet {
		return
	}
	var running []string
	for pkg, s := range r.open {
		for _, t := range s.order {
			if t.result == "" && !t.parent {
				running = append(running, fmt.Sprintf("%s %s for %.0f s", short(pkg), t.name, now.Sub(t.began).Seconds()))
			}
		}
	}
	slices.Sort(running)
	r.print(fmt.Sprintf("... %d tests have ended; running: %s\n", r.done, some(running, 4)))
}

// short names a package of this module from its root.
func short(pkg string) string {
	return strings.TrimPrefix(pkg, "idlehost/")
}

var logged = regexp.MustCompile(`^\s*\S+\.go:\d+: `)

// said is a logged line without the place where it was logged.
func said(line string) string {
	return strings.TrimSpace(line[len(logged.FindString(line)):])
}

// reason is the last thing that a skipped test has logged.
func reason(lines []string) string {
	for _, l := range slices.Backward(lines) {
		if logged.MatchString(l) {
			return said(l)
		}
	}
	return "no reason given"
}

// some is a list of the first few names.
func some(names []string, few int) string {
	if len(names) == 0 {
		return "nothing, it compiles"
	}
	rest := ""
	if len(names) > few {
		rest = fmt.Sprintf(" and %d more", len(names)-few)
		names = names[:few]
	}
	return strings.Join(names, ", ") + rest
}
