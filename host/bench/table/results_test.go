package main

import (
	"strings"
	"testing"
)

const raw = `goos: linux
cpu: Some Processor
BenchmarkProxy/proxy=bare/round=1-2          30000   80000 ns/op   50.00 cpu-us/req
BenchmarkProxy/proxy=bare-pooled/round=1-2   30000   80000 ns/op   45.00 cpu-us/req
BenchmarkProxy/proxy=native/round=1-2        30000   80000 ns/op   55.00 cpu-us/req
BenchmarkProxy/proxy=adaptive/round=1-2      30000   80000 ns/op   50.00 cpu-us/req
BenchmarkProxy/proxy=native/round=2-2        30000   80000 ns/op   100.0 cpu-us/req
BenchmarkProxy/proxy=adaptive/round=2-2      30000   80000 ns/op   110.0 cpu-us/req
BenchmarkProxy/proxy=bare/round=2-2          30000   80000 ns/op   100.0 cpu-us/req
BenchmarkProxy/proxy=bare-pooled/round=2-2   30000   80000 ns/op   90.00 cpu-us/req
PASS
`

func TestTable(t *testing.T) {
	r, err := parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	got := r.table()
	for _, want := range []string{
		"alone | 75.0 us | 1.00 |",
		"native policy | 77.5 us | 1.05 |", // ratios 1.1 and 1.0
		"`adaptive.wasm` | 80.0 us | 1.05 |",
		"2 interleaved rounds of 30000 requests; Some Processor.",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for name, raw := range map[string]string{
		"empty":           "",
		"one proxy only":  "BenchmarkProxy/proxy=bare/round=1-2 30 8 ns/op 50.00 cpu-us/req\n",
		"a missing round": strings.Replace(raw, "proxy=native/round=2", "proxy=other/round=2", 1),
		"a zero":          strings.Replace(raw, "55.00", "0.00", 1),
		"two dots":        strings.Replace(raw, "55.00", "5.5.00", 1),
	} {
		if r, err := parse(raw); err == nil {
			t.Errorf("%s: accepted: %v", name, r)
		}
	}
}

func TestSplice(t *testing.T) {
	begin, end := markers("bench")
	doc := "before\n" + begin + "old\n" + end + "after\n"
	got, err := splice(doc, "bench", "new\n")
	if want := "before\n" + begin + "new\n" + end + "after\n"; err != nil || got != want {
		t.Errorf("splice = %q, %v; want %q", got, err, want)
	}
	for _, bad := range []string{"", begin, end, end + begin} {
		if _, err := splice(bad, "bench", "new\n"); err == nil {
			t.Errorf("splice(%q) accepted", bad)
		}
	}
	if _, err := splice(doc, "attacks", "new\n"); err == nil {
		t.Error("results go between the markers of others")
	}
}
