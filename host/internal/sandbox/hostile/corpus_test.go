package hostile

import (
	"bytes"
	"regexp"
	"strings"
	"testing"

	"idlehost/host/internal/sandbox/gate"
)

// TestCorpus holds the corpus to what it promises its readers.
func TestCorpus(t *testing.T) {
	name := regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	seen := map[string]bool{}
	byClass := map[Class]int{}
	for _, a := range Corpus() {
		byClass[a.Class]++
		if !name.MatchString(a.Name) || seen[a.Name] {
			t.Errorf("%s: name is not one of its own", a.Name)
		}
		seen[a.Name] = true
		if !strings.HasSuffix(a.What, ".") || len(a.What) > 120 {
			t.Errorf("%s: %q is not a short sentence", a.Name, a.What)
		}
		if (a.Want.Outcome == Refused) != (a.Want.Rule != "") {
			t.Errorf("%s: wants to be %v with rule %q", a.Name, a.Want.Outcome, a.Want.Rule)
		}
	}
	for _, c := range Classes() {
		if byClass[c] < 10 {
			t.Errorf("class %s has %d attacks", c, byClass[c])
		}
		t.Logf("%-10s %d", c, byClass[c])
	}
	t.Logf("%d attacks", len(seen))
}

// TestCorpusIsTheSameEveryTime: a failure can be reproduced by name.
func TestCorpusIsTheSameEveryTime(t *testing.T) {
	second := Corpus()
	distinct := map[string]string{}
	for i, a := range Corpus() {
		wasm := a.Wasm()
		if !bytes.Equal(wasm, second[i].Wasm()) || !bytes.Equal(wasm, a.Wasm()) {
			t.Errorf("%s: module differs from one time to the next", a.Name)
		}
		if twin, ok := distinct[string(wasm)]; ok && a.Params == nil {
			t.Errorf("%s is the same module as %s", a.Name, twin)
		}
		distinct[string(wasm)] = a.Name
	}
}

// TestEveryRuleIsAttacked: a rule that nothing in the corpus breaks is a rule
// that nobody would miss.
func TestEveryRuleIsAttacked(t *testing.T) {
	attacked := map[string]bool{}
	for _, a := range Corpus() {
		attacked[a.Want.Rule] = true
	}
	for _, r := range gate.Rules() {
		if !attacked[string(r)] {
			t.Errorf("rule %q is not attacked", r)
		}
	}
}

func TestMutant(t *testing.T) {
	wasm := guest()()
	changed := 0
	for seed := range uint64(1000) {
		m := Mutant(wasm, seed)
		if !bytes.Equal(m, Mutant(wasm, seed)) {
			t.Fatalf("seed %d: mutant differs from one time to the next", seed)
		}
		if !bytes.Equal(m, wasm) {
			changed++
		}
	}
	if changed < 950 || !bytes.Equal(wasm, guest()()) {
		t.Errorf("%d of 1000 mutants are different, the original is whole: %v", changed, bytes.Equal(wasm, guest()()))
	}
	for n := range 12 {
		Mutant(make([]byte, n), uint64(n))
	}
}
