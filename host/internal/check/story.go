package check

import (
	"errors"
	"fmt"
	"time"

	"idlehost/host/internal/policy"
	"idlehost/host/internal/sandbox/engine"
	"idlehost/sdk/abi"
)

// epochMs is when the first question is asked, in Unix milliseconds.
const epochMs = 1_750_000_000_000

// restMs lies between two connections. It is so long that the engine's breaker
// and its fuel rate have forgotten the one before: every question is answered,
// or not, for reasons of its own.
const restMs = 2 * minute

// maxTime bounds the processor time of a check. No verdict
// depends on it, since fuel bounds a check already: using up all of that takes
// 0.1 to 1.9 s.
const maxTime = 2 * time.Second

// instanceFuel is what a new instance counts for beside the fuel that it uses:
// its memory is made and filled, which takes up to some milliseconds.
const instanceFuel = 1_000_000

// job is what the questions are a part of: engine.Job.
type job interface {
	Yield() error
	Used() time.Duration
}

var (
	// errSpent ends the questions to a policy that has used up the fuel of a check.
	errSpent = errors.New("has used up the fuel of a check")
	// errUntold is why there is no answer of a policy that has ended its worker: it
	// was not asked any more, or its answer has gone with the worker.
	errUntold = errors.New("ended with its worker")
)

// question is one of the story.
type question struct {
	scene string
	opens bool // a connection: the ones that follow have the state that it leaves
	ask   *policy.Ask
}

// story yields every question of every scene, in every phase. What is left in the
// event is there at the connection's next question.
func story(yield func(question) bool) {
	now, conn := uint64(epochMs), uint64(0)
	for _, s := range scenes() {
		for phase := abi.PhaseHandshake; phase <= abi.PhaseDraining; phase++ {
			conn++
			end, more := s.connection(phase, conn, now, yield)
			if !more {
				return
			}
			now = end + restMs
		}
	}
}

// questions counts what story yields.
func questions() (n int) {
	for _, s := range scenes() {
		n += int(abi.PhaseDraining-abi.PhaseHandshake+1) * (2 + len(s.idles))
	}
	return n
}

// connection asks about one in one phase: at accept, after each of the scene's
// idle times, whatever was said before, and at the end, a second later. It returns
// when that was.
func (s *scene) connection(phase abi.Phase, conn, start uint64, yield func(question) bool) (end uint64, more bool) {
	ask := &policy.Ask{Event: newcomer(s.side), Gaps: s.gaps}
	e := &ask.Event
	s.set(e)
	e.Phase, e.Protocol, e.Conn = uint8(phase), uint8(protocol(phase)), conn
	put := func(kind abi.Kind, idle uint32) bool {
		if end = start + uint64(idle); kind == abi.KindClose {
			end += second
		}
		e.Kind, e.NowMs, e.Random = uint8(kind), end, random(conn, e.Asks)
		pass(e, idle)
		more := yield(question{scene: s.name, opens: kind == abi.KindAccept, ask: ask})
		e.Asks++
		return more
	}
	used := opened(e)
	if !put(abi.KindAccept, 0) {
		return end, false
	}
	used(e)
	idle := uint32(0)
	for _, idle = range s.idles {
		if !put(abi.KindTimeout, idle) {
			return end, false
		}
	}
	return end, put(abi.KindClose, idle)
}

// ask puts every question, as far as the fuel goes.
func (r *Report) ask(j job, p asker) error {
	untold := false
	for q := range story {
		kind := abi.Kind(q.ask.Event.Kind)
		a, err := put(p, q.scene, q.ask)
		if untold = errors.Is(err, errUntold); untold {
			continue
		}
		if err != nil {
			return err
		}
		r.note(a, kind, p)
		if err := r.goOn(j, p); errors.Is(err, errSpent) {
			r.stop()
			break
		} else if err != nil {
			return err
		}
	}
	if untold && r.Failure == nil { // it was not at a question
		r.fail(VerdictFaulty, p.Err())
	}
	r.conclude()
	return nil
}

// goOn says whether there is to be another question, and lets others have their
// turn before it. That the check takes too long has to do with the machine, so
// it says nothing about the policy.
func (r *Report) goOn(j job, p asker) error {
	if r.Fuel.Total = p.Spent(); r.Fuel.Total > r.Fuel.TotalBudget && len(r.Answers) < questions() {
		return errSpent
	}
	if used := j.Used(); used > maxTime {
		return &engine.FaultError{
			Policy: r.Policy, Step: "check", Fault: policy.FaultBusy,
			Err: fmt.Errorf("took more than %v of processor time for %d of %d questions: try again", maxTime, len(r.Answers), questions()),
		}
	}
	return j.Yield()
}

// stop notes that the questions end early. A policy that answers them all
// cannot use so much.
func (r *Report) stop() {
	if r.Failure == nil {
		r.fail(VerdictFaulty, fmt.Errorf("policy %w of %d units", errSpent, r.Fuel.TotalBudget))
	}
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
		r.Failure.Asked, r.Failure.Unasked = len(r.Answers), questions()-len(r.Answers)
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
