package tenants

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"idlehost/host/bench/attacks"
	"idlehost/host/internal/policy"
	"idlehost/host/internal/sandbox/engine"
	"idlehost/host/internal/sandbox/hostile"
	"idlehost/sdk/abi"
)

// BenchmarkAttacks tells what a tenant sees while another one attacks: what its
// requests take, and how late its idle connections are closed. The attacker
// uploads a module of the corpus, disguised so that the check finds nothing
// (hostile.Disguise), promotes it, and has 48 connections that are asked about
// as often as the operator's floor allows: they stay, or come and go. Or it does
// something else that its connections and its token let it do (acts).
//
// All attacks are played on one host, each by a tenant of its own, while the
// neighbour's clients go on. A play is a window beside the attack between two
// quiet ones, the second of which is the first of the next play. One that the
// neighbour sees more of than it may is played again, by a new tenant, up to
// twice before it counts. Among them are plays without an attacker, and beside
// one whose policy is sound: what these show is noise, or what any traffic costs.
//
//	go test -run '^$' -bench Attacks -benchtime 1x -timeout 90m ./host/bench/tenants
//
// ATTACKS names attacks, classes or acts to be played instead of all, or says
// "2/4" for the second quarter of them, or "sample" for one of eight. Plays are
// added to the file RESULTS, attacks.new by default; what stands there already,
// of the same program, is not played again.
func BenchmarkAttacks(b *testing.B) {
	which, err := parseChoice(os.Getenv("ATTACKS"))
	if err != nil {
		b.Fatal(err)
	}
	out := openRecord(b)
	list := slices.DeleteFunc(which.of(repertoire(b)), func(p played) bool { return out.results.Of(p.name).Settled() })
	s := newAttackBench(b)
	begun := time.Now()
	for n, p := range list {
		for !out.results.Of(p.name).Settled() {
			again := ""
			if out.results.Of(p.name) != nil {
				again = ", again"
			}
			play := s.play(b, p)
			out.add(b, play)
			left := time.Since(begun) / time.Duration(n+1) * time.Duration(len(list)-n-1)
			fmt.Fprintf(os.Stderr, "[%d/%d, %s left] %s%s: %s\n", n+1, len(list), left.Round(time.Second), p.name, again, glance(play))
		}
	}
	b.ReportMetric(0, "ns/op")
	b.Logf("\n%s\n%s\n%s", out.results.Table(), out.results.Summary(), out.results.Verdict())
}

// glance is a play in a line.
func glance(p *attacks.Play) string {
	if p.Refused {
		return fmt.Sprintf("%s; deadline +%.0f ms", p.Outcome, ms(p.Late))
	}
	return fmt.Sprintf("p99 %.2f of %.2f ms, %.2f; deadline +%.0f of +%.0f ms; %d requests, %.2f processors; %s",
		ms(p.Beside), ms(p.Quiet), p.Ratio(), ms(p.Late), ms(p.QuietLate), p.Requests, p.CPU, p.Outcome)
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// choice is which plays of the repertoire are wanted.
type choice struct {
	part, parts int // the plays are dealt out to parts
	names       []string
}

func parseChoice(text string) (c choice, err error) {
	if text == "sample" {
		return choice{part: 1, parts: 8}, nil
	}
	if text != "" && text[0] >= '0' && text[0] <= '9' {
		if n, err := fmt.Sscanf(text, "%d/%d", &c.part, &c.parts); n != 2 || err != nil || c.part < 1 || c.part > c.parts {
			return c, fmt.Errorf("ATTACKS=%s: want a part like 2/4", text)
		}
		return c, nil
	}
	return choice{names: strings.Fields(text)}, nil
}

func (c choice) of(all []played) (list []played) {
	for i, p := range all {
		if c.parts > 0 && i%c.parts != c.part-1 {
			continue
		}
		base, _, _ := strings.Cut(p.name, "/")
		wanted := func(name string) bool { return name == p.name || name == p.class || name == base }
		if len(c.names) == 0 || slices.ContainsFunc(c.names, wanted) {
			list = append(list, p)
		}
	}
	return list
}

func TestChoice(t *testing.T) {
	all := []played{{name: "a", class: "x"}, {name: "a/coming", class: "x"}, {name: "b", class: "x"}, {name: "c", class: "y"}}
	for text, want := range map[string]string{
		"": "a a/coming b c", "2/3": "a/coming", "1/3": "a c", "a c": "a a/coming c", "a/coming": "a/coming", "y": "c", "sample": "a",
	} {
		c, err := parseChoice(text)
		var got []string
		for _, p := range c.of(all) {
			got = append(got, p.name)
		}
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("%q: %q, %v; want %q", text, got, err, want)
		}
	}
	for _, bad := range []string{"0/3", "4/3", "1/x"} {
		if c, err := parseChoice(bad); err == nil {
			t.Errorf("%q is taken for %+v", bad, c)
		}
	}
}

// played is one attack of the repertoire.
type played struct {
	name, class string
	// arm has a new tenant ready; an error is the host's refusal.
	arm func(s *attackBench, b *testing.B, tenant string) (turn, error)
}

// controlEvery is how many attacks there are for one play without.
const controlEvery = 20

// repertoire lists all plays.
func repertoire(b *testing.B) (list []played) {
	var attacking []played
	all := append(hostile.Corpus(), fitted(b)...)
	for _, a := range all {
		attacking = append(attacking, module(a, idling))
		if strings.HasPrefix(a.Name, "fitted-") {
			attacking = append(attacking, module(a, coming))
		}
	}
	attacking = append(attacking, alliances(all)...)
	for _, c := range acts() {
		attacking = append(attacking, acting(c.name))
	}
	for i, p := range attacking {
		if i%controlEvery == 0 {
			n := i/controlEvery + 1
			list = append(list, nobody(n), soundly(n))
		}
		list = append(list, p)
	}
	return list
}

// fitted returns the attacks whose questions use what fuel they have, and no
// more. One that the host refuses is left out.
func fitted(b *testing.B) (list []hostile.Attack) {
	ctx := context.Background()
	e, err := engine.New(ctx, engine.Config{})
	if err != nil {
		b.Fatal(err)
	}
	defer e.Close()
	for _, f := range hostile.FittedAttacks() {
		a, err := f.Fit(e.Budgets().Call, func(wasm []byte) (int64, error) {
			p, err := e.Load(ctx, engine.Source{Name: f.Name, Wasm: wasm})
			if err != nil {
				return 0, err
			}
			defer p.Close()
			ask := &policy.Ask{}
			ask.Event.Kind = uint8(abi.KindTimeout)
			p.Decide(ask)
			return int64(p.Stats().FuelLast[abi.KindTimeout]), nil
		})
		if err != nil {
			b.Logf("not in force: %.160s", err)
			continue
		}
		list = append(list, a)
	}
	return list
}
