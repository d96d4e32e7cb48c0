package report_test

import (
	"errors"
	"math"
	"strings"
	"testing"
	"unicode/utf8"

	"idlehost/host/internal/lab/report"
	"idlehost/host/internal/lab/study"
)

func table(t *testing.T, s *study.Study, width int) string {
	t.Helper()
	var b strings.Builder
	if err := report.Table(&b, s, width); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestTableRanksByCost(t *testing.T) {
	s := sample()
	s.Policies[0].Agreement = &study.Agreement{Recorded: 1_234_567, Same: 1_234_566, First: "at 3 s"}
	text := table(t, s, 120)
	last := -1
	for _, name := range []string{"adaptive  ", "fixed 75s  ", "fixed 300s  ", "fixed 28s  ", "fixed 5s  ", "canary (shadow)  "} {
		at := strings.Index(text, "\n"+name)
		if at <= last {
			t.Errorf("%s is not where its cost puts it:\n%s", name, text)
		}
		last = at
	}
	for _, want := range []string{"adaptive costs", "less than the best fixed timeout", "of the saving that exists it takes",
		"clairvoyant", "ski rental", "fitted on half",
		"- fixed 28s closes 2 s under the 30 s beat of 212 clients", "- the last 600 connections", "useful", "0.4 % more held time",
		": of 1234567 recorded decisions 1234566 are the same; the first that differs: at 3 s"} {
		if !strings.Contains(strings.Join(strings.Fields(text), " "), want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
}

func TestTableFitsEveryWidth(t *testing.T) {
	s := sample()
	s.Policies[0].Name = strings.Repeat("quantile=0.95,", 9)
	for width := 40; width <= 200; width++ {
		text := table(t, s, width)
		for line := range strings.SplitSeq(text, "\n") {
			if utf8.RuneCountInString(line) > width && strings.Contains(strings.TrimSpace(line), " ") && !strings.HasPrefix(line, "quantile=0.95,q") {
				t.Fatalf("%d columns do not hold %q", width, line)
			}
		}
		if !strings.Contains(text, "to fixed") {
			t.Fatalf("%d columns have no room for what matters:\n%s", width, text)
		}
	}
}

// TestTableIsHarmless: names come from uploads, logs and command lines.
func TestTableIsHarmless(t *testing.T) {
	s := sample()
	evil := "\x1b]0;owned\x07\n\u202eevil\x9b31m"
	s.Trace.Name, s.Policies[0].Name, s.Policies[1].Source = evil, evil, evil
	s.Notes, s.Cliffs[0].Text, s.Spikes[0].Policy = []string{evil}, evil, evil
	if text := table(t, s, 80); strings.ContainsAny(text, "\x1b\x07\u202e\u009b") || strings.Contains(text, "\nevil") {
		t.Errorf("the terminal obeys %q", text)
	}
}

func TestTableOfLittle(t *testing.T) {
	for name, s := range map[string]*study.Study{
		"nothing":   {},
		"no gaps":   {Policies: []study.Outcome{{Name: "adaptive"}}},
		"no policy": {Trace: study.Trace{Gaps: 3, SpanMs: 5}, Bounds: study.Bounds{BestFixed: study.Point{TimeoutMs: 500, CostMs: 3}}},
		"huge": {Trace: study.Trace{Gaps: math.MaxInt64, SpanMs: 1, Requests: math.MaxInt64}, Policies: []study.Outcome{{Total: study.Tally{
			CostMs: math.MaxInt64, HeldMs: math.MaxInt64, Premature: math.MaxInt64, Gaps: 1}}}, Bounds: study.Bounds{BestFixed: study.Point{CostMs: 1}}},
	} {
		text := table(t, s, 60)
		for _, nonsense := range []string{"NaN", "Inf", "%!", "<nil>"} {
			if strings.Contains(text, nonsense) {
				t.Errorf("%s: %s", name, text)
			}
		}
	}
}

// TestHeadline holds the answer to what it may say.
func TestHeadline(t *testing.T) {
	for _, c := range []struct {
		cost, best, least int64
		want              string
	}{
		{920, 1000, 800, "adaptive costs 8 % less than the best fixed timeout, 63.6 s; of the saving that exists it takes 40 %."},
		{1000, 1000, 800, "adaptive costs as much as the best fixed timeout, 63.6 s."},
		{1130, 1000, 800, "adaptive costs 13 % more than the best fixed timeout, 63.6 s."},
		{3560, 1000, 800, "adaptive costs 3.56 times as much as the best fixed timeout, 63.6 s."},
		{5, 0, 0, "adaptive costs 5 ms of holding; the best fixed timeout, 63.6 s, costs nothing."},
	} {
		s := &study.Study{Trace: study.Trace{Gaps: 1}, Policies: []study.Outcome{{Name: "adaptive", Total: study.Tally{CostMs: c.cost}}}}
		s.Bounds.BestFixed = study.Point{TimeoutMs: 63_600, CostMs: c.best}
		s.Bounds.Clairvoyant.CostMs = c.least
		if text := table(t, s, 200); !strings.Contains(text, c.want) {
			t.Errorf("want %q in\n%s", c.want, text)
		}
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("full") }

func TestTableTellsOfAFullDisk(t *testing.T) {
	if err := report.Table(full{}, sample(), 80); err == nil {
		t.Error("the table was lost in silence")
	}
}
