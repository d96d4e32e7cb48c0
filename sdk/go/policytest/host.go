package policytest

import (
	"time"

	"idlehost/sdk/abi"
	policy "idlehost/sdk/go"
)

// Host plays the host for one policy and one tenant, over virtual time: it
// keeps the books, asks when leases and deadlines pass, and clamps. Clients
// visit one after another. The zero value with a Policy works.
type Host struct {
	Policy policy.Policy
	// Worth is what sparing a reconnect is worth. 0: a minute.
	Worth time.Duration
	// Lease is the idle time after which the host first asks. 0: a minute.
	Lease time.Duration
	// Floor and Ceiling are the operator's limits. 0: none, and an hour.
	Floor, Ceiling time.Duration

	now     time.Duration // since the first visit
	conns   uint64
	gaps    policy.Gaps
	clients map[uint64]*client
	event   policy.Event
	first   time.Duration // what Extend at accept has put in the place of the first lease
}

// client is what a host remembers of one.
type client struct {
	gaps  [abi.ClientGaps]uint32
	count uint32
	conns uint32
	cut   time.Duration // idle time of the last cut, while it is unanswered
	cutAt time.Duration
}

// Visit is one client's requests: the first at once, then one after each gap.
type Visit struct {
	Client uint64
	Gaps   []time.Duration
	// Leaves is how long after its last request the client closes. 0: it
	// never does, and the host must.
	Leaves time.Duration
}

// Report is what a visit came to.
type Report struct {
	Requests   int
	Reconnects int             // requests for which the connection had been closed
	Refused    int             // requests turned away at accept
	Asks       int             // timeouts asked about
	Held       time.Duration   // idle time, open
	Cuts       []time.Duration // idle times at which the host closed
}

// Cost is the price of the visit: idle time held, and worth for each reconnect.
func (r *Report) Cost(worth time.Duration) time.Duration {
	return r.Held + time.Duration(r.Reconnects)*worth
}

// Visit plays v and moves the host's clock to its end.
func (h *Host) Visit(v Visit) *Report {
	r := new(Report)
	open := false
	for i := range len(v.Gaps) + 1 {
		r.Requests++
		if !open {
			if i > 0 {
				r.Reconnects++
			}
			if open = h.accept(v.Client); !open {
				r.Refused++
			}
		}
		gap, leaves := v.Leaves, true
		if i < len(v.Gaps) {
			gap, leaves = v.Gaps[i], false
		} else if gap == 0 {
			gap = h.ceiling() + time.Millisecond
		}
		if open {
			open = h.idle(r, v.Client, gap, leaves)
		}
		h.now += gap
	}
	return r
}

// accept opens a connection and reports whether the policy lets it in.
func (h *Host) accept(id uint64) bool {
	c := h.client(id)
	if c.cut > 0 {
		h.answer(c)
	}
	h.conns++
	c.conns++
	h.event = *NewEvent(policy.PhaseIdle, 0)
	e := &h.event
	e.Kind = uint8(abi.KindAccept)
	e.Conn, e.Client = h.conns, id
	e.WorthMs = policy.Millis(or(h.Worth, time.Minute))
	e.FloorMs, e.CeilingMs = policy.Millis(h.Floor), policy.Millis(h.ceiling())
	for i := range e.Leases {
		e.Leases[i] = policy.Millis(or(h.Lease, time.Minute))
	}
	h.facts(c, 0)
	e.Begin()
	v := h.Policy.Accept(e)
	h.first = 0
	if v.Action == abi.ActionExtend {
		h.first = max(v.Deadline, h.Floor, time.Millisecond)
	}
	return v.Action != abi.ActionClose
}

// idle plays one gap and reports whether the connection outlived it.
func (h *Host) idle(r *Report, id uint64, gap time.Duration, leaves bool) bool {
	c := h.client(id)
	h.event.Requests++
	due := h.lease()
	for gap >= due {
		r.Asks++
		next, keep := h.ask(c, due)
		if !keep {
			r.Held += due
			r.Cuts = append(r.Cuts, due)
			h.note(c, due, policy.GapCut)
			c.cut, c.cutAt = due, h.now+due
			h.over()
			return false
		}
		due = next
	}
	r.Held += gap
	if leaves {
		h.note(c, gap, policy.GapGone)
		h.over()
		return false
	}
	h.note(c, gap, policy.GapReturned)
	return true
}

// ask asks at idle time due and returns when to ask next.
func (h *Host) ask(c *client, due time.Duration) (next time.Duration, keep bool) {
	h.facts(c, due)
	e := &h.event
	e.Kind = uint8(abi.KindTimeout)
	e.Begin()
	v := h.Policy.Timeout(e)
	e.Asks++
	if v.Action != abi.ActionExtend || due >= h.ceiling() {
		return 0, false
	}
	// A deadline of nothing would ask for ever at the same instant.
	d := max(v.Deadline, h.Floor, time.Millisecond)
	return min(due+d, h.ceiling()), true
}

// facts brings the event up to date for idle time idle.
func (h *Host) facts(c *client, idle time.Duration) {
	e := &h.event
	at := h.now + idle
	e.NowMs = 1_700_000_000_000 + uint64(at.Milliseconds())
	e.IdleMs = policy.Millis(idle)
	e.PhaseMs, e.ReadMs, e.WriteMs, e.DeadlineMs = e.IdleMs, e.IdleMs, e.IdleMs, e.IdleMs
	e.ClientConns, e.ClientGapCount, e.ClientGaps = c.conns, c.count, c.gaps
	e.Gaps = h.gaps
}

// note books a gap.
func (h *Host) note(c *client, d time.Duration, kind policy.GapKind) {
	AddGap(&h.gaps, d, kind)
	copy(c.gaps[1:], c.gaps[:])
	c.gaps[0] = entry(d, kind)
	c.count++
}

// answer turns the client's unanswered cut into the gap that it has become.
func (h *Host) answer(c *client) {
	gap := c.cut + h.now - c.cutAt
	removeGap(&h.gaps, c.cut, policy.GapCut)
	AddGap(&h.gaps, gap, policy.GapReturned)
	c.gaps[0] = entry(gap, policy.GapReturned)
	c.cut = 0
}

func (h *Host) over() {
	if p, ok := h.Policy.(policy.Closer); ok {
		h.event.Kind = uint8(abi.KindClose)
		h.event.Begin()
		p.Close(&h.event)
	}
}

func (h *Host) client(id uint64) *client {
	if h.clients == nil {
		h.clients = make(map[uint64]*client)
	}
	c := h.clients[id]
	if c == nil {
		c = new(client)
		h.clients[id] = c
	}
	return c
}

// lease returns when to ask first in the idle phase that begins.
func (h *Host) lease() time.Duration {
	lease := or(h.first, h.event.Lease(policy.PhaseIdle))
	h.first = 0
	return min(or(lease, h.ceiling()), h.ceiling())
}

func (h *Host) ceiling() time.Duration { return or(h.Ceiling, time.Hour) }

func or(d, zero time.Duration) time.Duration {
	if d == 0 {
		return zero
	}
	return d
}
