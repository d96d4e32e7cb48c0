package tune

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"idlehost/host/internal/lab"
)

// matters is the least part of the cost that a parameter has to move to be
// called one that matters.
const matters = 0.002

// few is the least number of gaps after the split that say something.
const few = 200

// notes says what whoever reads the numbers has to know.
func notes(r *Result, tuned *lab.Played) []string {
	list := []string{}
	note := func(format string, args ...any) { list = append(list, fmt.Sprintf(format, args...)) }
	if f := r.ToFixed; f != nil && f.Interval.Low > 1 {
		note("the constant timeout (%s) does better after the split, by %s", strings.Join(pairs(r.Fixed.Params), " "), percent(1-1/f.Value))
	}
	for _, p := range r.Params {
		switch {
		case p.Effect < matters:
			note("%s hardly matters here: over all of %s the cost moves by %s", p.Name, p.Range, percent(p.Effect))
		case p.Edge == "low" && strings.Trim(p.Value, "0ms") == "": // there is nothing below 0
		case p.Edge != "":
			note("%s=%s is the %s end of %s: a wider range may hold something better", p.Name, p.Value, p.Edge, p.Range)
		}
	}
	if n := refused(r.Tried); n > 0 {
		note("the policy refused %d of %d combinations and was not asked there", n, len(r.Tried))
	}
	if f := tuned.Outcome.Faults; len(f) > 0 {
		var list []string
		for _, name := range slices.Sorted(maps.Keys(f)) {
			list = append(list, fmt.Sprintf("%s %d times", name, f[name]))
		}
		note("with these parameters the policy fails: %s", strings.Join(list, ", "))
	}
	switch n := r.Tuned.Test.Gaps; {
	case n == 0:
		note("no gap comes after the split: there was nothing to judge by")
	case n < few:
		note("only %d gaps come after the split: whatever the interval says, that is little", n)
	}
	return list
}

func refused(tried []Tried) (n int) {
	for _, t := range tried {
		if t.Refused != "" {
			n++
		}
	}
	return n
}

// percent writes a part of the whole, with as many decimals as tell something.
func percent(part float64) string {
	switch p := 100 * part; {
	case p < 0.05 && p > 0:
		return "less than 0.1 %"
	default:
		return fmt.Sprintf("%.1f %%", p)
	}
}
