package bounds

import (
	"slices"

	"idlehost/host/internal/lab/study"
	"idlehost/host/internal/policy"
	"idlehost/host/internal/trace"
	"idlehost/sdk/abi"
)

// The kinds of clients.
const (
	KindOnce    = "once"    // never came back
	KindBeat    = "beat"    // comes back after the same time, again and again
	KindBurst   = "burst"   // comes back within a second, more often than not
	KindPeople  = "people"  // comes back
	KindTunnel  = "tunnel"  // sends bytes, not requests
	KindDialled = "dialled" // is an upstream
	KindOther   = "other"   // is one too many to be told apart, or not known
)

// crowd is how many clients a census tells apart: the first ones.
const crowd = 1 << 16

// names is how many tenants it knows by name.
const names = 256

// Census takes note of what there is in a recording by lanes, in one pass. It
// tells 65536 clients apart; the gaps of each take between nothing and, of one
// that has them of every length, 2.4 KB. Its methods are for one goroutine
// until Finish, and for any number of them after it.
type Census struct {
	walk    walker
	told    study.Trace
	gaps    histogram
	clients map[party]*client
	others  client
	before  int64 // connections that were open when the recording began
}

// party is who a client is.
type party struct {
	client uint64
	side   policy.Side
}

// client is what is known of one.
type client struct {
	tempo          tempo
	lanes, tunnels int64
	requests       int64
	kind           string
	period         int64 // ms
}

// NewCensus returns a Census that has seen nothing yet.
func NewCensus() *Census {
	return &Census{
		walk: newWalker(0), clients: map[party]*client{},
		told: study.Trace{Tenants: []string{}, Kinds: []study.Kind{}},
	}
}

// Add takes the next record.
func (c *Census) Add(r *trace.Record) {
	c.told.Records++
	switch r.Kind {
	case trace.KindTenant:
		if len(c.told.Tenants) < names && !slices.Contains(c.told.Tenants, r.Name) {
			c.told.Tenants = append(c.told.Tenants, r.Name)
		}
	case trace.KindLost:
		c.told.Lost += int64(min(r.Count, 1<<62))
	case trace.KindOpen:
		if c.walk.lanes[r.Conn] == nil {
			c.told.Connections++
			if r.Time-r.Age < 0 {
				c.before++
			}
			c.of(r.Client, r.Side).lanes++
		}
	case trace.KindBegin:
		if l := c.walk.lanes[r.Conn]; l != nil {
			c.told.Requests++
			c.of(l.client, l.side).requests++
		}
	}
	before := c.walk.lanes[r.Conn]
	piped := before != nil && before.tunnel
	c.walk.walk(r, c)
	if l := c.walk.lanes[r.Conn]; l != nil && l.tunnel && !piped {
		c.of(l.client, l.side).tunnels++
	}
}

// of returns the client, who is taken note of if there is room.
func (c *Census) of(number uint64, side policy.Side) *client {
	p := party{number, side}
	who := c.clients[p]
	switch {
	case who != nil:
		return who
	case number == 0 || len(c.clients) == crowd:
		return &c.others
	}
	who = new(client)
	c.clients[p] = who
	return who
}

// Finish tells the clients' kinds. Nothing is added afterwards.
func (c *Census) Finish() {
	c.walk.finish(c)
	c.told.SpanMs, c.told.Clients = c.Span()/1e6, int64(len(c.clients))
	kinds := map[string]*client{}
	add := func(who *client) {
		if kinds[who.kind] == nil {
			kinds[who.kind] = new(client)
		}
		k := kinds[who.kind]
		k.lanes++
		k.requests += who.requests
		k.tempo.addAll(&who.tempo)
	}
	for p, who := range c.clients {
		who.judge(p.side)
		add(who)
	}
	if c.others.kind = KindOther; c.others.lanes > 0 {
		add(&c.others)
		kinds[KindOther].lanes = c.others.lanes
	}
	for _, name := range []string{KindOnce, KindBeat, KindBurst, KindPeople, KindTunnel, KindDialled, KindOther} {
		if k := kinds[name]; k != nil {
			c.told.Kinds = append(c.told.Kinds, study.Kind{Name: name, Clients: k.lanes, Requests: k.requests, MedianMs: k.tempo.median()})
		}
	}
}

func (c *client) judge(side policy.Side) {
	c.period = c.tempo.period()
	switch {
	case side == abi.SideDialled:
		c.kind = KindDialled
	case c.tunnels*2 > c.lanes:
		c.kind = KindTunnel
	case c.tempo.gaps == 0:
		c.kind = KindOnce
	case c.period > 0:
		c.kind = KindBeat
	case c.tempo.median() < 1000:
		c.kind = KindBurst
	default:
		c.kind = KindPeople
	}
}

// Records returns how many records there are, of all kinds.
func (c *Census) Records() int64 { return c.told.Records }

// Before returns how many connections were open before the recording began.
func (c *Census) Before() int64 { return c.before }

// Span returns the time of the last record, nanoseconds.
func (c *Census) Span() int64 { return c.walk.now }

// Trace returns what was found: all but where the recording is from. Of kind
// other, and only there, connections are counted for clients.
func (c *Census) Trace() study.Trace { return c.told }

// Gaps returns the histogram of the gaps that ended with the client's coming
// back.
func (c *Census) Gaps() []study.Bin { return c.gaps.study() }

// Kind returns the kind of a client, after Finish.
func (c *Census) Kind(number uint64, side policy.Side, protocol policy.Protocol) string {
	switch {
	case side == abi.SideDialled:
		return KindDialled
	case protocol == abi.ProtocolWebSocket, protocol == abi.ProtocolTCP:
		return KindTunnel
	}
	if who := c.clients[party{number, side}]; who != nil {
		return who.kind
	}
	return KindOther
}

// Period returns that of a client's heartbeat, nanoseconds, after Finish; 0: it
// has none. Upstreams are not asked after.
func (c *Census) Period(number uint64) int64 {
	if who := c.clients[party{number, abi.SideAccepted}]; who != nil {
		return who.period * 1e6
	}
	return 0
}

func (c *Census) rested(*lane) {}

func (c *Census) returned(l *lane, from, to int64, gap bool) {
	if gap {
		c.told.Gaps++
		c.gaps.add(to - from)
		c.of(l.client, l.side).tempo.add(to - from)
	}
}

func (c *Census) left(*lane, int64, int64) {}

func (c *Census) dropped(*lane) {}
