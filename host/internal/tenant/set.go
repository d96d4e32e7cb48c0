package tenant

import (
	"slices"
	"time"

	"idlehost/host/internal/policy"
)

// Set puts a plan in force, for the next question about every connection. A
// version that the tenant has in any role keeps its guest and what that has
// learned, and a Guest that comes with it is closed; if its role stays the
// same too, it keeps its record. A guest without a role is closed after its
// last question, unless a remedy wants the previous policy.
func (t *Tenant) Set(p Plan) {
	from, learned := t.legacy(p)
	t.mu.Lock()
	if t.closed {
		t.mu.Unlock()
		t.refuse(p)
		return
	}
	c := t.changeLocked(p, from, learned)
	t.mu.Unlock()
	c.clear()
}

// legacy fetches what the version that is active has learned, where p has others
// begin with that. It may take a while, for which no lock is held: another Set may
// come first, and then it is nobody's.
func (t *Tenant) legacy(p Plan) (from *resident, s policy.State) {
	t.mu.Lock()
	active := t.plan.Load().active
	from = active.resident
	needed := from != nil && slices.ContainsFunc([]*RoleVersion{p.Active, p.Canary, p.Shadow}, func(l *RoleVersion) bool {
		return l != nil && l.Guest == nil && !from.version.same(l.Version)
	})
	var g *roleGuest
	if needed {
		g = active.take(0)
	}
	t.mu.Unlock()
	if g == nil {
		return nil, policy.State{}
	}
	defer g.release()
	return from, g.loaded.guest.Learned()
}

// changeLocked puts p in force; clear is left to do. learned is what from has
// learned, if it is not nil.
func (t *Tenant) changeLocked(p Plan, from *resident, learned policy.State) *change {
	old := t.plan.Load()
	c := &change{t: t, old: old, source: from, learned: learned, next: &plan{percent: min(max(p.Percent, 0), 100), guard: p.Guard}}
	c.placeLocked(p)
	c.previousLocked()
	c.bequeathLocked()
	c.compareLocked()
	t.plan.Store(c.next)
	c.leaveLocked()
	return c
}

// change is the way from one plan to the next.
type change struct {
	t         *Tenant
	old, next *plan

	source  *resident // nil, or the one that had learned so much
	learned policy.State

	newcomers []*resident
	surplus   []Guest // came with versions that had a guest
	lanes     []*lane // of old, that are not in next
	leavers   []leaver
}

// leaver is a version that has no role any more, and its guest.
type leaver struct {
	resident *resident
	loaded   *loadedGuest // nil: it had none
}

// placeLocked finds or makes the lanes.
func (c *change) placeLocked(p Plan) {
	n := c.next
	n.active = c.laneLocked(policy.RoleActive, p.Active, c.old.active)
	n.canary = c.laneLocked(policy.RoleCanary, p.Canary, c.old.canary)
	n.shadow = c.laneLocked(policy.RoleShadow, p.Shadow, c.old.shadow)
	n.plain = n.active.resident == nil && n.canary == nil && n.shadow == nil
	if n.canary != nil {
		n.sides = newSides(n.canary.digest(), n.percent)
	}
	if n.shadow != nil {
		n.beside = c.old.beside
		if n.shadow != c.old.shadow {
			n.beside = newBeside()
		}
	}
}

func (c *change) laneLocked(role policy.Role, l *RoleVersion, was *lane) *lane {
	var r *resident
	if l != nil {
		r = c.residentLocked(l)
	} else if role != policy.RoleActive {
		return nil
	}
	if was == nil || was.resident != r {
		was = newLane(role, r)
	}
	was.fillLocked()
	return was
}

// residentLocked finds or makes the version, and gives it what came with it.
func (c *change) residentLocked(l *RoleVersion) *resident {
	same := func(r *resident) bool { return r.version.same(l.Version) }
	var r *resident
	known := append(c.old.residents(), c.newcomers...)
	if i := slices.IndexFunc(known, same); i >= 0 {
		r = known[i]
	} else {
		r = &resident{version: l.Version}
		c.newcomers = append(c.newcomers, r)
	}
	switch {
	case l.Guest != nil && r.loaded != nil:
		c.surplus = append(c.surplus, l.Guest)
	case l.Guest != nil:
		r.settleLocked(newLoadedGuest(l.Guest, l.Version.Digest, c.t.logger))
	case l.Lost != policy.FaultNone && r.loaded == nil:
		r.loseLocked(l.Lost, "could not be loaded")
	}
	return r
}

// previousLocked keeps the version that was active, if a remedy wants it and
// it can answer.
func (c *change) previousLocked() {
	was, is := c.old.active.resident, c.next.active.resident
	if is == nil || !c.t.remedies.Load().Uses(policy.RemedyPrevious) {
		return
	}
	c.next.previous = c.old.previous
	if was != nil && was != is && (was.loaded != nil || c.t.loader != nil && was.loss.Load() == nil) {
		c.next.previous = newLane(policy.RoleActive, was)
	}
	if p := c.next.previous; p != nil && p.resident == is {
		c.next.previous = nil
	} else if p != nil {
		p.fillLocked()
	}
}

// bequeathLocked notes for versions that are still to be loaded what they are
// to begin with if they have learned nothing themselves.
func (c *change) bequeathLocked() {
	from := c.old.active.resident
	if from == nil {
		return
	}
	leaves := !slices.Contains(c.next.residents(), from)
	for _, r := range c.newcomers {
		r.ancestor = from.version.Digest
		if r.loaded != nil || !leaves {
			continue
		}
		if r.legacy = from.kept; from == c.source {
			r.legacy = c.learned
		}
	}
}

// compareLocked says from when canary and active are compared, and since when
// the clients are on their sides.
func (c *change) compareLocked() {
	n, o := c.next, c.old
	n.since = o.since
	if n.canary != o.canary || n.sides != o.sides {
		n.since = time.Now()
	}
	if n.canary == nil {
		return
	}
	n.trial = o.trial
	if n.canary != o.canary || n.active != o.active {
		n.trial = trial{active: n.active.tally(), canary: n.canary.tally()}
	}
}

// leaveLocked notes who has no place in the next plan.
func (c *change) leaveLocked() {
	lanes, residents := c.next.lanes(), c.next.residents()
	for _, l := range c.old.lanes() {
		if !slices.Contains(lanes, l) {
			c.lanes = append(c.lanes, l)
		}
	}
	for _, r := range c.old.residents() {
		if slices.Contains(residents, r) {
			continue
		}
		c.leavers = append(c.leavers, leaver{r, r.loaded})
		r.gone, r.loaded = true, nil
		if r.loading != nil {
			r.loading.cancel()
		}
	}
}

// clear ends what has ended. No lock is held: guests are closed.
func (c *change) clear() {
	for _, l := range c.leavers {
		if l.loaded != nil {
			c.t.keep(l.resident, l.loaded.guest.Learned())
		}
	}
	for _, l := range c.lanes {
		if s := l.removeGuest(); s != nil {
			s.release()
		}
	}
	for _, l := range c.leavers {
		if l.loaded != nil {
			l.loaded.drop()
		}
	}
	for _, g := range c.surplus {
		closeGuest(g, g.Digest(), c.t.logger)
	}
}

// refuse closes what came with a plan for a tenant that is closed.
func (t *Tenant) refuse(p Plan) {
	for _, l := range []*RoleVersion{p.Active, p.Canary, p.Shadow} {
		if l != nil && l.Guest != nil {
			closeGuest(l.Guest, l.Version.Digest, t.logger)
		}
	}
}
