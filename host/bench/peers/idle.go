package main

import "context"

const (
	rowMemory = "memory" // bytes per idle connection
	rowBurst  = "burst"  // all of them become active at once
)

// scenario is a kind of idle connections.
type scenario struct {
	name, title string
	kind        kind
	ask         bool // each has made a request
}

var scenarios = []scenario{
	{"h1", "HTTP/1.1", http1, true},
	{"tls", "TLS, HTTP/1.1", https1, true},
	{"tls-h2", "TLS, HTTP/2", h2tls, true},
	{"h2c", "HTTP/2 without TLS", h2clear, true},
	{"ws", "WebSocket", wsClear, true},
	{"h1-new", "TCP, no byte sent yet", http1, false},
	{"tls-new", "TLS, no request yet", https1, false},
	{"tls-h2-new", "TLS, HTTP/2, no request yet", h2tls, false},
}

// idle lets all contestants hold connections of a kind: more, and more, and
// then wakes them.
func (p *plan) idle(ctx context.Context, s scenario, round int) error {
	all, err := p.stage(ctx, nil)
	if err != nil {
		return err
	}
	defer strike(all)
	for _, e := range all {
		if err := e.warm(s.kind); err != nil {
			p.drop(e, err)
		}
	}
	empty, err := p.weigh(ctx, all)
	if err != nil {
		return err
	}
	had := 0
	for _, size := range p.sizes {
		for _, e := range turns(all, round) {
			p.grow(e, s.kind, size-had, s.ask)
		}
		had = size
		if !p.does(rowMemory) {
			continue
		}
		full, err := p.weigh(ctx, all)
		if err != nil {
			return err
		}
		for _, e := range turns(all, 0) {
			each := float64(full[e]-empty[e]) / float64(max(size-e.lost, 1))
			r := record{rowMemory, s.name, size, e.name, round + 1, []value{{each, perConn}, {float64(e.lost), failed}}}
			if err := p.keepRecord(r); err != nil {
				return err
			}
		}
	}
	if p.does(rowBurst) {
		return p.wake(ctx, s, round, all)
	}
	return nil
}

// weigh reads the resident bytes of everybody, after a while.
func (p *plan) weigh(ctx context.Context, all []*entrant) (map[*entrant]int64, error) {
	rss := map[*entrant]int64{}
	if !p.does(rowMemory) {
		return rss, ctx.Err()
	}
	if err := pause(ctx, p.settle); err != nil {
		return nil, err
	}
	for _, e := range turns(all, 0) {
		_, n, err := usage(e.group)
		if err != nil {
			p.drop(e, err)
		}
		rss[e] = n
	}
	return rss, nil
}

// wake makes all connections of one contestant after the other active. That
// none is lost also proves that they were there when memory was read.
func (p *plan) wake(ctx context.Context, s scenario, round int, all []*entrant) error {
	size := p.sizes[len(p.sizes)-1]
	for _, e := range turns(all, round) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		r, err := e.crew.burst()
		if err != nil {
			p.drop(e, err)
			continue
		}
		p.complain(e, r)
		if err := p.keepRecord(record{rowBurst, s.name, size, e.name, round + 1, []value{
			{float64(r.Took.Microseconds()) / 1e3, lastMs}, {float64(r.P50.Microseconds()), p50},
			{float64(r.P99.Microseconds()), p99}, {float64(r.Failed), failed},
		}}); err != nil {
			return err
		}
	}
	return nil
}
