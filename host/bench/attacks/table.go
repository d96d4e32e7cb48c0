package attacks

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Table renders every attack, the worst first. The earlier figures of one that
// was played again follow those that count.
func (r *Results) Table() string {
	list := slices.Clone(r.list)
	slices.SortStableFunc(list, func(a, b *Result) int {
		x, y := a.last(), b.last()
		if x.Refused != y.Refused {
			if x.Refused {
				return 1
			}
			return -1
		}
		switch d := y.Ratio() - x.Ratio(); {
		case d < 0:
			return -1
		case d > 0:
			return 1
		}
		return 0
	})
	var b strings.Builder
	b.WriteString("| attack | class | outcome | p99 quiet | p99 beside it | ratio | worst deadline | played before: ratio, deadline |\n|---|---|---|---:|---:|---:|---:|---|\n")
	for _, of := range list {
		p, quiet, beside, ratio := of.last(), "", "", ""
		if !p.Refused {
			quiet, beside, ratio = millis(p.Quiet), millis(p.Beside), fmt.Sprintf("%.2f", p.Ratio())
		}
		var before []string
		for _, p := range of.Plays[:len(of.Plays)-1] {
			before = append(before, fmt.Sprintf("%.2f, %s", p.Ratio(), deadline(p.Late)))
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s | %s |\n", p.Name, p.Class, strings.ReplaceAll(p.Outcome, "|", "/"),
			quiet, beside, ratio, deadline(p.Late), strings.Join(before, "; "))
	}
	return b.String()
}

func millis(d time.Duration) string { return fmt.Sprintf("%.2f ms", d.Seconds()*1000) }

// deadline is when an idle connection was closed that should be after a second.
func deadline(late time.Duration) string {
	return fmt.Sprintf("%.3f s", (time.Second + late).Seconds())
}

// class is what the attacks of a class have come to.
type class struct {
	name           string
	plays, refused int
	firsts, counts []float64 // ratios of the first plays, and of those that count
	over, overOnce int       // attacks over MaxRatio, as it counts and at first
	late, lateOnce time.Duration
	overdue        int // attacks over MaxLate, as it counts
}

func (c *class) add(of *Result) {
	c.plays++
	for _, p := range of.Plays {
		c.lateOnce = max(c.lateOnce, p.Late)
	}
	first, last := of.first(), of.last()
	c.late = max(c.late, last.Late)
	if last.Late > MaxLate {
		c.overdue++
	}
	if last.Refused {
		c.refused++
		return
	}
	c.firsts, c.counts = append(c.firsts, first.Ratio()), append(c.counts, last.Ratio())
	if first.Ratio() > MaxRatio {
		c.overOnce++
	}
	if last.Ratio() > MaxRatio {
		c.over++
	}
}

func (c *class) row() string {
	median, worst := "", ""
	if len(c.counts) > 0 {
		median, worst = fmt.Sprintf("%.2f", middle(c.firsts)), fmt.Sprintf("%.2f", slices.Max(c.counts))
	}
	return fmt.Sprintf("| %s | %d | %d | %s | %s | %d (%d) | %s (%s) |\n", c.name, c.plays, c.refused,
		median, worst, c.over, c.overOnce, deadline(c.late), deadline(c.lateOnce))
}

// classes sums up the attacks by class, in the order in which they were played,
// and all but the controls.
func (r *Results) classes() (list []*class, all *class) {
	all = &class{name: "all attacks"}
	for _, of := range r.list {
		name := of.first().Class
		i := slices.IndexFunc(list, func(c *class) bool { return c.name == name })
		if i < 0 {
			i, list = len(list), append(list, &class{name: name})
		}
		list[i].add(of)
		if name != Control {
			all.add(of)
		}
	}
	// What there is without an attack is read beside the sum.
	slices.SortStableFunc(list, func(a, b *class) int { return isControl(a) - isControl(b) })
	return list, all
}

func isControl(c *class) int {
	if c.name == Control {
		return 1
	}
	return 0
}

// Summary renders a row for each class, one for all attacks, and one for the
// controls.
func (r *Results) Summary() string {
	list, all := r.classes()
	if n := len(list); n > 0 && list[n-1].name == Control {
		list = slices.Insert(list, n-1, all)
	} else {
		list = append(list, all)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "| attacks | | refused | median ratio of p99 | worst | above %.1f (at first) | worst deadline (at any time) |\n|---|---:|---:|---:|---:|---:|---:|\n", MaxRatio)
	for _, c := range list {
		b.WriteString(c.row())
	}
	fmt.Fprintf(&b, "\nThe p99 of the neighbour's requests beside an attack, over that right before and after it; "+
		"its idle connections are due after one second. An attack over %.1f, or later than %s, was played up to %d times: "+
		"the last one counts, the median is that of the first plays", MaxRatio, deadline(MaxLate), Tries)
	if len(r.About) > 0 {
		b.WriteString("; " + strings.Join(r.About, "; "))
	}
	b.WriteString(".\n")
	return b.String()
}

// Verdict says in one line what counts.
func (r *Results) Verdict() string {
	_, all := r.classes()
	worst := 0.0
	if len(all.counts) > 0 {
		worst = slices.Max(all.counts)
	}
	return fmt.Sprintf("%d attacks, %d refused: worst ratio %.2f, %d above %.1f (%d at first); worst deadline %s, %d attacks above %s (%s at any time)",
		all.plays, all.refused, worst, all.over, MaxRatio, all.overOnce, deadline(all.late), all.overdue, deadline(MaxLate), deadline(all.lateOnce))
}

// middle returns the median.
func middle(list []float64) float64 {
	list = slices.Sorted(slices.Values(list))
	n := len(list)
	return (list[(n-1)/2] + list[n/2]) / 2
}
