package main

import "context"

const (
	rowRequest = "request" // processor time of a proxied request
	rowAccept  = "accept"  // and of a connection without one
)

// work is one kind of load.
type work struct {
	row, name, title string
	kind             kind
	mode             mode
	share            int // of the requests of a round: one in so many
}

var works = []work{
	{rowRequest, "h1,keep-alive", "request, keep-alive", http1, keepAlive, 1},
	{rowRequest, "tls,keep-alive", "request, keep-alive, TLS", https1, keepAlive, 1},
	{rowRequest, "h1,per-request", "request, connection for each", http1, perRequest, 4},
	{rowRequest, "tls,per-request", "request, connection for each, TLS", https1, perRequest, 8},
	{rowAccept, "h1", "connection", http1, connectOnly, 4},
	{rowAccept, "tls", "connection, TLS", https1, connectOnly, 8},
}

// busy lets the contestants take turns at each load, so that drift of the
// machine hits all alike.
func (p *plan) busy(ctx context.Context) error {
	all, err := p.stage(ctx, nil)
	if err != nil {
		return err
	}
	defer strike(all)
	for _, e := range all {
		for _, k := range []kind{http1, https1} {
			r, err := e.crew.run(k, e.address(k), keepAlive, p.conns, min(p.requests, 4000))
			if err != nil {
				p.drop(e, err)
				break
			}
			p.complain(e, r)
		}
	}
	for round := range p.rounds {
		for _, w := range works {
			if !p.does(w.row) {
				continue
			}
			for _, e := range turns(all, round) {
				if ctx.Err() != nil {
					return ctx.Err()
				}
				r, err := p.time(e, w)
				if err != nil {
					p.drop(e, err)
					continue
				}
				r.Round = round + 1
				if err := p.keepRecord(r); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// time is one load on one contestant.
func (p *plan) time(e *entrant, w work) (out record, err error) {
	n := max(p.requests/w.share, p.conns)
	before, _, err := usage(e.group)
	if err != nil {
		return out, err
	}
	r, err := e.crew.run(w.kind, e.address(w.kind), w.mode, p.conns, n)
	if err != nil {
		return out, err
	}
	after, _, err := usage(e.group)
	if err != nil {
		return out, err
	}
	p.complain(e, r)
	cpu, good := after-before, float64(n-r.Failed)
	out = record{Row: w.row, Case: w.name, Size: n, Proxy: e.name, Values: []value{{good / r.Took.Seconds(), rate}}}
	if w.row == rowAccept {
		out.Values = append(out.Values, value{good / cpu.Seconds(), accepts})
	} else {
		out.Values = append(out.Values, value{float64(cpu.Nanoseconds()) / 1e3 / max(good, 1), cpuReq})
	}
	out.Values = append(out.Values, value{float64(r.P50.Microseconds()), p50},
		value{float64(r.P99.Microseconds()), p99}, value{float64(r.Failed), failed})
	return out, nil
}
