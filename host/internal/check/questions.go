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

// pauseMs lies between two connections. It is so long that the engine's breaker and
// its fuel rate have recovered from the one before: whether a question is answered
// does not depend on earlier connections.
const pauseMs = 2 * minute

// maxTime bounds the processor time of a check. No verdict depends on it, since
// fuel bounds a check already: using all of it takes 0.1 to 1.9 s.
const maxTime = 2 * time.Second

// instanceFuel is charged for a new instance, beside the fuel that it uses, for
// making and filling its memory, which takes up to some milliseconds.
const instanceFuel = 1_000_000

// turnJob is the part of engine.Job that the questions need.
type turnJob interface {
	Yield() error
	Used() time.Duration
}

var (
	// errFuelUsed ends the questions to a policy that has used up the fuel of a check.
	errFuelUsed = errors.New("has used up the fuel of a check")
	// errNoAnswer is why a policy that has ended its worker did not answer: it was not
	// asked any more, or its answer was lost with the worker.
	errNoAnswer = errors.New("ended with its worker")
)

// question is one question of a check.
type question struct {
	scene string
	opens bool // a connection: the ones that follow have the state that it leaves
	ask   *policy.Ask
}

// questions yields every question of every scene, in every phase. What the policy
// leaves in the event is there at the connection's next question.
func questions(yield func(question) bool) {
	now, conn := uint64(epochMs), uint64(0)
	for _, s := range scenes() {
		for phase := abi.PhaseHandshake; phase <= abi.PhaseDraining; phase++ {
			conn++
			end, more := s.connection(phase, conn, now, yield)
			if !more {
				return
			}
			now = end + pauseMs
		}
	}
}

// questionCount returns how many questions there are.
func questionCount() (n int) {
	for _, s := range scenes() {
		n += int(abi.PhaseDraining-abi.PhaseHandshake+1) * (2 + len(s.idles))
	}
	return n
}

// connection asks about one in one phase: at accept, after each of the scene's
// idle times, whatever was said before, and at the end, a second later. It returns
// when that was.
func (s *scene) connection(phase abi.Phase, conn, start uint64, yield func(question) bool) (end uint64, more bool) {
	ask := &policy.Ask{Event: firstConnection(s.side), Gaps: s.gaps}
	e := &ask.Event
	s.set(e)
	e.Phase, e.Protocol, e.Conn = uint8(phase), uint8(protocol(phase)), conn
	put := func(kind abi.Kind, idle uint32) bool {
		if end = start + uint64(idle); kind == abi.KindClose {
			end += second
		}
		e.Kind, e.NowMs, e.Random = uint8(kind), end, random(conn, e.Asks)
		advance(e, idle)
		more := yield(question{scene: s.name, opens: kind == abi.KindAccept, ask: ask})
		e.Asks++
		return more
	}
	used := atAccept(e)
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

// ask asks every question, as far as the fuel goes.
func (r *Report) ask(j turnJob, p askable) error {
	untold := false
	for q := range questions {
		kind := abi.Kind(q.ask.Event.Kind)
		a, err := askOne(p, q.scene, q.ask)
		if untold = errors.Is(err, errNoAnswer); untold {
			continue
		}
		if err != nil {
			return err
		}
		r.addAnswer(a, kind, p)
		if err := r.mayContinue(j, p); errors.Is(err, errFuelUsed) {
			r.stopOverBudget()
			break
		} else if err != nil {
			return err
		}
	}
	if untold && r.Failure == nil { // it was not at a question
		r.fail(OutcomeFaulty, p.Err())
	}
	r.countUnasked()
	return nil
}

// goOn says whether there is to be another question, and lets others have their
// turn before it. That the check takes too long has to do with the machine, so
// it says nothing about the policy.
func (r *Report) mayContinue(j turnJob, p askable) error {
	if r.Fuel.Total = p.Spent(); r.Fuel.Total > r.Fuel.TotalBudget && len(r.Answers) < questionCount() {
		return errFuelUsed
	}
	if used := j.Used(); used > maxTime {
		return &engine.FaultError{
			Policy: r.Policy, Step: "check", Fault: policy.FaultBusy,
			Err: fmt.Errorf("took more than %v of processor time for %d of %d questions: try again", maxTime, len(r.Answers), questionCount()),
		}
	}
	return j.Yield()
}

// stopOverBudget records that the questions end early. A policy that answers them
// all cannot use so much.
func (r *Report) stopOverBudget() {
	if r.Failure == nil {
		r.fail(OutcomeFaulty, fmt.Errorf("policy %w of %d units", errFuelUsed, r.Fuel.TotalBudget))
	}
}

// opened takes from an event what a connection does not have when it is
// accepted, and returns what gives it back.
func atAccept(e *policy.Event) (used func(*policy.Event)) {
	was := *e
	e.Requests, e.Streams, e.Rate, e.BytesIn, e.BytesOut, e.Route = 0, 0, 0, 0, 0, 0
	e.GapCount, e.GapLastMs, e.GapMeanMs, e.GapMaxMs = 0, 0, 0, 0
	e.ControlMs, e.RecvMs, e.Unacked, e.NotSent = abi.Never, abi.Never, 0, 0
	return func(e *policy.Event) {
		was.State, was.Leases, was.Asks = e.State, e.Leases, e.Asks
		*e = was
	}
}

// advance sets the times that grow while a connection is idle.
func advance(e *policy.Event, idle uint32) {
	e.AgeMs, e.PhaseMs, e.IdleMs, e.ReadMs, e.WriteMs = idle, idle, idle, idle, idle
	e.DeadlineMs = 0
	if abi.Kind(e.Kind) != abi.KindAccept {
		e.DeadlineMs, e.RecvMs = idle, idle
	}
}

// addAnswer adds an answer, and keeps the first failure.
func (r *Report) addAnswer(a Answer, kind abi.Kind, p askable) {
	r.Answers = append(r.Answers, a)
	r.Fuel.count(kind, &a)
	if a.Fault == "" {
		return
	}
	if r.Failure == nil {
		r.fail(OutcomeFaulty, cause(p, &a))
		r.Failure.Event = &a
	}
	r.Failure.Failed++
}

// cause returns why p did not answer.
func cause(p askable, a *Answer) error {
	if err := p.Err(); err != nil {
		return err
	}
	return fmt.Errorf("policy was not asked: %s", a.Fault)
}

// countUnasked completes the failure with how many questions were asked, and not.
func (r *Report) countUnasked() {
	if r.Failure != nil {
		r.Failure.Asked, r.Failure.Unasked = len(r.Answers), questionCount()-len(r.Answers)
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
