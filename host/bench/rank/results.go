package main

import (
	"fmt"
	"strings"
)

// clairvoyant is the name of the bound among policies.
const clairvoyant = "clairvoyant"

// result is what one policy cost on one recording at one price.
type result struct {
	policy    string
	trace     string
	worth     int64 // s
	cost      int64 // ms, as the others
	best      int64 // of the best fixed timeout in hindsight
	timeout   int64 // that timeout
	premature int64
	asks      int64
	fuel      int64
}

const heading = "policy\ttrace\tworth_s\tcost_ms\tbest_fixed_ms\tbest_timeout_ms\tpremature\tasks\tfuel\n"

func format(all []result) string {
	b := new(strings.Builder)
	b.WriteString(heading)
	for _, r := range all {
		fmt.Fprintf(b, "%s\t%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\n", r.policy, r.trace, r.worth, r.cost, r.best, r.timeout, r.premature, r.asks, r.fuel)
	}
	return b.String()
}

func parse(text string) ([]result, error) {
	rows, ok := strings.CutPrefix(text, heading)
	if !ok {
		return nil, fmt.Errorf("line 1: want the heading %q", strings.TrimSpace(heading))
	}
	var all []result
	n := 1
	for row := range strings.Lines(rows) {
		n++
		var r result
		if _, err := fmt.Sscan(row, &r.policy, &r.trace, &r.worth, &r.cost, &r.best, &r.timeout, &r.premature, &r.asks, &r.fuel); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		if r.cost < 0 || r.best <= 0 {
			return nil, fmt.Errorf("line %d: cost of %d ms, of the best fixed timeout %d ms", n, r.cost, r.best)
		}
		all = append(all, r)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("no results")
	}
	return all, nil
}
