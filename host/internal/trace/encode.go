package trace

import (
	"encoding/binary"
	"math/bits"

	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

// encoder appends records to a frame.
type encoder struct {
	state
	b    []byte
	next [maxWords]uint32 // scratch of ask
}

// record appends one that check has passed.
func (e *encoder) record(r *Record) {
	at := len(e.b)
	e.b = append(e.b, byte(r.Kind))
	tag := e.when(r.Time)
	if r.Kind.ofConn() && r.Conn != e.conn {
		tag |= tagConn
		e.varint(int64(r.Conn - e.conn))
		e.conn = r.Conn
	}
	e.b[at] |= tag | e.fields(r)
}

// when appends the time and returns the tag's bits of it.
func (e *encoder) when(t int64) byte {
	if t == e.time {
		return 0
	}
	before := e.time
	e.time = t
	if n := t / e.step; n*e.step == t && e.step > 1 {
		e.varint(n - e.steps)
		e.steps = n
		return tagSteps
	}
	e.varint(t - before)
	return tagNanos
}

// fields appends what the kind has and returns the tag's flag.
func (e *encoder) fields(r *Record) byte {
	switch r.Kind {
	case KindOpen:
		return e.open(r)
	case KindBegin:
		e.uvarint(uint64(r.Route))
		e.span(r.Since)
		return flagged(r.Body)
	case KindEnd:
		e.bytes(r)
	case KindPhase:
		return e.phase(r)
	case KindBurst:
		e.span(r.Since)
		e.bytes(r)
	case KindHint:
		e.span(r.Since)
	case KindAsk:
		return e.ask(r.Conn, r.Ask)
	case KindAnswer:
		e.verdict(&r.Answer.Verdict)
		e.left(r.Answer)
		return flagged(r.Answer.Dropped)
	case KindClose:
		e.b = append(e.b, byte(r.Phase)|byte(r.Reason)<<4)
		e.span(r.Since)
		e.bytes(r)
		return flagged(r.Cut)
	case KindLost:
		e.uvarint(r.Count)
	case KindTenant:
		e.uvarint(uint64(r.Tenant))
		e.text(r.Name)
	case KindPolicy:
		e.uvarint(uint64(r.Tenant))
		e.b = append(e.b, byte(r.Role))
		e.text(r.Name)
		e.text(r.Params)
	case KindRules:
		e.uvarint(uint64(r.Tenant))
		e.rules(r.Rules)
		return flagged(r.Side != 0)
	}
	return 0
}

func flagged(set bool) byte {
	if set {
		return tagFlag
	}
	return 0
}

// Bits of an Open's own byte, and the shift of its protocol.
const (
	openDialled  = 1 << 0
	openClient   = 1 << 1
	openFound    = 1 << 2 // Age and byte counts follow
	openProtocol = 4
)

// open appends a KindOpen, which begins the connection's counts anew.
func (e *encoder) open(r *Record) byte {
	what := byte(r.Side)*openDialled | byte(r.Protocol)<<openProtocol
	if r.Client != 0 {
		what |= openClient
	}
	if r.Age|int64(r.BytesIn)|int64(r.BytesOut) != 0 {
		what |= openFound
	}
	e.b = append(e.b, what, byte(r.Phase))
	e.uvarint(uint64(r.Tenant))
	e.uvarint(uint64(r.Handshake))
	if r.Client != 0 {
		e.b = binary.LittleEndian.AppendUint64(e.b, r.Client)
	}
	*e.slot(r.Conn) = slot{conn: r.Conn}
	if what&openFound != 0 {
		e.span(r.Age)
		e.bytes(r)
	}
	return 0
}

// phase appends a KindPhase; flagged, the handshake follows.
func (e *encoder) phase(r *Record) byte {
	e.b = append(e.b, byte(r.Phase)|byte(r.Protocol)<<4)
	if r.Handshake == 0 {
		return 0
	}
	e.uvarint(uint64(r.Handshake))
	return tagFlag
}

// ask appends the words of an event that differ from those of the frame's last;
// flagged, its connection was not just opened.
func (e *encoder) ask(conn uint64, event *policy.Event) byte {
	older := event.Kind != uint8(abi.KindAccept)
	e.expect(conn)
	put := e.expectLeases(older)
	split(event, &e.next)
	e.uvarint(usedWords)
	mask := len(e.b)
	e.b = append(e.b, make([]byte, (usedWords+7)/8)...)
	for i, w := range e.next[:usedWords] {
		if w != e.words[i] {
			e.b[mask+i/8] |= 1 << (i % 8)
			e.uvarint(uint64(w))
		}
	}
	e.words = e.next
	*put = event.Leases
	return flagged(older)
}

// left appends what the policy has left: the words of the state and the leases
// that differ from those of the frame's last question, or, where it has set
// leases, from those that it has set last.
func (e *encoder) left(a *Answer) {
	var mask uint64
	before := e.leasesBefore(a.Verdict.Leases)
	for i := range stateWords {
		if binary.LittleEndian.Uint32(a.State[4*i:]) != e.words[wordState+i] {
			mask |= 1 << i
		}
	}
	for i, ms := range a.Leases {
		if ms != before[i] {
			mask |= 1 << (stateWords + i)
		}
	}
	e.uvarint(mask)
	for ; mask != 0; mask &= mask - 1 {
		if i := bits.TrailingZeros64(mask); i < stateWords {
			e.uvarint(uint64(binary.LittleEndian.Uint32(a.State[4*i:])))
		} else {
			e.uvarint(uint64(a.Leases[i-stateWords]))
		}
	}
	if a.Verdict.Leases {
		e.set = a.Leases
	}
}

// Bits of a verdict's first byte beside the action, and the shift of its role.
const (
	verdictAction = 0x0f
	verdictLog    = 1 << 4
	verdictLeases = 1 << 5
	verdictRole   = 6
)

func (e *encoder) verdict(v *policy.Verdict) {
	what := byte(v.Action) | byte(v.Role)<<verdictRole
	if v.Log {
		what |= verdictLog
	}
	if v.Leases {
		what |= verdictLeases
	}
	e.b = append(e.b, what, byte(v.Source)|byte(v.Fault)<<4)
	e.uvarint(uint64(v.Reason))
	e.span(int64(v.Deadline))
}

// rules appends a tenant's law, its length first.
func (e *encoder) rules(rules *Rules) {
	begin := len(e.b)
	e.uvarint(uint64(len(rules.Timeouts)))
	for _, t := range rules.Timeouts {
		e.varint(int64(t.Idle))
		e.varint(t.MinRate)
		e.varint(int64(t.Grace))
		e.varint(int64(t.Max))
	}
	l := &rules.Limits
	e.varint(int64(l.Floor))
	e.varint(int64(l.Ceiling))
	e.varint(int64(l.Connections))
	e.varint(int64(l.ClientConnections))
	e.varint(int64(l.Worth))

	var length [binary.MaxVarintLen64]byte
	n := binary.PutUvarint(length[:], uint64(len(e.b)-begin))
	e.b = append(e.b, length[:n]...) // room; the order is put right below
	copy(e.b[begin+n:], e.b[begin:len(e.b)-n])
	copy(e.b[begin:], length[:n])
}

// span appends a duration: twice the number of steps of the coarse clock, or
// of nanoseconds and one.
func (e *encoder) span(d int64) {
	if d == 0 {
		e.b = append(e.b, 0)
	} else if n := d / e.step; n*e.step == d {
		e.uvarint(zigzag(n) << 1)
	} else {
		e.uvarint(zigzag(d)<<1 | 1)
	}
}

// bytes appends both counts, less what the connection had counted before.
func (e *encoder) bytes(r *Record) {
	s := e.slot(r.Conn)
	e.uvarint(r.BytesIn - s.in)
	e.uvarint(r.BytesOut - s.out)
	s.in, s.out = r.BytesIn, r.BytesOut
}

func (e *encoder) text(s string) {
	e.uvarint(uint64(len(s)))
	e.b = append(e.b, s...)
}

func (e *encoder) varint(v int64) { e.uvarint(zigzag(v)) }

func (e *encoder) uvarint(v uint64) {
	if v < 0x80 {
		e.b = append(e.b, byte(v))
		return
	}
	e.b = binary.AppendUvarint(e.b, v)
}
