package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"idlehost/host/internal/lab/study"
	"idlehost/host/internal/lab/tune"
)

func runTune(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = Main(t.Context(), append([]string{"tune"}, args...), strings.NewReader(""), &out, &errs)
	return code, out.String(), errs.String()
}

// beatLog is a log of clients that come back every 20 s for a quarter of an
// hour, and are gone then: 8 at a time, for an hour and a half.
func beatLog(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("time_ms\tclient\tbytes\n")
	for ms := 0; ms < 3*1800_000; ms += 2500 {
		fmt.Fprintf(&b, "%d\t%d\t100\n", ms, ms/900_000*8+ms/2500%8)
	}
	path := filepath.Join(t.TempDir(), "beats.tsv")
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestTune(t *testing.T) {
	log := beatLog(t)
	result := filepath.Join(t.TempDir(), "result.json")
	args := []string{"--trace", log, "--policy", "fixed:timeout=10s", "--param", "timeout=1s..10m", "--out", result}
	code, out, errs := runTune(t, args...)
	if code != ExitOK || errs != "" {
		t.Fatalf("exit code %d: %s", code, errs)
	}
	for _, want := range []string{
		"on beats.tsv: fitted to the first 44m59s of 1h29m58s, judged by the rest.\n", "\nas it is ", "\ntuned ", "\nconstant 20.", "\ntimeout    20",
		"\nUse what was found: it costs ", "\n  host --plugin fixed --plugin-config timeout=20",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	written, err := os.ReadFile(result)
	if err != nil {
		t.Fatal(err)
	}
	var r tune.Result
	if err := json.Unmarshal(written, &r); err != nil || r.Keep || r.Version != tune.Version || len(r.Tried) != r.Trials {
		t.Errorf("%v: %+v", err, r)
	}
	code, out, errs = runTune(t, append(args, "--force", "--json", "--parallel", "3")...)
	if code != ExitOK || errs != "" || out != string(written) {
		t.Errorf("exit code %d, %q: again it is not the same: %s\n%s", code, errs, out, written)
	}
	if code, _, errs = runTune(t, args...); code == ExitOK || !strings.Contains(errs, "result.json") {
		t.Errorf("exit code %d, %q: it is overwritten", code, errs)
	}
}

func TestTuneMistakes(t *testing.T) {
	log := beatLog(t)
	empty := filepath.Join(t.TempDir(), "empty.tsv")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args, errs string
		code       int
	}{
		{"", "--policy: no policy is named", ExitUsage},
		{"--policy adaptive", "--param: nothing to search", ExitUsage},
		{"--policy adaptive --param prior=1..50", "--trace: ", ExitUsage},
		{"--policy fixd --param prior=1..50 --trace " + log, "fixd is neither a file nor a bundled policy", ExitUsage},
		{"--policy fixed:1s,2s --param timeout=1s..5m --trace " + log, "2 policies, want one", ExitUsage},
		{"--policy adaptive --param prior --trace " + log, "want NAME=LOW..HIGH", ExitUsage},
		{"--policy adaptive --param prior=5..1 --trace " + log, "not below", ExitUsage},
		{"--policy adaptive --param prior=1..50 --split 1 --trace " + log, "--split: 1 is not between 0 and 1", ExitUsage},
		{"--policy adaptive --param prior=1..50 --split NaN --trace " + log, "--split: NaN", ExitUsage},
		{"--policy adaptive --param prior=1..50 --trials -1 --trace " + log, "--trials: -1", ExitUsage},
		{"--policy adaptive --param prior=1..50 --param prior=1..5 --trace " + log, "prior is given twice", ExitError},
		{"--policy adaptive --param lambda=0.5..2.5 --trace " + log, "lambda=2.5", ExitError},
		{"--policy adaptive --param quality=1..5 --trace " + log, "quality", ExitError},
		{"--policy adaptive --param prior=1..50 --trace " + empty, "empty.tsv", ExitError},
		{"--policy adaptive --param prior=1..50 --trace " + log + ".gone", "no such file", ExitError},
		{"adaptive", "host tune takes no arguments, not 1", ExitUsage},
	} {
		code, out, errs := runTune(t, strings.Fields(c.args)...)
		if code != c.code || out != "" || !strings.Contains(errs, c.errs) {
			t.Errorf("%s: exit code %d, stdout %q, stderr %q; want %d and %q", c.args, code, out, errs, c.code, c.errs)
		}
	}
}

func TestTunedFitsATerminal(t *testing.T) {
	long := strings.Repeat("w", 300)
	c := tune.Contender{Params: map[string]string{long: long}, Train: tune.Sums{CostMs: 1e11}, Test: tune.Sums{CostMs: 1e11, HeldMs: 1e11, Gaps: 1e9, Premature: 1e7}}
	ratio := tune.Ratio{Value: 0.5123, Interval: study.Interval{Low: 0.4712, High: 0.9993}}
	r := tune.Result{Policy: "p", Params: []tune.Searched{{Name: long, Value: long, Range: long, Scale: "linear", Effect: 12345}},
		Default: c, Tuned: c, Fixed: &c, Ratio: ratio, ToFixed: &ratio, WorthMs: math.MaxInt32}
	var b bytes.Buffer
	if err := writeTuned(&b, "t", "m", &r); err != nil {
		t.Fatal(err)
	}
	table, _, _ := strings.Cut(b.String(), "\nUse what")
	for line := range strings.SplitSeq(table, "\n") {
		if n := len([]rune(line)); n > 100 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
}

func TestAdvice(t *testing.T) {
	for _, c := range []struct {
		value, low, high float64
		keep             bool
		want             string
	}{
		{0.9, 0.85, 0.95, false, "Use what was found: it costs 10.0 % less after the split,\nbetween 15.0 % less and 5.0 % less"},
		{0.998, 0.997, 0.9991, false, "better, though by little: it costs 0.20 % less"},
		{0.99, 0.9, 1.1, true, "may be\nchance: between 10.0 % less and 10.0 % more"},
		{1.2, 1.1, 1.3, true, "what fits the first part costs 20.0 % more"},
		{1, 1, 1, true, "costs the same"},
	} {
		r := tune.Result{Keep: c.keep, Ratio: tune.Ratio{Value: c.value, Interval: study.Interval{Low: c.low, High: c.high}}}
		if got := judgement(&r); !strings.Contains(got, c.want) {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

func TestSpansOfManyConnections(t *testing.T) {
	for _, c := range []struct {
		ms   int64
		want string
	}{
		{0, "0s"}, {61_000, "1m1s"}, {7200_000, "2.00 h"}, {9.996 * 3600_000, "10.0 h"}, {1022.44 * 3600_000, "1,022.4 h"},
		{1e15, "277,777,777 h"},
	} {
		if got := span(c.ms); got != c.want {
			t.Errorf("%d ms: %q, want %q", c.ms, got, c.want)
		}
	}
}

func TestCommandLineForAShell(t *testing.T) {
	got := commandLine("./my policy.wasm", map[string]string{"b": "it's", "a": "1.5"})
	if want := `host --plugin './my policy.wasm' --plugin-config a=1.5 --plugin-config 'b=it'\''s'`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
