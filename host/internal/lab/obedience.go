package lab

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"idlehost/host/internal/lab/demand"
	"idlehost/host/internal/lab/study"
	"idlehost/host/internal/policy"
	"idlehost/host/internal/trace"
	"idlehost/sdk/abi"
)

// obedience answers with what a recording says was answered: of the versions
// that were obeyed, or, in shadow, of those that only watched. Its player's
// connections end when they ended, or when the shadow would have ended them.
type obedience struct {
	player *player
	shadow bool
	arms   map[string]*arm // by role and digest
	names  map[party]string
	lanes  map[uint64]*watched
	early  map[uint64]*early // by lane, until its first answer
}

// early is what a lane did before it was known which version answers for it: an
// answer may come after the first requests.
type early struct {
	tally tally
	group Group
}

// party is a tenant's version in a role.
type party struct {
	tenant uint32
	role   policy.Role
}

// arm is what one version in one role did.
type arm struct {
	role    policy.Role
	digest  string
	params  string
	tally   tally
	groups  *groups
	unknown int64
}

// watched is a lane as its shadow sees it.
type watched struct {
	gone bool  // the host has closed the connection that the recording is of
	due  int64 // until then the shadow would keep it, whatever happened; 0: it was not asked
}

func newObedience(p *player, shadow bool) *obedience {
	return &obedience{player: p, shadow: shadow, arms: map[string]*arm{}, names: map[party]string{}, lanes: map[uint64]*watched{}, early: map[uint64]*early{}}
}

// installed notes which version a role is played by.
func (o *obedience) installed(r *trace.Record) {
	if r.Name == "" && r.Role != policy.RoleShadow {
		r.Name = native
	}
	key := r.Role.String() + " " + r.Name + " " + r.Params
	o.names[party{r.Tenant, r.Role}] = key
	if o.arms[key] == nil {
		o.arms[key] = &arm{role: r.Role, digest: r.Name, params: r.Params, groups: newGroups()}
	}
}

// Decide keeps everything: what ends is ended by what the recording tells.
func (o *obedience) Decide(*policy.Ask) policy.Verdict {
	return policy.Verdict{Action: abi.ActionExtend, Deadline: 24 * time.Hour, Source: policy.SourcePolicy}
}

func (o *obedience) watch(l *lane) *watched {
	if o.lanes[l.number] == nil {
		o.lanes[l.number] = new(watched)
	}
	return o.lanes[l.number]
}

// arm is that of a role of the lane's tenant. Where the recording has not said
// which version played it, that was none: the operator's timeouts decided, and
// nobody watched (nil).
func (o *obedience) arm(l *lane, role policy.Role) *arm {
	who := party{l.tenant.number, role}
	if _, ok := o.names[who]; !ok && role != policy.RoleShadow {
		o.installed(&trace.Record{Tenant: who.tenant, Role: role, Name: native})
	}
	return o.arms[o.names[who]]
}

// native stands for the digest of no policy.
const native = "native"

// introduced says whose a lane is before anybody is asked about it, which of a
// connection from before the recording may never be: the active version's
// unless it may be the canary's. Then the first answer tells. A shadow watches
// them all.
func (o *obedience) introduced(l *lane) {
	role := policy.RoleShadow
	if !o.shadow {
		if c := o.arms[o.names[party{l.tenant.number, policy.RoleCanary}]]; c != nil && c.digest != native {
			e := &early{group: Group{Client: l.client}}
			o.early[l.number], l.tally, l.group = e, &e.tally, &e.group
			return
		}
		role = policy.RoleActive
	}
	if a := o.arm(l, role); a != nil && a.digest != "" {
		l.tally, l.group = &a.tally, a.groups.of(l.client)
	}
}

// told takes a recorded answer to the lane's last question, from when its
// deadline counts. One to another question is left out.
func (o *obedience) told(l *lane, r *trace.Record) {
	v, q := &r.Answer.Verdict, &l.asked
	if (v.Role == policy.RoleShadow) != o.shadow || q.kind != abi.KindAccept && q.kind != abi.KindTimeout || r.Time < q.at-1e6 {
		return
	}
	a := o.arm(l, v.Role)
	if a == nil {
		return
	}
	if l.tally != &a.tally {
		if l.conn != nil {
			l.tally.open--
			a.tally.opened()
		}
		l.tally, l.group = &a.tally, a.groups.of(l.client)
		o.claim(l, a)
	}
	o.player.count(l, &a.tally.questions, 1)
	ends := q.at + int64(v.Deadline)
	if v.Action != abi.ActionExtend {
		ends = q.at + int64(r.Answer.Leases[q.phase%abi.Phases])*1e6
	}
	a.tally.asked.add(q.idle + ends - q.at)
	if !o.shadow {
		return
	}
	*o.watch(l) = watched{due: ends}
	if q.kind == abi.KindTimeout && v.Action != abi.ActionExtend && l.inflight == 0 {
		o.end(l, policy.ReasonPolicy)
	}
}

// claim gives an arm what its lane did before the first answer.
func (o *obedience) claim(l *lane, a *arm) {
	e := o.early[l.number]
	if e == nil {
		return
	}
	delete(o.early, l.number)
	a.tally.add(&e.tally)
	l.group.HeldUs += e.group.HeldUs
	l.group.Premature += e.group.Premature
}

// cut has the host's close happen; a shadow that has been asked would have kept
// the connection until what it said last runs out.
func (o *obedience) cut(l *lane, why policy.Reason) {
	if o.shadow && o.watch(l).due != 0 {
		o.watch(l).gone = true
		return
	}
	o.end(l, why)
}

func (o *obedience) end(l *lane, why policy.Reason) {
	if l.conn != nil {
		l.conn.Shut(why)
		o.player.world.Settle()
	}
}

// reopened says that the recording has a connection for the lane again.
func (o *obedience) reopened(l *lane, at int64) {
	o.lapse(l, at)
	if w := o.lanes[l.number]; w != nil {
		w.gone = false
	}
}

// lapse ends, before something happens at at, what a shadow said it would look
// at again by then, and was not asked about because the host had closed. It
// might have kept it: that is counted.
func (o *obedience) lapse(l *lane, at int64) {
	w := o.lanes[l.number]
	if w == nil || !w.gone || w.due > at || l.conn == nil || l.inflight > 0 {
		return
	}
	o.end(l, policy.ReasonPolicy)
	l.closedAt, l.held = w.due, max(w.due-l.idleSince, 0)
	if a := o.arm(l, policy.RoleShadow); a != nil {
		a.unknown++
	}
}

// outcomes is what the arms did.
func (o *obedience) outcomes() (all []*Played) {
	requests := o.player.total.requests // as finish has added them up
	for _, a := range o.arms {
		requests += a.tally.requests
	}
	for _, e := range o.early {
		requests += e.tally.requests
	}
	for _, key := range slices.Sorted(maps.Keys(o.arms)) {
		a := o.arms[key]
		if a.tally.questions == 0 {
			continue
		}
		worth := o.player.cfg.Setting.WorthMs
		out := study.Outcome{
			Name: a.role.String() + " " + a.digest[:min(len(a.digest), 8)], Module: "", Digest: a.digest,
			Params: parameters(a.params), Source: "recorded", WorthMs: worth, Total: a.tally.study(worth),
			Unknown: a.unknown, Faults: map[string]int64{},
			Closed: a.tally.closings.study(), Deadlines: a.tally.asked.study(),
		}
		if a.tally.requests < requests {
			out.Share = float64(a.tally.requests) / float64(requests)
		}
		if a.role == policy.RoleShadow {
			out.Source = "shadow"
		}
		all = append(all, &Played{Outcome: out, Groups: a.groups.all})
	}
	return all
}

// parameters reads parameters as a recording has them.
func parameters(lines string) map[string]string {
	all := map[string]string{}
	for line := range strings.Lines(lines) {
		if key, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "="); ok {
			all[key] = value
		}
	}
	return all
}

// PlayRecorded counts what the recording says has happened: of every version
// that was obeyed, and every one that watched.
func PlayRecorded(ctx context.Context, cfg Config) (all []*Played, err error) {
	for _, shadow := range []bool{false, true} {
		arms, err := obey(ctx, &cfg, shadow)
		if err != nil {
			return nil, err
		}
		all = append(all, arms...)
	}
	return all, nil
}

func obey(ctx context.Context, cfg *Config, shadow bool) ([]*Played, error) {
	recording, err := cfg.Open()
	if err != nil {
		return nil, err
	}
	defer recording.Close()
	p := newPlayer(cfg, &Policy{Name: "recorded"}, recording.Header())
	p.obeys = newObedience(p, shadow)
	src := newAhead(demand.New(recording, demand.Config{Tenant: cfg.Tenant}), &p.exact)
	if err := p.run(ctx, src, nil); err != nil {
		return nil, err
	}
	for _, n := range slices.Sorted(maps.Keys(p.lanes)) {
		p.obeys.lapse(p.lanes[n], p.end)
	}
	p.finish()
	return p.obeys.outcomes(), nil
}
