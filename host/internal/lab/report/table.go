package report

import (
	"fmt"
	"io"
	"strings"

	"idlehost/host/internal/lab/study"
)

// narrowest is the least width that tables are made for.
const narrowest = 40

// Table writes a study for a terminal of so many columns: the answer, the
// policies by cost, what to hold them against, and what has to be said beside
// it. A width of 0 is 80. Names are made harmless. It fails as w does.
func Table(w io.Writer, s *study.Study, width int) error {
	if width <= 0 {
		width = 80
	}
	width = max(width, narrowest)
	s = whole(s)
	lines := wrap(subject(s), "", width)
	lines = append(lines, "")
	lines = append(lines, wrap(headline(s), "", width)...)
	for _, g := range []grid{policies(s), bounds(s)} {
		if len(g.names) > 0 {
			lines = append(append(lines, ""), g.lines(width)...)
		}
	}
	lines = append(lines, remarks(s, width)...)
	_, err := io.WriteString(w, strings.ReplaceAll(strings.Join(lines, "\n")+"\n", nb, " "))
	return err
}

// policies is the table of outcomes.
func policies(s *study.Study) grid {
	list := ranked(s)
	g := grid{head: "policy"}
	for _, p := range list {
		name := printable(p.Name)
		switch {
		case p.Source == "recorded":
			name += " (live)"
		case live(p):
			name += " (" + printable(p.Source) + ")"
		}
		g.names = append(g.names, name)
	}
	add := func(head string, rank int, cell func(*study.Outcome) string) {
		c := column{head: head, rank: rank}
		for _, p := range list {
			c.cells = append(c.cells, cell(p))
		}
		g.columns = append(g.columns, c)
	}
	add("cost", 2, func(p *study.Outcome) string { return duration(float64(p.Total.CostMs)) })
	add("to fixed", 0, func(p *study.Outcome) string { return ratio(p.Total.CostMs, s.Bounds.BestFixed.CostMs) })
	add("95 %", 4, func(p *study.Outcome) string { return interval(p.Interval.Ratio) })
	add("idle", 1, func(p *study.Outcome) string { return mean(s, p.Total.HeldMs) })
	add("premature", 1, func(p *study.Outcome) string { return percent(part(p.Total.Premature, p.Total.Gaps)) })
	add("useful", 5, func(p *study.Outcome) string { return percent(part(p.Total.UsefulMs, p.Total.HeldMs)) })
	add("short", 6, func(p *study.Outcome) string { return percent(part(p.Total.ShortMs, p.Total.HeldMs)) })
	add("never", 6, func(p *study.Outcome) string { return percent(part(p.Total.NeverMs, p.Total.HeldMs)) })
	add("peak", 3, func(p *study.Outcome) string { return number(float64(p.Total.PeakOpen)) })
	add("late", 7, func(p *study.Outcome) string { return number(float64(p.Total.Late)) })
	return g
}

// bounds is the table of what policies are held against.
func bounds(s *study.Study) grid {
	b := &s.Bounds
	g := grid{head: "bound"}
	var list []study.Point
	var to []int64
	add := func(name string, p study.Point, base int64) {
		if p == (study.Point{}) {
			return
		}
		g.names, list, to = append(g.names, name), append(list, p), append(to, base)
	}
	best := b.BestFixed.CostMs
	add("clairvoyant", b.Clairvoyant, best)
	add("best fixed, "+timeout(b.BestFixed.TimeoutMs), b.BestFixed, best)
	add("ski rental", b.SkiRental, best)
	add("ski rental, random", b.SkiRandom, best)
	add("fitted on half, "+timeout(b.SplitFixed.Fitted.TimeoutMs), b.SplitFixed.Fitted, b.SplitFixed.Best.CostMs)
	cells := func(cell func(study.Point, int64) string) (all []string) {
		for i := range list {
			all = append(all, cell(list[i], to[i]))
		}
		return all
	}
	g.columns = []column{
		{"cost", 2, cells(func(p study.Point, _ int64) string { return duration(float64(p.CostMs)) })},
		{"to fixed", 0, cells(func(p study.Point, base int64) string { return ratio(p.CostMs, base) })},
		{"idle", 1, cells(func(p study.Point, _ int64) string { return mean(s, p.HeldMs) })},
		{"premature", 1, cells(func(p study.Point, _ int64) string { return number(float64(p.Premature)) })},
		{"peak", 3, cells(func(p study.Point, _ int64) string { return number(float64(p.PeakOpen)) })},
	}
	return g
}

func ratio(cost, base int64) string {
	if base <= 0 {
		return "-"
	}
	return fmt.Sprintf("%.3f", part(cost, base))
}

func interval(i study.Interval) string {
	if i == (study.Interval{}) {
		return "-"
	}
	return fmt.Sprintf("%.3f-%.3f", i.Low, i.High)
}

// mean is how many connections were held idle at a time.
func mean(s *study.Study, heldMs int64) string {
	if counted(s) <= 0 {
		return "-"
	}
	return number(part(heldMs, counted(s)))
}

// remarks are what the study points out.
func remarks(s *study.Study, width int) (lines []string) {
	var texts []string
	for _, c := range s.Cliffs {
		texts = append(texts, c.Policy+" "+c.Text)
	}
	for _, p := range s.Spikes {
		texts = append(texts, p.Policy+" "+p.Text)
	}
	for _, p := range s.Policies {
		if a := p.Agreement; a != nil && a.Recorded > 0 {
			texts = append(texts, agreement(p.Name, a))
		}
	}
	texts = append(texts, s.Notes...)
	if len(texts) > 0 {
		lines = append(lines, "")
	}
	for _, t := range texts {
		lines = append(lines, wrap(printable(t), "- ", width)...)
	}
	return lines
}

// agreement tells whether a replay decided as the host did then.
func agreement(name string, a *study.Agreement) string {
	text := fmt.Sprintf("%s: of %d recorded decisions %d are the same", name, a.Recorded, a.Same)
	if a.First != "" {
		text += "; the first that differs: " + a.First
	}
	return text
}
