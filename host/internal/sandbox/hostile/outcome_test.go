package hostile

import (
	"fmt"
	"strings"
	"testing"
	"text/tabwriter"

	"idlehost/host/internal/policy"
	"idlehost/host/longtest"
)

// TestOutcomes takes every attack through gate, meter and engine, in a process
// that it must neither kill, nor freeze, nor fill. In the long form each attack
// has a process of its own; else a process judges until an attack breaks it.
func TestOutcomes(t *testing.T) {
	var table tally
	corpus := Corpus()
	alone := longtest.Count(t, 1, len(corpus), "processes") == len(corpus)
	w := newWorker(t)
	defer func() { w.stop() }()
	renew := func() { w.stop(); w = newWorker(t) }
	for _, a := range corpus {
		t.Run(a.Name, func(t *testing.T) {
			v, err := w.judge(a.Wasm(), a.Params)
			if err != nil || alone {
				renew()
			}
			table.count(a.Class, v, err)
			switch {
			case err != nil:
				t.Errorf("%v; wanted: %v", err, a.Want)
			case v.Broken+v.Forged != "":
				t.Errorf("broke a promise: %s %s", v.Broken, v.Forged)
			case !a.Want.met(v):
				t.Errorf("got %v, rule %q, fault %v: %s\nwant %v, rule %q, fault %v",
					v.Outcome, v.Rule, v.Fault, v.Text, a.Want.Outcome, a.Want.Rule, a.Want.Fault)
			}
		})
	}
	t.Log(table.String())
}

// met reports whether a module came to the end that it should.
func (want Want) met(v verdict) bool {
	if want.Outcome == Bounded {
		return v.Outcome <= Harmless
	}
	return v.Outcome == want.Outcome && v.Rule == want.Rule &&
		(want.Fault == policy.FaultNone || v.Fault == want.Fault)
}

// TestMutants: whatever a module is, it is accepted or refused within the
// bounds.
func TestMutants(t *testing.T) {
	per := longtest.Count(t, 1, 8, "mutants of each attack")
	w := newWorker(t)
	defer func() { w.stop() }()
	var table tally
	for i, a := range Corpus() {
		wasm := a.Wasm()
		if len(wasm) > 64<<10 {
			continue
		}
		for n := range per {
			seed := uint64(i*per + n)
			m := Mutant(wasm, seed)
			v, err := w.judge(m, a.Params)
			table.count(a.Class, v, err)
			if err == nil && v.Broken+v.Forged == "" {
				continue
			}
			t.Errorf("%s, seed %d: %v %s %s\n%s", a.Name, seed, err, v.Broken, v.Forged, firstOf(m))
			if err != nil {
				w.stop()
				w = newWorker(t)
			}
		}
	}
	t.Log(table.String())
}

// tally is a table of outcomes by class.
type tally struct {
	n       map[Class]*[Harmless + 2]int // by outcome; the last: out of bounds
	cpu, kb map[Class]int64
}

func (y *tally) count(c Class, v verdict, err error) {
	if y.n == nil {
		y.n, y.cpu, y.kb = map[Class]*[Harmless + 2]int{}, map[Class]int64{}, map[Class]int64{}
	}
	if y.n[c] == nil {
		y.n[c] = new([Harmless + 2]int)
	}
	if err != nil {
		y.n[c][Harmless+1]++
	} else {
		y.n[c][v.Outcome]++
	}
	y.cpu[c], y.kb[c] = max(y.cpu[c], v.CPU), max(y.kb[c], v.Peak)
}

// String returns the table.
func (y *tally) String() string {
	var b strings.Builder
	out := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprint(out, "\nclass\t")
	for o := range Harmless + 1 {
		fmt.Fprintf(out, "%v\t", o)
	}
	fmt.Fprintln(out, "out of bounds\tmost CPU ms\tmost KiB")
	for _, c := range Classes() {
		if y.n[c] == nil {
			continue
		}
		fmt.Fprintf(out, "%s\t", c)
		for _, n := range y.n[c] {
			fmt.Fprintf(out, "%d\t", n)
		}
		fmt.Fprintf(out, "%d\t%d\n", y.cpu[c], y.kb[c])
	}
	_ = out.Flush()
	return b.String()
}
