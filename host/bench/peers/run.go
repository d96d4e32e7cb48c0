package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"runtime"
	"slices"
	"time"
)

// run measures, writes the raw results as they come, and the tables at the end.
func (p *plan) run(ctx context.Context) (err error) {
	if err := p.afford(); err != nil {
		return err
	}
	if p.dir, err = os.MkdirTemp("", "peers-"); err != nil {
		return err
	}
	defer os.RemoveAll(p.dir)
	// Workers that give up root still come through to their own folders.
	if err := os.Chmod(p.dir, 0o711); err != nil {
		return err
	}
	if err := os.Setenv("XDG_DATA_HOME", p.dir); err != nil { // Caddy's storage
		return err
	}
	if p.certificate, err = writeCertificate(p.dir); err != nil {
		return err
	}
	if p.results != "" {
		if p.sink, err = os.Create(p.results); err != nil {
			return err
		}
		defer p.sink.Close()
	}
	p.begun = time.Now()
	if err := p.introduce(); err != nil {
		return err
	}
	if err := p.measure(ctx); err != nil {
		return err
	}
	p.progress("done")
	return p.publish()
}

// introduce heads the raw results with what was compared, where. The host is
// built here.
func (p *plan) introduce() error {
	for _, line := range []string{
		"goos: " + runtime.GOOS, "goarch: " + runtime.GOARCH, "pkg: idlehost/host/bench/peers", "cpu: " + machine(),
		fmt.Sprintf("setup: %s, GOMAXPROCS=%d, %d descriptors", runtime.Version(), runtime.GOMAXPROCS(0), p.descriptors),
	} {
		if err := p.note(line); err != nil {
			return err
		}
	}
	for _, c := range slices.Clone(p.contestants) {
		program, err := c.find(p)
		if err != nil {
			p.leaveOut(c, err)
			continue
		}
		if err := p.note(fmt.Sprintf("proxy: %s: %s", c.name, c.tellVersion(program))); err != nil {
			return err
		}
	}
	if len(p.contestants) == 0 {
		return errors.New("no contestant can be had")
	}
	return nil
}

func (p *plan) measure(ctx context.Context) error {
	if p.does(rowMemory, rowBurst) {
		for round := range p.memRounds {
			for _, s := range p.cases {
				if err := p.idle(ctx, s, round); err != nil {
					return err
				}
			}
		}
	}
	if p.does(rowRequest, rowAccept) {
		if err := p.busy(ctx); err != nil {
			return err
		}
	}
	if p.does(rowHold) {
		return p.holdStill(ctx)
	}
	return nil
}

func (p *plan) publish() error {
	if p.json {
		e := json.NewEncoder(os.Stdout)
		e.SetIndent("", "\t")
		return e.Encode(p.records)
	}
	return p.render(p.records)
}

// leaveOut drops a contestant from the rest of the run, and says why.
func (p *plan) leaveOut(c contestant, err error) {
	p.missing[c.name] = err
	p.contestants = slices.DeleteFunc(slices.Clone(p.contestants), func(o contestant) bool { return o.name == c.name })
	p.progress("%s is left out: %v", c.name, err)
	// The results say so, and the run goes on without what it wanted to write.
	_ = p.note(fmt.Sprintf("missing: %s: %q", c.name, err))
}

// keepRecord adds a result, as exact as the file has it.
func (p *plan) keepRecord(r record) error {
	for i := range r.Values {
		r.Values[i].Value = math.Round(r.Values[i].Value*100) / 100
	}
	p.records = append(p.records, r)
	p.progress("%s", r.short())
	return p.note(r.String())
}

func (p *plan) note(line string) error {
	if p.sink == nil {
		return nil
	}
	_, err := fmt.Fprintln(p.sink, line)
	return err
}

func (p *plan) progress(format string, args ...any) {
	if p.quiet {
		return
	}
	fmt.Fprintf(os.Stderr, "%6.1fs  %s\n", time.Since(p.begun).Seconds(), fmt.Sprintf(format, args...))
}

// pause waits, if the run is not over.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
