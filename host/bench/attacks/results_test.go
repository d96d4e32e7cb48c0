package attacks

import (
	"strings"
	"testing"
	"time"
)

const us = time.Microsecond

func play(name, class string, quiet, beside, late time.Duration) *Play {
	return &Play{Name: name, Class: class, Outcome: "answers", Quiet: quiet, Beside: beside, Late: late, Requests: 7, CPU: 0.25}
}

// sample is attacks of two classes: one that held at once, one that did the
// second time, one that never did, and one that was refused; and a control.
func sample() string {
	refused := &Play{Name: "bad-magic", Class: "decoder", Outcome: "no\tmodule\nat all", Refused: true, Late: 12 * time.Millisecond}
	lines := []string{"# some processor"}
	for _, p := range []*Play{
		play("nobody-1", Control, 1000*us, 1000*us, 9*time.Millisecond),
		play("held", "runtime", 1000*us, 900*us, 10*time.Millisecond),
		play("once", "runtime", 1000*us, 2000*us, 40*time.Millisecond),
		play("once", "runtime", 1000*us, 1050*us, 11*time.Millisecond),
		refused,
		play("never", "memory", 1000*us, 1500*us, 10*time.Millisecond),
		play("never", "memory", 1000*us, 1400*us, 10*time.Millisecond),
		play("never", "memory", 1000*us, 1300*us, 50*time.Millisecond),
	} {
		lines = append(lines, p.String())
	}
	return strings.Join(lines, "\n") + "\n"
}

func parsed(t *testing.T) *Results {
	t.Helper()
	r, err := Parse(sample())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestPlayRoundTrip(t *testing.T) {
	want := play("a", "b", 1234*us, 5678*us, 9*us)
	got, err := parse(want.String())
	if err != nil || *got != *want {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
}

func TestSettled(t *testing.T) {
	r := parsed(t)
	for _, name := range []string{"held", "once", "never", "bad-magic"} {
		if !r.Of(name).Settled() {
			t.Errorf("%s would be played again", name)
		}
	}
	if r.Of("other").Settled() {
		t.Error("what was not played is settled")
	}
	for _, p := range []*Play{play("slow", "x", 100*us, 111*us, 0), play("late", "x", 100*us, 100*us, 31*time.Millisecond)} {
		for n := range Tries {
			r.Add(p)
			if got, want := r.Of(p.Name).Settled(), n == Tries-1; got != want {
				t.Errorf("%s after %d plays: settled %v", p.Name, n+1, got)
			}
		}
	}
}

func TestTable(t *testing.T) {
	rows := strings.Split(parsed(t).Table(), "\n")[2:]
	want := []string{
		"| never | memory | answers | 1.00 ms | 1.30 ms | 1.30 | 1.050 s | 1.50, 1.010 s; 1.40, 1.010 s |",
		"| once | runtime | answers | 1.00 ms | 1.05 ms | 1.05 | 1.011 s | 2.00, 1.040 s |",
		"| nobody-1 | control | answers | 1.00 ms | 1.00 ms | 1.00 | 1.009 s |  |",
		"| held | runtime | answers | 1.00 ms | 0.90 ms | 0.90 | 1.010 s |  |",
		"| bad-magic | decoder | no module at all |  |  |  | 1.012 s |  |",
		"",
	}
	for i := range want {
		if i >= len(rows) || rows[i] != want[i] {
			t.Fatalf("row %d: want %s in\n%s", i, want[i], strings.Join(rows, "\n"))
		}
	}
}

func TestSummary(t *testing.T) {
	got := parsed(t).Summary()
	for _, want := range []string{
		"| runtime | 2 | 0 | 1.45 | 1.05 | 0 (1) | 1.011 s (1.040 s) |\n", // firsts 0.9 and 2.0
		"| decoder | 1 | 1 |  |  | 0 (0) | 1.012 s (1.012 s) |\n",
		"| memory | 1 | 0 | 1.50 | 1.30 | 1 (1) | 1.050 s (1.050 s) |\n",
		"| all attacks | 4 | 1 | 1.50 | 1.30 | 1 (2) | 1.050 s (1.050 s) |\n| control | 1 | 0 | 1.00 | 1.00 | 0 (0) | 1.009 s (1.009 s) |\n",
		"; some processor.\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	const verdict = "4 attacks, 1 refused: worst ratio 1.30, 1 above 1.1 (2 at first); worst deadline 1.050 s, 1 attacks above 1.030 s (1.050 s at any time)"
	if got := parsed(t).Verdict(); got != verdict {
		t.Errorf("verdict %s\nwant    %s", got, verdict)
	}
}

func TestNothingMeasured(t *testing.T) {
	r, err := Parse("")
	if err != nil {
		t.Fatal(err)
	}
	if got := r.Summary(); !strings.Contains(got, "| all attacks | 0 | 0 |") {
		t.Error(got)
	}
}

func TestParseRefuses(t *testing.T) {
	good := play("a", "b", us, us, us).String()
	for _, bad := range []string{"\n", good + "\tmore", strings.Replace(good, "0.250", "much", 1), strings.Replace(good, "\t7\t", "\tx\t", 1), strings.Replace(good, "\t1\t", "\tx\t", 1)} {
		if _, err := Parse(bad); err == nil {
			t.Errorf("accepted: %q", bad)
		}
	}
}
