package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"idlehost/host/longtest"
)

// end prints what did not run and why, what failed, and the counts.
func (r *report) end(took time.Duration, race bool) {
	var b strings.Builder
	long, others := r.skips()
	if len(others) > 0 {
		b.WriteString("\nskipped:\n")
		group(&b, others)
	}
	if len(long) > 0 {
		b.WriteString("\nhave only a long form, which make test-long runs:\n")
		each(&b, long)
	}
	if len(r.partial) > 0 {
		b.WriteString("\nran in their usual form; make test-long runs the long one:\n")
		each(&b, r.partial)
	}
	if !race {
		b.WriteString("\nthe race detector was off\n")
	}
	if len(r.failed) > 0 {
		slices.Sort(r.failed)
		fmt.Fprintf(&b, "\nfailed:\n  %s\n", strings.Join(r.failed, "\n  "))
	}
	fmt.Fprintf(&b, "\n%d passed, %d failed, %d skipped (%v)\n", r.passed, len(r.failed), len(r.skipped), took.Round(time.Second))
	r.print(b.String())
}

// skips are the tests that wait for a long run, and the other ones.
func (r *report) skips() (long, others []remark) {
	for _, s := range r.skipped {
		if text, ok := strings.CutPrefix(s.text, longtest.Skipped); ok {
			long = append(long, remark{s.test, text})
		} else {
			others = append(others, s)
		}
	}
	return long, others
}

func each(b *strings.Builder, list []remark) {
	slices.SortFunc(list, func(x, y remark) int { return strings.Compare(x.test, y.test) })
	for _, s := range list {
		fmt.Fprintf(b, "  %s: %s\n", s.test, s.text)
	}
}

// group prints every reason once, with the tests that gave it.
func group(b *strings.Builder, list []remark) {
	tests := map[string][]string{}
	for _, s := range list {
		tests[s.text] = append(tests[s.text], s.test)
	}
	var reasons []string
	for text := range tests {
		reasons = append(reasons, text)
	}
	slices.Sort(reasons)
	for _, text := range reasons {
		slices.Sort(tests[text])
		fmt.Fprintf(b, "  %s: %s\n", text, some(tests[text], 3))
	}
}
