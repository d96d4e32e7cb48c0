package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"time"
)

// entrant is a contestant that runs, with an upstream and clients of its own:
// no limit of descriptors is shared.
type entrant struct {
	contestant
	setting
	crew     *crew
	upstream *child
	keeper   *child
	group    int // of the contestant's processes

	lost int   // connections that could not be opened
	out  error // why it takes no further part; nil: it does
}

// turns returns those that still take part, another one first in each round.
func turns(all []*entrant, round int) (list []*entrant) {
	for i := range all {
		if e := all[(i+round)%len(all)]; e.out == nil {
			list = append(list, e)
		}
	}
	return list
}

// drop ends a contestant's part in what is being measured: the others go on.
func (p *plan) drop(e *entrant, err error) {
	e.out = err
	p.progress("%s drops out: %v: %s", e.name, err, e.keeper.says)
	// As for leaveOut.
	_ = p.note(fmt.Sprintf("dropped: %s: %q", e.name, err))
}

// stage starts contestants afresh. Those that cannot be had are left out, with
// the reason.
func (p *plan) stage(ctx context.Context, vary func(*setting)) (all []*entrant, err error) {
	for _, c := range p.contestants {
		if ctx.Err() != nil {
			strike(all)
			return nil, ctx.Err()
		}
		e, err := p.start(ctx, c, vary)
		if err != nil { // somebody may have taken its port meanwhile
			p.progress("%s once more: %v", c.name, err)
			e, err = p.start(ctx, c, vary)
		}
		if err != nil {
			p.leaveOut(c, err)
			continue
		}
		all = append(all, e)
	}
	if len(all) == 0 {
		return nil, errors.New("no contestant could be started")
	}
	return all, nil
}

// strike ends them.
func strike(all []*entrant) {
	for _, e := range all {
		e.end()
	}
}

func (p *plan) start(ctx context.Context, c contestant, vary func(*setting)) (e *entrant, err error) {
	program, err := c.find(p)
	if err != nil {
		return nil, err
	}
	e = &entrant{contestant: c, crew: newCrew(p.descriptors)}
	defer func() {
		if err != nil {
			e.end()
		}
	}()
	if e.upstream, err = spawn(beUpstream); err != nil {
		return nil, err
	}
	if e.Upstream, err = e.upstream.line(); err != nil {
		return nil, err
	}
	if err := e.settle(p, vary); err != nil {
		return nil, err
	}
	conf := ""
	if c.conf != "" {
		if conf, err = e.write(c.conf); err != nil {
			return nil, err
		}
	}
	if e.keeper, err = spawn(beKeeper, append([]string{program}, c.args(&e.setting, conf)...)...); err != nil {
		return nil, err
	}
	line, err := e.keeper.line()
	if err != nil {
		return nil, err
	}
	if e.group, err = strconv.Atoi(line); err != nil {
		return nil, fmt.Errorf("keeper of %s: %w", c.name, err)
	}
	return e, e.ready(ctx)
}

// settle makes the setting, all but the upstream.
func (e *entrant) settle(p *plan, vary func(*setting)) (err error) {
	if e.Dir, err = os.MkdirTemp(p.dir, e.name+"-"); err != nil {
		return err
	}
	e.Cert, e.Key, e.Pair = p.certificate.cert, p.certificate.key, p.certificate.pair
	e.Threads, e.Descriptors = runtime.GOMAXPROCS(0), p.descriptors
	for _, a := range []*string{&e.Plain, &e.TLS, &e.H2C} {
		if *a, err = freeAddress(); err != nil {
			return err
		}
	}
	if !e.separate {
		e.H2C = e.Plain
	}
	for _, f := range []func(*setting){e.vary, vary} {
		if f != nil {
			f(&e.setting)
		}
	}
	if e.Policy == "" {
		return nil
	}
	if e.Admin, err = freeAddress(); err != nil {
		return err
	}
	e.Policy = filepath.Join(e.Dir, "hold.wasm")
	return os.WriteFile(e.Policy, hold, 0o600)
}

// ready waits until all addresses take connections.
func (e *entrant) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for _, address := range []string{e.Plain, e.TLS, e.H2C} {
		for {
			var d net.Dialer
			nc, err := d.DialContext(ctx, "tcp", address)
			if err == nil {
				nc.Close()
				break
			}
			if _, _, gone := usage(e.group); gone != nil {
				return fmt.Errorf("%s does not run: %w: %s", e.name, gone, e.keeper.says)
			}
			if ctx.Err() != nil {
				return fmt.Errorf("%s does not listen: %w: %s", e.name, err, e.keeper.says)
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	return nil
}

func (e *entrant) end() {
	e.crew.end()
	for _, c := range []*child{e.keeper, e.upstream} {
		if c != nil {
			c.end()
		}
	}
}

// warm lets a contestant do once what it will be measured at, so that its code
// is in memory before.
func (e *entrant) warm(k kind) error {
	const n = 16
	r, err := e.crew.open(k, e.address(k), n, true)
	if err == nil && r.Failed > 0 {
		err = fmt.Errorf("%d of %d connections of kind %s have failed: %s", r.Failed, n, k, r.Error)
	}
	if err == nil {
		err = e.crew.closeAll()
	}
	if err != nil {
		return fmt.Errorf("warm up: %w", err)
	}
	return nil
}

// grow opens idle connections.
func (p *plan) grow(e *entrant, k kind, n int, ask bool) {
	r, err := e.crew.open(k, e.address(k), n, ask)
	if err != nil {
		p.drop(e, err)
	}
	p.complain(e, r)
	e.lost += r.Failed
}

// complain tells why connections or requests have failed.
func (p *plan) complain(e *entrant, r report) {
	if r.Failed > 0 {
		p.progress("%s: %d failed: %s", e.name, r.Failed, r.Error)
	}
}
