package check

import (
	"fmt"

	"idlehost/host/internal/engine"
	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

// epochMs is when the first question is asked, in Unix milliseconds.
const epochMs = 1_750_000_000_000

// restMs lies between two connections. It is so long that the engine's breaker
// and its fuel rate have forgotten the one before: every question is answered,
// or not, for reasons of its own.
const restMs = 2 * minute

// asked is a loaded policy that tells what its questions took.
type asked struct{ *engine.Policy }

// Fuel implements asker.
func (a asked) Fuel(kind abi.Kind) uint64 { return a.Stats().FuelTotal[kind] }

// ask puts every question of every scene.
func (r *Report) ask(p *engine.Policy) {
	now, conn := uint64(epochMs), uint64(0)
	for _, s := range scenes() {
		for phase := abi.PhaseHandshake; phase <= abi.PhaseDraining; phase++ {
			conn++
			now = r.tell(asked{p}, s, phase, conn, now) + restMs
		}
	}
}

// tell asks about one connection in one phase: at accept, after each of the
// scene's idle times, whatever was said before, and at the end, a second later.
// It returns when that was.
func (r *Report) tell(p asker, s scene, phase abi.Phase, conn, start uint64) (end uint64) {
	ask := &policy.Ask{Event: newcomer(s.side), Gaps: s.gaps}
	e := &ask.Event
	s.set(e)
	e.Phase, e.Protocol, e.Conn = uint8(phase), uint8(protocol(phase)), conn
	put := func(kind abi.Kind, idle uint32) {
		now := start + uint64(idle)
		if kind == abi.KindClose {
			now += second
		}
		e.Kind, e.NowMs, e.Random = uint8(kind), now, random(conn, e.Asks)
		pass(e, idle)
		r.note(put(p, s.name, ask), kind, p)
		e.Asks++
		end = now
	}
	used := opened(e)
	put(abi.KindAccept, 0)
	used(e)
	idle := uint32(0)
	for _, idle = range s.idles {
		put(abi.KindTimeout, idle)
	}
	put(abi.KindClose, idle)
	return end
}

// opened takes from an event what a connection does not have when it is
// accepted, and returns what gives it back.
func opened(e *policy.Event) (used func(*policy.Event)) {
	was := *e
	e.Requests, e.Streams, e.Rate, e.BytesIn, e.BytesOut, e.Route = 0, 0, 0, 0, 0, 0
	e.GapCount, e.GapLastMs, e.GapMeanMs, e.GapMaxMs = 0, 0, 0, 0
	e.ControlMs, e.RecvMs, e.Unacked, e.NotSent = abi.Never, abi.Never, 0, 0
	return func(e *policy.Event) {
		was.State, was.Leases, was.Asks = e.State, e.Leases, e.Asks
		*e = was
	}
}

// pass sets what grows as a connection does nothing.
func pass(e *policy.Event, idle uint32) {
	e.AgeMs, e.PhaseMs, e.IdleMs, e.ReadMs, e.WriteMs = idle, idle, idle, idle, idle
	e.DeadlineMs = 0
	if abi.Kind(e.Kind) != abi.KindAccept {
		e.DeadlineMs, e.RecvMs = idle, idle
	}
}

// note keeps an answer, and the first failure.
func (r *Report) note(a Answer, kind abi.Kind, p asker) {
	r.Answers = append(r.Answers, a)
	r.Fuel.count(kind, &a)
	if a.Fault == "" {
		return
	}
	if r.Failure == nil {
		r.fail(VerdictFaulty, cause(p, &a))
		r.Failure.Event = &a
	}
	r.Failure.Failed++
}

// cause returns why p did not answer.
func cause(p asker, a *Answer) error {
	if err := p.Err(); err != nil {
		return err
	}
	return fmt.Errorf("policy was not asked: %s", a.Fault)
}

// conclude counts.
func (r *Report) conclude() {
	if r.Failure != nil {
		r.Failure.Asked = len(r.Answers)
	}
}

// protocol is one that has the phase.
func protocol(p abi.Phase) abi.Protocol {
	switch p {
	case abi.PhaseHandshake:
		return abi.ProtocolUnknown
	case abi.PhaseStreamIdle:
		return abi.ProtocolHTTP2
	case abi.PhaseTunnel:
		return abi.ProtocolWebSocket
	case abi.PhaseHalfClosed:
		return abi.ProtocolTCP
	}
	return abi.ProtocolHTTP1
}

// random is splitmix64: as good as any, and the same every time.
func random(conn uint64, asks uint32) uint64 {
	z := (conn<<32 + uint64(asks) + 1) * 0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
