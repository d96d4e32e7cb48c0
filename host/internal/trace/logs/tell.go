package logs

import (
	"io"

	"idlehost/host/internal/policy"
	"idlehost/host/internal/trace"
	"idlehost/sdk/abi"
)

// flights bounds how many requests may be in flight at a time. What is more
// takes no time.
const flights = 1 << 20

// ending is the end of a request that was under way.
type ending struct {
	at     int64
	seq    uint64
	slot   int32
	tunnel bool
}

func (e ending) before(o *ending) bool { return e.at < o.at || e.at == o.at && e.seq < o.seq }

// step is what is told next.
type step uint8

const (
	stepTenant step = iota
	stepChoose      // the next request, or the end of one
	stepBegin       // of row, whose connection has just been opened
	stepEnd         // of row, which took no time
	stepClose       // of the connection in slot
)

// Next is as a trace.Source has it. Errors are those of Open, and last.
func (s *Source) Next(r *trace.Record) error {
	*r = trace.Record{}
	if s.err != nil {
		return s.err
	}
	if s.step == stepTenant {
		r.Kind, r.Name = trace.KindTenant, "default"
		s.step = stepChoose
		return nil
	}
	for s.step == stepChoose {
		if s.err = s.fill(); s.err == nil && s.window.len() == 0 && len(s.ends) == 0 {
			s.err = io.EOF
		}
		if s.err != nil {
			return s.err
		}
		if len(s.ends) > 0 && (s.window.len() == 0 || s.ends[0].at <= s.window.first().at) {
			s.end(r)
			return nil
		}
		if s.row = s.window.pop(); s.open(r) {
			return nil
		}
	}
	switch s.step {
	case stepBegin:
		s.start(r)
	case stepEnd:
		s.finish(r, ending{at: s.row.at, slot: s.slot, tunnel: s.row.tunnel})
	case stepClose:
		s.close(r)
	}
	return nil
}

// open tells of row's connection, if it is a new one, and leaves it to start.
func (s *Source) open(r *trace.Record) (told bool) {
	s.step = stepBegin
	if s.row.tunnel {
		s.slot, told = s.clients.alone(s.row.client), true
		s.stats.Tunnels++
	} else if s.slot, told = s.clients.request(s.row.client); told {
		s.stats.Clients++
	}
	if !told {
		return false
	}
	s.fillIn(r, trace.KindOpen, s.row.at)
	r.Client, r.Protocol, r.Side = s.row.client, s.row.protocol, abi.SideAccepted
	r.Phase = abi.PhaseIdle
	if r.Protocol == abi.ProtocolHTTP2 {
		r.Phase = abi.PhaseStreamIdle
	}
	return true
}

// start tells of row's beginning.
func (s *Source) start(r *trace.Record) {
	c := &s.clients.slots[s.slot]
	s.fillIn(r, trace.KindBegin, s.row.at)
	r.Route = s.row.route
	c.flight++
	c.in += s.row.in
	if s.row.length > 0 && len(s.ends) >= flights {
		s.row.length = 0
		s.stats.Shortened++
	}
	c.out += s.row.out
	if s.row.length == 0 {
		s.step = stepEnd
		return
	}
	s.endings++
	s.ends.push(ending{s.row.end(), s.endings, s.slot, s.row.tunnel})
	s.step = stepChoose
}

// end tells of the first end that is due.
func (s *Source) end(r *trace.Record) { s.finish(r, s.ends.pop()) }

// finish tells of a request's end. Its connection may go with it.
func (s *Source) finish(r *trace.Record, e ending) {
	s.slot, s.step = e.slot, stepChoose
	s.fillIn(r, trace.KindEnd, e.at)
	c := &s.clients.slots[e.slot]
	r.BytesIn, r.BytesOut = c.in, c.out
	c.flight--
	if e.tunnel {
		s.row.at, s.step = e.at, stepClose
		return
	}
	s.clients.reclaim(e.slot)
}

// close tells that the connection in slot was closed by its client.
func (s *Source) close(r *trace.Record) {
	s.step = stepChoose
	s.fillIn(r, trace.KindClose, s.row.at)
	c := &s.clients.slots[s.slot]
	r.BytesIn, r.BytesOut = c.in, c.out
	r.Phase, r.Reason = abi.PhaseIdle, policy.ReasonPeer
	s.clients.reclaim(s.slot)
}

func (s *Source) fillIn(r *trace.Record, k trace.Kind, at int64) {
	r.Kind, r.Time, r.Conn = k, at-s.header.Start, s.clients.slots[s.slot].conn
}

var _ interface{ before(*ending) bool } = ending{}
