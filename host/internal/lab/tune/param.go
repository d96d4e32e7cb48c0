package tune

import (
	"fmt"
	"slices"
	"strings"
)

// Param is a parameter and what it may be: a finite list of values, written as
// the policy takes them. The search knows them by their places only.
type Param struct {
	Name string
	// Range is what may be, as it was asked for.
	Range string
	// Values, in their order, at least two.
	Values []string
	// Unordered says that values have no neighbours: they are a set.
	Unordered bool
	// Scale is "linear", "log" or "set".
	Scale string
}

// ParseParam reads what a parameter may be:
//
//	quantile=0.5..0.99    numbers with at most three decimals, or as many as are written
//	prior=1..50           whole numbers, since both ends are
//	look=100ms..5s        durations in ms, s, m and h
//	mode={a,b}            one of a set
//
// A range whose ends are a factor of 20 or more apart is searched on a
// logarithmic scale. "log:" or "lin:" before it say otherwise.
func ParseParam(text string) (*Param, error) {
	name, span, ok := strings.Cut(text, "=")
	if !ok || name == "" || span == "" {
		return nil, fmt.Errorf("%q: want NAME=LOW..HIGH or NAME={A,B}", text)
	}
	if strings.ContainsFunc(name, func(c rune) bool { return c <= ' ' || c == '=' || c == 0x7f }) {
		return nil, fmt.Errorf("%q: a name has no blanks", name)
	}
	p := &Param{Name: name, Range: span}
	var err error
	if strings.HasPrefix(span, "{") {
		err = p.set(span)
	} else {
		err = p.span(span)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return p, nil
}

// maxSet is how many values a set has at most: each of them is tried.
const maxSet = 64

func (p *Param) set(text string) error {
	inner, ok := strings.CutSuffix(text[1:], "}")
	if !ok {
		return fmt.Errorf("%q: want {A,B,...}", text)
	}
	for value := range strings.SplitSeq(inner, ",") {
		switch {
		case value == "" || strings.ContainsAny(value, "\n\r\x00"):
			return fmt.Errorf("%q: an empty or broken value", text)
		case slices.Contains(p.Values, value):
			return fmt.Errorf("%q: %q twice", text, value)
		}
		p.Values = append(p.Values, value)
	}
	if n := len(p.Values); n < 2 || n > maxSet {
		return fmt.Errorf("%q: %d values, want 2 to %d", text, n, maxSet)
	}
	p.Unordered, p.Scale = true, "set"
	return nil
}

func (p *Param) span(text string) error {
	scale := ""
	for _, s := range []string{"log", "lin"} {
		if rest, ok := strings.CutPrefix(text, s+":"); ok {
			scale, text = s, rest
			break
		}
	}
	lowText, highText, ok := strings.Cut(text, "..")
	if !ok {
		return fmt.Errorf("%q: want LOW..HIGH", text)
	}
	u, err := unitOf(lowText, highText)
	if err != nil {
		return err
	}
	low, err := u.parse(lowText)
	if err != nil {
		return err
	}
	high, err := u.parse(highText)
	if err != nil {
		return err
	}
	switch {
	case low >= high:
		return fmt.Errorf("%q: the low end is not below the high one", text)
	case scale == "log" && low <= 0:
		return fmt.Errorf("%q: a logarithmic scale begins above 0", text)
	}
	var steps []int64
	if scale == "log" || scale == "" && low > 0 && high/low >= logFrom {
		p.Scale, steps = "log", logarithmic(low, high)
	} else {
		p.Scale, steps = "linear", linear(low, high)
	}
	for _, n := range steps {
		p.Values = append(p.Values, u.format(n))
	}
	return nil
}

// ends are the places of the values that a range is accepted by: a policy that
// takes both ends is taken to take what is between them.
func (p *Param) ends() []int {
	if !p.Unordered {
		return []int{0, len(p.Values) - 1}
	}
	all := make([]int, len(p.Values))
	for i := range all {
		all[i] = i
	}
	return all
}

// spread returns n places over the whole range, both ends among them; all of
// them where there are no more or they have no order.
func (p *Param) spread(n int) []int {
	last := len(p.Values) - 1
	if p.Unordered || n > last {
		n = last + 1
	}
	if n < 2 {
		return []int{last / 2}
	}
	places := make([]int, n)
	for i := range places {
		places[i] = (i*last + (n-1)/2) / (n - 1)
	}
	return places
}
