package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"idlehost/host/internal/idle"
	"idlehost/host/internal/lab/demand"
	"idlehost/host/internal/policy"
	"idlehost/host/internal/trace"
	"idlehost/sdk/abi"
)

// player plays a recording through one policy.
type player struct {
	cfg     *Config
	policy  *Policy
	world   *idle.Virtual
	tenants map[uint32]*tenant
	lanes   map[uint64]*lane // by number
	conns   map[uint64]*lane // by their connection's
	kinds   map[string]*tally
	total   tally
	groups  *groups
	cliffs  map[int64]*cliff // by period
	spikes  [abi.Bins]spike  // by how long had been held
	series  series
	faults  [policy.Faults]int64
	exact   exact
	explain *explanation // nil: nobody is explained
	records int64
	quiet   int64      // connections that are open with nothing under way
	end     int64      // the latest time so far
	current *lane      // whose question is being put together
	obeys   *obedience // nil: a policy decides
}

// newPlayer returns a player of one policy, for a recording that begins at
// start.
func newPlayer(cfg *Config, p *Policy, h trace.Header) *player {
	pl := &player{
		cfg: cfg, policy: p, tenants: map[uint32]*tenant{}, lanes: map[uint64]*lane{}, conns: map[uint64]*lane{},
		kinds: map[string]*tally{}, groups: newGroups(), cliffs: map[int64]*cliff{}, series: newSeries(cfg.Length),
	}
	pl.world = idle.NewVirtual(idle.Config{Granularity: time.Duration(h.Granularity), Observer: pl}, idle.World{
		Start: time.Unix(0, h.Start), Seed: cfg.Setting.Seed, Complete: pl.complete, Late: pl.late, Closes: pl.closes,
	})
	return pl
}

// Play plays the recording through one policy. progress, if not nil, is told
// now and then how many more records were played.
func Play(ctx context.Context, cfg Config, p Policy, progress func(records int64)) (*Played, error) {
	return play(ctx, &cfg, &p, nil, progress)
}

func play(ctx context.Context, cfg *Config, p *Policy, x *explanation, progress func(int64)) (_ *Played, err error) {
	recording, err := cfg.Open()
	if err != nil {
		return nil, err
	}
	defer recording.Close()
	pl := newPlayer(cfg, p, recording.Header())
	pl.explain = x
	defer pl.close()
	src := newAhead(demand.New(recording, demand.Config{Tenant: cfg.Tenant}), &pl.exact)
	if err := pl.run(ctx, src, progress); err != nil {
		return nil, fmt.Errorf("policy %s: %w", p.Name, err)
	}
	return pl.finish(), nil
}

func (p *player) close() {
	for _, t := range p.tenants {
		if t.policy != nil {
			t.policy.Close()
		}
	}
}

func (p *player) run(ctx context.Context, src *ahead, progress func(int64)) error {
	const often = 1 << 14
	to := p.cfg.Span.To
	var r trace.Record
	for told := int64(0); ; p.records++ {
		if p.records-told == often {
			if told = p.records; progress != nil {
				progress(often)
			}
			if err := ctx.Err(); err != nil {
				return err
			}
		}
		switch err := src.Next(&r); {
		case errors.Is(err, io.EOF):
			p.advance(max(p.end, to))
			return nil
		case err != nil:
			return err
		case to > 0 && r.Time > to:
			p.advance(to)
			return nil
		}
		if err := p.play(ctx, &r); err != nil {
			return err
		}
		p.series.sees(int64(p.world.Governor.Open()), p.quiet)
	}
}

// advance has everything happen that is due by t.
func (p *player) advance(t int64) {
	for p.cfg.Length > 0 {
		at, ok := p.series.until(t)
		if !ok {
			break
		}
		p.world.Advance(at)
		p.series.add(int64(p.world.Governor.Open()), p.quiet)
	}
	p.world.Advance(t)
	p.end = max(p.end, t)
}

// until advances to where something happens at t, before what is due then.
func (p *player) until(t int64) {
	p.advance(t - 1)
	p.world.Set(t)
	p.end = max(p.end, t)
}

// play has one record happen. What is due at the same moment happens after it:
// bytes that are there win against a deadline.
func (p *player) play(ctx context.Context, r *trace.Record) error {
	switch r.Kind {
	case trace.KindTenant, trace.KindLost:
	case trace.KindAsk: // what is asked now has been asked when it is over
		p.advance(r.Time)
	case trace.KindAnswer: // inside the call, or of a shadow, it has come with the question
		if enforced(r.Answer) && r.Time != p.world.Now() {
			p.until(r.Time)
		}
	default:
		p.until(r.Time)
	}
	switch r.Kind {
	case trace.KindPolicy, trace.KindRules, trace.KindOpen:
		t, err := p.tenant(ctx, r.Tenant)
		if err != nil {
			return err
		}
		p.introduce(t, r)
		return nil
	case trace.KindAnswer: // also about a connection that has closed
		p.answer(r)
	}
	l := p.lanes[r.Conn]
	if l == nil {
		return nil
	}
	if p.obeys != nil {
		p.obeys.lapse(l, r.Time)
	}
	switch r.Kind {
	case kindStir:
		if l.conn != nil {
			p.world.Stir(l.conn)
		}
	case trace.KindBegin:
		p.begin(l, r)
	case trace.KindEnd:
		p.endRequest(l, r)
	case trace.KindPhase:
		p.phase(l, r)
	case trace.KindBurst:
		p.burst(l, r)
	case trace.KindHint:
		if l.conn != nil {
			l.conn.SetHint(time.Duration(r.Since))
		}
	case trace.KindAsk:
		p.asks(l, r)
	case trace.KindAnswer:
		if p.obeys != nil {
			p.obeys.told(l, r)
		}
	case trace.KindClose:
		switch {
		case !demand.Cut(r):
			p.leave(l, r)
		case p.obeys != nil:
			p.obeys.cut(l, r.Reason)
		case l.closing && l.conn != nil:
			l.conn.Shut(r.Reason) // if a request has come since, it was the last
			l.conn.Close()
		}
	}
	return nil
}

func (p *player) tenant(ctx context.Context, n uint32) (*tenant, error) {
	if t := p.tenants[n]; t != nil {
		return t, nil
	}
	if p.obeys != nil {
		t := seat(p.cfg, p.obeys, nil)
		t.number = n
		p.tenants[n] = t
		return t, nil
	}
	t, err := newTenant(ctx, p.cfg, p.policy, &p.exact)
	if err == nil {
		t.number = n
		p.tenants[n] = t
	}
	return t, err
}

func (p *player) introduce(t *tenant, r *trace.Record) {
	if p.obeys != nil && r.Kind == trace.KindPolicy {
		p.obeys.installed(r)
	}
	switch {
	case r.Kind == trace.KindRules && r.Rules != nil:
		t.govern(p.cfg, r.Side, r.Rules.Timeouts, r.Rules.Limits)
	case r.Kind == trace.KindPolicy && r.Role == policy.RoleActive:
		t.exact = p.obeys == nil && r.Name == t.policy.Digest() && r.Params == paramLines(p.policy.Params)
	case r.Kind == trace.KindOpen:
		p.open(t, r)
	}
}

// open begins a lane, or has its client connect again where the policy has
// closed.
func (p *player) open(t *tenant, r *trace.Record) {
	l := p.lanes[r.Conn]
	again := l != nil
	if !again {
		l = &lane{number: r.Conn, client: r.Client, tenant: t, closedAt: never, idleSince: r.Time}
		l.side, l.protocol, l.handshake = r.Side, r.Protocol, r.Handshake
		l.group, l.tally = p.groups.of(r.Client), p.kind(l)
		p.lanes[r.Conn] = l
	}
	switch {
	case p.obeys == nil:
	case again:
		p.obeys.reopened(l, r.Time)
	default:
		p.obeys.introduced(l)
	}
	l.in, l.out = r.BytesIn, r.BytesOut
	if l.conn == nil {
		if again {
			l.phase, l.protocol, l.handshake, l.idleSince = abi.PhaseIdle, r.Protocol, r.Handshake, r.Time
			p.returned(l, r.Time)
		}
		p.connect(l)
	}
	if again {
		return
	}
	if !resting(r.Phase) && r.Phase > abi.PhaseHeader { // found in the middle of a request
		l.inflight, p.quiet = 1, p.quiet-1
		if l.conn != nil {
			l.conn.Begin(r.Route, false)
		}
	}
	p.moved(l, r.Phase)
}

// kind finds the tally of the lane's kind.
func (p *player) kind(l *lane) *tally {
	name := ""
	if p.cfg.Kind != nil {
		name = p.cfg.Kind(l.client, l.side, l.protocol)
	}
	if p.kinds[name] == nil {
		p.kinds[name] = &tally{kind: name}
	}
	return p.kinds[name]
}

// connect opens a connection for the lane; the policy may refuse it.
func (p *player) connect(l *lane) {
	side := min(int(l.side), len(l.tenant.accounts)-1)
	c := p.world.Open(l.tenant.accounts[side], l.client, l.side)
	c.SetProtocol(l.protocol)
	c.SetHandshake(l.handshake)
	p.conns[c.ID()] = l
	l.conn, l.closedAt, l.held = c, never, 0
	p.quiet++
	l.tally.opened()
	p.total.opened()
	if p.world.Admit(c) != nil {
		p.total.refused++
		l.tally.refused++
		return
	}
	if l.phase != abi.PhaseIdle && resting(l.phase) {
		c.SetPhase(l.phase)
	}
}

// moved notes the phase that the recording says a connection is in.
func (p *player) moved(l *lane, to policy.Phase) {
	if resting(to) {
		l.phase = to
	}
	if l.conn != nil && to != abi.PhaseHandshake {
		l.conn.SetPhase(to)
	}
}
