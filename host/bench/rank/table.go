package main

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
)

// row is one policy's line of the table.
type row struct {
	policy      string
	cells       map[string][]float64 // cost over that of the best fixed timeout, by trace, by worth
	mean, worst float64              // geometric mean and largest of the cells
	asks, fuel  int64
}

// table ranks policies by the mean of what they cost against the best fixed
// timeout.
func table(all []result) string {
	traces := distinct(all, func(r result) string { return r.trace })
	rows := rank(all)
	b := new(strings.Builder)
	fmt.Fprintf(b, "| | policy | mean | worst | %s | fuel a question |\n", strings.Join(traces, " | "))
	fmt.Fprintf(b, "|---:|---|---:|---:|%s---:|\n", strings.Repeat("---|", len(traces)))
	place := 0
	for _, r := range rows {
		number, name, fuel := "", r.policy, "–"
		if r.policy != clairvoyant {
			place++
			number, name = fmt.Sprint(place), "`"+r.policy+"`"
		}
		if r.asks > 0 {
			fuel = fmt.Sprint(r.fuel / r.asks)
		}
		fmt.Fprintf(b, "| %s | %s | %.2f | %.2f |", number, name, r.mean, r.worst)
		for _, trace := range traces {
			fmt.Fprintf(b, " %s |", join(r.cells[trace]))
		}
		fmt.Fprintf(b, " %s |\n", fuel)
	}
	return b.String()
}

func rank(all []result) []row {
	var rows []row
	for _, name := range distinct(all, func(r result) string { return r.policy }) {
		r := row{policy: name, cells: map[string][]float64{}}
		var logs, n float64
		for _, x := range all {
			if x.policy != name {
				continue
			}
			ratio := float64(x.cost) / float64(x.best)
			r.cells[x.trace] = append(r.cells[x.trace], ratio)
			r.worst = max(r.worst, ratio)
			r.asks += x.asks
			r.fuel += x.fuel
			logs += math.Log(max(ratio, 1e-9))
			n++
		}
		r.mean = math.Exp(logs / n)
		rows = append(rows, r)
	}
	slices.SortStableFunc(rows, func(a, b row) int { return cmp.Compare(a.mean, b.mean) })
	return rows
}

func join(ratios []float64) string {
	words := make([]string, len(ratios))
	for i, r := range ratios {
		words[i] = fmt.Sprintf("%.2f", r)
	}
	return strings.Join(words, " ")
}

// distinct returns the words of results in the order in which they first come.
func distinct(all []result, word func(result) string) (words []string) {
	for _, r := range all {
		if w := word(r); !slices.Contains(words, w) {
			words = append(words, w)
		}
	}
	return words
}
