package attacks

import (
	"fmt"
	"slices"
	"strings"
)

// Results is the plays of a run, which may have been made in parts.
type Results struct {
	About []string // lines on the machine and the program
	list  []*Result
}

// Result is the plays of one attack, in their order. The last one counts.
type Result struct{ Plays []*Play }

func (r *Result) first() *Play { return r.Plays[0] }
func (r *Result) last() *Play  { return r.Plays[len(r.Plays)-1] }

// Settled reports whether no further play would change what counts.
func (r *Result) Settled() bool {
	return r != nil && len(r.Plays) > 0 && (r.last().Held() || len(r.Plays) >= Tries || r.last().Refused)
}

// Parse reads a file of results: lines about it, which begin with "# ", and one
// for each play.
func Parse(text string) (*Results, error) {
	r := &Results{}
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if about, ok := strings.CutPrefix(line, "# "); ok {
			if !slices.Contains(r.About, about) {
				r.About = append(r.About, about)
			}
			continue
		}
		p, err := parse(line)
		if err != nil {
			return nil, fmt.Errorf("results of attacks: %w", err)
		}
		r.Add(p)
	}
	return r, nil
}

// Add adds a play.
func (r *Results) Add(p *Play) {
	if of := r.Of(p.Name); of != nil {
		of.Plays = append(of.Plays, p)
		return
	}
	r.list = append(r.list, &Result{[]*Play{p}})
}

// Of returns what an attack has come to so far; nil: it was not played.
func (r *Results) Of(name string) *Result {
	i := slices.IndexFunc(r.list, func(of *Result) bool { return of.first().Name == name })
	if i < 0 {
		return nil
	}
	return r.list[i]
}
