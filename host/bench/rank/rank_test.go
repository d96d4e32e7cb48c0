package main

import (
	"os"
	"slices"
	"strings"
	"testing"

	"idlehost/host/internal/lab/study"
	"idlehost/plugins"
)

// The README's table is that of the committed results, and no bundled policy
// is missing from it.
func TestReadmeRanksEveryPolicy(t *testing.T) {
	raw, err := os.ReadFile("results.tsv")
	if err != nil {
		t.Fatal(err)
	}
	all, err := parse(string(raw))
	if err != nil {
		t.Fatal(err)
	}
	if format(all) != string(raw) {
		t.Error("results.tsv is not as it was written")
	}
	doc, err := os.ReadFile("../../../plugins/README.md")
	if err != nil {
		t.Fatal(err)
	}
	text, err := splice(string(doc), table(all))
	if err != nil {
		t.Fatal(err)
	}
	if text != string(doc) {
		t.Error("plugins/README.md: the table is not that of results.tsv: run make plugins-table")
	}
	for _, name := range plugins.Names() {
		if !strings.Contains(table(all), "| `"+name+"` |") {
			t.Errorf("%s is not ranked: run make plugins-table", name)
		}
		if !strings.Contains(string(doc), "]("+name+"/README.md)") {
			t.Errorf("plugins/README.md does not name %s", name)
		}
	}
}

func TestTable(t *testing.T) {
	s := &study.Study{
		Policies: []study.Outcome{
			{Name: "fixed", Source: "replay", Total: study.Tally{CostMs: 400, Asks: 10, Fuel: 305}},
			{Name: "share", Source: "replay", Total: study.Tally{CostMs: 100, Asks: 2, Fuel: 6000}},
			{Name: "fixed", Source: "recorded", Total: study.Tally{CostMs: 1}},
			{Name: "best fixed", Source: "replay", Total: study.Tally{CostMs: 100}},
		},
	}
	s.Bounds.BestFixed = study.Point{CostMs: 200, TimeoutMs: 3}
	s.Bounds.Clairvoyant = study.Point{CostMs: 50}
	all := results(s, "people", 30)
	s.Policies[1].Total.CostMs = 400
	all = append(all, results(s, "people", 600)...)
	want := "| | policy | mean | worst | people | fuel a question |\n" +
		"|---:|---|---:|---:|---|---:|\n" +
		"|  | clairvoyant | 0.25 | 0.25 | 0.25 0.25 | – |\n" +
		"| 1 | `share` | 1.00 | 2.00 | 0.50 2.00 | 3000 |\n" +
		"| 2 | `fixed` | 2.00 | 2.00 | 2.00 2.00 | 30 |\n"
	if got := table(all); got != want {
		t.Errorf("table\n%swant\n%s", got, want)
	}
	if back, err := parse(format(all)); err != nil || !slices.Equal(back, all) {
		t.Errorf("%+v, %v", back, err)
	}
}

func TestParseRefuses(t *testing.T) {
	for _, text := range []string{"", heading, "x\n", heading + "fixed\n", heading + "fixed t 30 1 0 1 1 1 1\n", heading + "fixed t 30 -1 5 1 1 1 1\n"} {
		if all, err := parse(text); err == nil {
			t.Errorf("%q: %+v", text, all)
		}
	}
}

func TestSplice(t *testing.T) {
	if got, err := splice("a\n"+begin+"old\n"+end+"z\n", "new\n"); err != nil || got != "a\n"+begin+"new\n"+end+"z\n" {
		t.Errorf("%q, %v", got, err)
	}
	for _, doc := range []string{"", begin, end} {
		if _, err := splice(doc, ""); err == nil {
			t.Errorf("%q was taken", doc)
		}
	}
}

func TestPlayWithoutRecordings(t *testing.T) {
	if _, err := play(t.Context(), "host", t.TempDir()); err == nil || !strings.Contains(err.Error(), "no recordings") {
		t.Errorf("%v", err)
	}
}
