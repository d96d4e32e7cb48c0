package trace

import (
	"encoding/binary"
	"errors"
	"time"

	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

// decoder reads the records of a frame.
type decoder struct {
	state
	cursor
	version uint16
	ask     policy.Event
	answer  Answer
	owed    bool // the answer to what record has returned; more comes first
	rules   Rules
}

// begin starts with a frame's records.
func (d *decoder) begin(records []byte) {
	d.state.reset()
	d.cursor = cursor{b: records}
	d.owed = false
}

func (d *decoder) more() bool { return d.at < len(d.b) }

// record reads one. ok is false for one of a kind that this version does not
// know, which there is nothing to tell of.
func (d *decoder) record(r *Record) (ok bool, err error) {
	tag := d.byte()
	*r = Record{Kind: Kind(tag & tagKind)}
	r.Time = d.when(tag)
	if tag&tagConn != 0 {
		d.conn += uint64(d.varint())
	}
	if r.Kind == kindExtend {
		d.uvarint()
		d.take(int(d.below(MaxFrame, "a length")))
		return false, d.problem(r)
	}
	if r.Kind.ofConn() {
		r.Conn = d.conn
	}
	d.fields(r, tag)
	if d.why == "" {
		if err := r.check(); err != nil {
			return false, err
		}
	}
	return true, d.problem(r)
}

func (d *decoder) problem(r *Record) error {
	if d.why == "" {
		return nil
	}
	return errors.New(r.Kind.String() + ": " + d.why)
}

func (d *decoder) when(tag byte) int64 {
	switch tag & (tagSteps | tagNanos) {
	case tagSteps:
		d.steps += d.varint()
		if limit := MaxTime / d.step; d.steps > limit || d.steps < -limit {
			d.fail("time is out of range")
			return 0
		}
		d.time = d.steps * d.step
	case tagNanos:
		d.time = d.within(d.time + d.varint())
	case tagSteps | tagNanos:
		d.fail("a time of an unknown kind")
	}
	return d.time
}

func (d *decoder) fields(r *Record, tag byte) {
	flag := tag&tagFlag != 0
	switch r.Kind {
	case KindOpen:
		d.open(r)
	case KindBegin:
		r.Route = uint16(d.below(1<<16-1, "route"))
		r.Since = d.span()
		r.Body = flag
	case KindEnd:
		d.bytes(r)
	case KindPhase:
		b := d.byte()
		r.Phase, r.Protocol = policy.Phase(b&15), policy.Protocol(b>>4)
		if flag {
			r.Handshake = uint16(d.below(1<<16-1, "handshake"))
		}
	case KindBurst:
		r.Since = d.span()
		d.bytes(r)
	case KindHint:
		r.Since = d.span()
	case KindAsk:
		d.question(r, flag)
	case KindAnswer:
		if d.version == 1 {
			d.fail("not a kind")
		}
		d.answer = Answer{Dropped: flag}
		d.verdict(&d.answer.Verdict)
		d.left()
		r.Answer = &d.answer
	case KindClose:
		b := d.byte()
		r.Phase, r.Reason, r.Cut = policy.Phase(b&15), policy.Reason(b>>4), flag
		r.Since = d.span()
		d.bytes(r)
	case KindLost:
		r.Count = d.uvarint()
	case KindTenant, KindPolicy, KindRules:
		d.tenant(r, flag)
	default:
		d.fail("not a kind")
	}
}

func (d *decoder) open(r *Record) {
	bits := d.byte()
	r.Side, r.Protocol = policy.Side(bits&openDialled), policy.Protocol(bits>>openProtocol)
	r.Phase = policy.Phase(d.byte())
	r.Tenant = uint32(d.below(1<<32-1, "tenant"))
	r.Handshake = uint16(d.below(1<<16-1, "handshake"))
	if bits&openClient != 0 {
		r.Client = d.uint64()
	}
	*d.slot(r.Conn) = slot{conn: r.Conn}
	if bits&openFound != 0 {
		r.Age = d.span()
		d.bytes(r)
	}
}

func (d *decoder) tenant(r *Record, flag bool) {
	r.Tenant = uint32(d.below(1<<32-1, "tenant"))
	switch r.Kind {
	case KindTenant:
		r.Name = d.text(MaxName)
	case KindPolicy:
		r.Role = policy.Role(d.byte())
		r.Name = d.text(MaxName)
		r.Params = d.text(MaxParams)
	case KindRules:
		d.law()
		r.Rules = &d.rules
		if flag {
			r.Side = openDialled
		}
	}
}

// question reads an event, older if its connection was not just opened. Words
// beyond those of our ABI are
// passed over; words that the writer's did not have are zero.
func (d *decoder) question(r *Record, older bool) {
	d.expect(r.Conn)
	put := &d.put[0]
	if d.version > 1 {
		put = d.expectLeases(older)
	}
	n := int(d.below(maxWords, "the event's size"))
	mask := d.take((n + 7) / 8)
	for i := range n {
		if len(mask) > 0 && mask[i/8]>>(i%8)&1 != 0 {
			d.words[i] = uint32(d.below(1<<32-1, "a word of the event"))
		}
	}
	clear(d.words[n:])
	d.ask = policy.Event{}
	join(&d.words, &d.ask)
	r.Ask = &d.ask
	*put = d.ask.Leases
	if d.version == 1 {
		d.answered(r)
	}
}

// answered reads what version 1 has in the record of a question: its answer,
// which is then owed. Of a shadow there is nothing else: the question is that of
// the record before.
func (d *decoder) answered(r *Record) {
	d.answer = Answer{State: d.ask.State, Leases: d.ask.Leases}
	d.verdict(&d.answer.Verdict)
	if d.answer.Verdict.Role == policy.RoleShadow {
		r.Kind, r.Ask, r.Answer = KindAnswer, nil, &d.answer
		return
	}
	if why := d.answer.wrong(); why != "" {
		d.fail(why)
	}
	d.owed = true
}

// takeAnswer returns the answer that is owed.
func (d *decoder) takeAnswer(r *Record) {
	d.owed = false
	*r = Record{Kind: KindAnswer, Time: d.time, Conn: d.conn, Answer: &d.answer}
}

// left reads what the policy has left of state and leases.
func (d *decoder) left() {
	mask := d.below(1<<(stateWords+abi.Phases)-1, "what was changed")
	for i := range stateWords {
		word := d.words[wordState+i]
		if mask>>i&1 != 0 {
			word = uint32(d.below(1<<32-1, "a word of the state"))
		}
		binary.LittleEndian.PutUint32(d.answer.State[4*i:], word)
	}
	set := d.answer.Verdict.Leases
	d.answer.Leases = d.leasesBefore(set)
	for i := range d.answer.Leases {
		if mask>>(stateWords+i)&1 != 0 {
			d.answer.Leases[i] = uint32(d.below(1<<32-1, "a lease"))
		}
	}
	if set {
		d.set = d.answer.Leases
	}
}

func (d *decoder) verdict(v *policy.Verdict) {
	bits, who := d.byte(), d.byte()
	v.Action, v.Role = policy.Action(bits&verdictAction), policy.Role(bits>>verdictRole)
	v.Log, v.Leases = bits&verdictLog != 0, bits&verdictLeases != 0
	v.Source, v.Fault = policy.Source(who&15), policy.Fault(who>>4)
	if d.version == 1 && v.Fault > policy.FaultBreaker {
		d.fail("fault is out of range")
	}
	v.Reason = uint16(d.below(1<<16-1, "the verdict's reason"))
	v.Deadline = time.Duration(d.span())
}

// law reads rules; what a later version has appended to them is passed over.
func (d *decoder) law() {
	c := cursor{b: d.take(int(d.below(MaxFrame, "a length")))}
	d.rules = Rules{}
	for i := range c.below(uint64(len(d.rules.Timeouts)), "the number of phases") {
		d.rules.Timeouts[i] = policy.Timeout{
			Idle: time.Duration(c.varint()), MinRate: c.varint(),
			Grace: time.Duration(c.varint()), Max: time.Duration(c.varint()),
		}
	}
	d.rules.Limits = policy.Limits{
		Floor: time.Duration(c.varint()), Ceiling: time.Duration(c.varint()),
		Connections: int(c.varint()), ClientConnections: int(c.varint()),
		Worth: time.Duration(c.varint()),
	}
	if c.why != "" {
		d.fail(c.why)
	}
}

func (d *decoder) span() int64 {
	v := d.uvarint()
	n := unzigzag(v >> 1)
	if v&1 == 0 {
		if limit := MaxTime / d.step; n > limit || n < -limit {
			d.fail("a time is out of range")
			return 0
		}
		return n * d.step
	}
	return d.within(n)
}

func (d *decoder) bytes(r *Record) {
	s := d.slot(r.Conn)
	s.in += d.uvarint()
	s.out += d.uvarint()
	r.BytesIn, r.BytesOut = s.in, s.out
}
