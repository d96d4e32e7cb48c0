package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// rowHold is processor time of idle connections: nothing is asked but the
// policy, by the host.
const rowHold = "hold"

// holdStill lets all contestants hold connections in the same minute. The
// host's policy is asked about each every five seconds.
func (p *plan) holdStill(ctx context.Context) error {
	all, err := p.stage(ctx, governed)
	if err != nil {
		return err
	}
	defer strike(all)
	for _, e := range all {
		p.grow(e, http1, p.holdConns, true)
	}
	p.progress("all hold %d connections", p.holdConns)
	const policyTurn = 5 * time.Second // the first questions fall into it
	if err := pause(ctx, max(p.settle, policyTurn)); err != nil {
		return err
	}
	before := p.spent(ctx, all)
	if err := pause(ctx, p.holdTime); err != nil {
		return err
	}
	after := p.spent(ctx, all)
	for _, e := range turns(all, 0) {
		r, err := e.crew.askAll()
		if err != nil {
			p.drop(e, err)
			continue
		}
		p.complain(e, r)
		cpu, asked := after[e].since(before[e])
		if err := p.keepRecord(record{rowHold, "h1", p.holdConns, e.name, 1, []value{
			{cpu.Seconds() * 1e3, cpuMinute}, {asked, asks}, {float64(e.lost + r.Failed), failed},
		}}); err != nil {
			return err
		}
	}
	return nil
}

// governed puts a policy in charge, and lets its questions be counted.
func governed(s *setting) { s.Policy = "hold" }

// spending is what a contestant has taken up to a time.
type spending struct {
	at    time.Time
	cpu   time.Duration
	asked float64 // questions to a policy
}

// since returns what was taken meanwhile, for a minute.
func (s spending) since(t spending) (cpu time.Duration, asked float64) {
	minutes := s.at.Sub(t.at).Minutes()
	return time.Duration(float64(s.cpu-t.cpu) / minutes), (s.asked - t.asked) / minutes
}

// spent reads processor times. What it costs to count the questions is within
// a minute once.
func (p *plan) spent(ctx context.Context, all []*entrant) map[*entrant]spending {
	m := map[*entrant]spending{}
	for _, e := range turns(all, 0) {
		var s spending
		var err error
		if s.asked, err = e.asked(ctx); err == nil {
			s.at = time.Now()
			s.cpu, _, err = usage(e.group)
		}
		if err != nil {
			p.drop(e, err)
		}
		m[e] = s
	}
	return m
}

// asked is how often the host has asked its policy at a timeout; 0 for those
// that have none.
func (e *entrant) asked(ctx context.Context) (float64, error) {
	if e.conf != "host.toml" || e.Admin == "" {
		return 0, nil
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+e.Admin+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err
	}
	return sumOf(string(text), "host_policy_asks_total{", `event="timeout"`, `outcome="extend"`)
}

// sumOf adds up the samples of a metric whose line contains all of the parts.
func sumOf(text, metric string, parts ...string) (sum float64, err error) {
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, metric) || !containsAll(line, parts) {
			continue
		}
		f := strings.Fields(line)
		v, err := strconv.ParseFloat(f[len(f)-1], 64)
		if err != nil {
			return 0, fmt.Errorf("%q: %w", line, err)
		}
		sum += v
	}
	return sum, nil
}

func containsAll(s string, parts []string) bool {
	for _, p := range parts {
		if !strings.Contains(s, p) {
			return false
		}
	}
	return true
}
