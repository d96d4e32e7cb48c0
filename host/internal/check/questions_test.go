package check

import (
	"context"
	"errors"
	"testing"
	"time"

	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

// recordingDecider notes what it is asked, and writes into the connection's state.
type recordingDecider struct {
	asks  []policy.Ask
	price uint64       // of a question
	fault policy.Fault // what becomes of every question
}

func (s *recordingDecider) Decide(ask *policy.Ask) (policy.Verdict, policy.Fault, error) {
	s.asks = append(s.asks, *ask)
	ask.Event.State[0]++
	return policy.Verdict{Action: abi.ActionExtend}, s.fault, nil
}
func (s *recordingDecider) Err() error           { return errors.New("never") }
func (s *recordingDecider) Fuel(abi.Kind) uint64 { return uint64(len(s.asks)) }
func (s *recordingDecider) Spent() uint64        { return uint64(len(s.asks)) * s.price }

// pace is a job that notes what it is told.
type pace struct {
	yields int
	used   time.Duration
	each   time.Duration // that a question takes
	ends   int           // the yield that fails; 0: none
}

func (p *pace) Used() time.Duration { return p.used }
func (p *pace) Yield() error {
	p.yields++
	p.used += p.each
	if p.yields == p.ends {
		return context.Canceled
	}
	return nil
}

// stories lets a recordingDecider be asked everything; every element is a connection.
func stories(t *testing.T) (all [][]policy.Ask) {
	t.Helper()
	p := &recordingDecider{}
	if err := newReport("", "", 0).ask(&pace{}, p); err != nil {
		t.Fatal(err)
	}
	for _, ask := range p.asks {
		if ask.Event.Kind == uint8(abi.KindAccept) {
			all = append(all, nil)
		}
		all[len(all)-1] = append(all[len(all)-1], ask)
	}
	return all
}

func TestEveryPhaseIsAskedEverything(t *testing.T) {
	asked := map[[2]uint8]int{}
	for _, story := range stories(t) {
		for _, ask := range story {
			asked[[2]uint8{ask.Event.Kind, ask.Event.Phase}]++
		}
	}
	for phase := abi.PhaseHandshake; phase <= abi.PhaseDraining; phase++ {
		for kind := abi.KindAccept; kind <= abi.KindClose; kind++ {
			if n := asked[[2]uint8{uint8(kind), uint8(phase)}]; n < len(scenes()) {
				t.Errorf("%v in phase %v is asked %d times in %d scenes", kind, phase, n, len(scenes()))
			}
		}
	}
}

// TestStoriesAreOfOneConnection: facts agree with each other, as the host's do.
func TestStoriesAreOfOneConnection(t *testing.T) {
	last := uint64(0)
	random := map[uint64]bool{}
	for _, story := range stories(t) {
		first, end := story[0].Event, story[len(story)-1].Event
		if first.NowMs < last+pauseMs-1 && last > 0 {
			t.Errorf("connection %d begins %d ms after the one before", first.Conn, first.NowMs-last)
		}
		if first.Kind != uint8(abi.KindAccept) || end.Kind != uint8(abi.KindClose) {
			t.Errorf("connection %d begins with %v and ends with %v", first.Conn, abi.Kind(first.Kind), abi.Kind(end.Kind))
		}
		if first.DeadlineMs != 0 || first.AgeMs != 0 || first.Requests != 0 || first.BytesIn != 0 || first.GapCount != 0 || first.RecvMs != abi.Never {
			t.Errorf("connection %d is accepted with %+v, want no deadline, age, requests, bytes and gaps", first.Conn, first)
		}
		for i, ask := range story {
			e := ask.Event
			if e.Asks != uint32(i) || int(e.State[0]) != i || e.Conn != first.Conn || random[e.Random] {
				t.Errorf("question %d of connection %d: asks %d, state %d", i, first.Conn, e.Asks, e.State[0])
			}
			random[e.Random] = true
			if e.Kind == uint8(abi.KindTimeout) && (e.NowMs != first.NowMs+uint64(e.IdleMs) || e.DeadlineMs != e.IdleMs || e.AgeMs < e.IdleMs) {
				t.Errorf("question %d of connection %d: now %d, idle %d, age %d", i, first.Conn, e.NowMs-first.NowMs, e.IdleMs, e.AgeMs)
			}
		}
		last = end.NowMs
	}
}

// TestHistogramsArePossible holds them against what the books can write.
func TestHistogramsArePossible(t *testing.T) {
	generations := map[uint32]bool{}
	var empty, full bool
	for _, s := range scenes() {
		if s.gaps == nil {
			continue
		}
		sum, cells := uint64(0), 0
		for i := range abi.Bins {
			for _, w := range []uint32{s.gaps.Returned[i], s.gaps.Gone[i], s.gaps.Cut[i]} {
				sum += uint64(w)
				cells += int(min(w, 1))
			}
		}
		if sum > 1<<31 || s.gaps.Unit == 0 || s.gaps.Generation == 0 || generations[s.gaps.Generation] {
			t.Errorf("%s: weighs %d, unit %d, generation %d", s.name, sum, s.gaps.Unit, s.gaps.Generation)
		}
		generations[s.gaps.Generation] = true
		empty, full = empty || cells == 0, full || cells == 3*abi.Bins
	}
	if !empty || !full {
		t.Errorf("an empty one: %v, a full one: %v", empty, full)
	}
}
