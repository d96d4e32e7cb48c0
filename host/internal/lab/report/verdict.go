package report

import (
	"fmt"
	"slices"

	"idlehost/host/internal/lab/study"
)

// live are the sources of outcomes that no replay of ours has produced.
func live(o *study.Outcome) bool { return o.Source != "" && o.Source != "replay" }

// reference reports whether an outcome is that of the best fixed timeout, which a
// replay plays unasked.
func reference(o *study.Outcome) bool {
	return o.Source == "replay" && o.Module == "fixed" && o.Name == "best fixed"
}

// ranked returns the outcomes by what they cost, the cheapest first, those of
// replays before those that were recorded.
func ranked(s *study.Study) []*study.Outcome {
	list := make([]*study.Outcome, len(s.Policies))
	for i := range s.Policies {
		list[i] = &s.Policies[i]
	}
	slices.SortStableFunc(list, func(a, b *study.Outcome) int {
		if live(a) != live(b) {
			if live(a) {
				return 1
			}
			return -1
		}
		switch {
		case a.Total.CostMs < b.Total.CostMs:
			return -1
		case a.Total.CostMs > b.Total.CostMs:
			return 1
		}
		return 0
	})
	return list
}

// headline is the answer in a sentence, under the price of the setting.
// assets/answer.js says the same under any other.
func headline(s *study.Study) string {
	best := &s.Bounds.BestFixed
	fixed := fmt.Sprintf("the best fixed timeout, %s", timeout(best.TimeoutMs))
	list := slices.DeleteFunc(ranked(s), reference)
	switch {
	case len(list) == 0:
		return fmt.Sprintf("No policy was replayed; the best fixed timeout is %s.", timeout(best.TimeoutMs))
	case s.Trace.Gaps == 0:
		return "No client came back in this trace: there was nothing to hold a connection for."
	}
	p := list[0]
	name := printable(p.Name)
	if best.CostMs <= 0 {
		return fmt.Sprintf("%s costs %s of holding; %s, costs nothing.", name, duration(float64(p.Total.CostMs)), fixed)
	}
	text := name + " costs " + against(part(p.Total.CostMs, best.CostMs)) + " " + fixed
	if saving := best.CostMs - s.Bounds.Clairvoyant.CostMs; saving > 0 && p.Total.CostMs < best.CostMs {
		text += fmt.Sprintf("; of the saving that exists it takes %s", percent(part(best.CostMs-p.Total.CostMs, saving)))
	}
	return text + "."
}

// against says what a ratio of costs means.
func against(ratio float64) string {
	switch text := percent(ratio - 1); {
	case text == percent(0) || text == "-"+percent(0):
		return "as much as"
	case ratio >= 2:
		return digits(ratio) + " times as much as"
	case ratio > 1:
		return text + " more than"
	}
	return percent(1-ratio) + " less than"
}

// subject says what was replayed, and under which price.
func subject(s *study.Study) string {
	t := &s.Trace
	return fmt.Sprintf("%s: %s requests of %s clients in %s. A reconnect is worth %s of holding.", printable(t.Name),
		number(float64(t.Requests)), number(float64(t.Clients)), duration(float64(t.SpanMs)), duration(float64(s.Setting.WorthMs)))
}

// counted is the part of the trace that the sums are of, in milliseconds.
func counted(s *study.Study) int64 { return s.Trace.SpanMs - s.Setting.WarmupMs }
