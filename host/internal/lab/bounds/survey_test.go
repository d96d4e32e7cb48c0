package bounds

import (
	"math/rand/v2"
	"slices"
	"testing"
	"testing/quick"

	"idlehost/host/internal/lab/study"
	"idlehost/host/internal/policy"
	"idlehost/host/internal/trace"
)

// scene is a short random recording, and what plain reckoning makes of it.
type scene struct {
	records recording
	rests   []*plain
	events  []event
	end     int64
}

// plain is a rest.
type plain struct {
	from, to int64
	back     bool
	gap      bool
}

// event is the beginning or the end of one, in the order of the records.
type event struct {
	rest  *plain
	at    int64
	begun bool
}

// played makes up a scene. Times are whole seconds, so that many are equal.
func played(seed uint64) *scene {
	const s = int64(1e9)
	r := rand.New(rand.NewPCG(seed, 9))
	sc := new(scene)
	open := map[uint64]*plain{}
	used := map[uint64]bool{}
	now, lanes := int64(0), uint64(0)
	rest := func(lane uint64) {
		p := &plain{from: now}
		open[lane] = p
		sc.rests = append(sc.rests, p)
		sc.events = append(sc.events, event{p, now, true})
	}
	finish := func(p *plain, back, gap bool) {
		p.to, p.back, p.gap = now, back, gap
		sc.events = append(sc.events, event{p, now, false})
	}
	for range 20 + r.IntN(150) {
		now += r.Int64N(3) * r.Int64N(1+r.Int64N(40)) * s
		lane := 1 + r.Uint64N(lanes+1)
		p := open[lane]
		switch {
		case lane > lanes:
			lanes++
			sc.records.open(now, lane)
			rest(lane)
		case p == nil:
		case r.IntN(12) == 0:
			sc.records.close(now, lane, policy.ReasonPeer)
			finish(p, false, true)
			delete(open, lane)
		default:
			if r.IntN(4) == 0 { // the host closed, which is nothing to the client
				sc.records.close(now, lane, policy.ReasonPolicy)
				sc.records.open(now, lane)
			}
			sc.records = append(sc.records, trace.Record{Kind: trace.KindBegin, Time: now, Conn: lane})
			finish(p, true, used[lane] || now > p.from)
			used[lane] = true
			now += r.Int64N(2) * s
			sc.records = append(sc.records, trace.Record{Kind: trace.KindEnd, Time: now, Conn: lane})
			rest(lane)
		}
	}
	now += r.Int64N(60) * s
	sc.end = now
	for _, lane := range slices.Sorted(func(yield func(uint64) bool) {
		for l := range open {
			if !yield(l) {
				return
			}
		}
	}) {
		finish(open[lane], false, true)
	}
	return sc
}

// fixed is what a timeout costs rests that begin at from or later, as far as
// they are known at to; a negative one never closes.
func (sc *scene) fixed(timeout, from, to, worthMs int64) (p study.Point) {
	if timeout < 0 {
		timeout = forever
	}
	for _, r := range sc.rests {
		if !r.gap || r.from < from || r.from >= to {
			continue
		}
		length := min(r.to, to) - r.from
		p.HeldMs += min(length, timeout) / 1e6
		if r.back && r.to <= to && length > timeout {
			p.Premature++
		}
	}
	p.CostMs = p.HeldMs + p.Premature*worthMs
	return p
}

func (sc *scene) peak(timeout int64) (peak int64) {
	resting := map[*plain]bool{}
	for _, e := range sc.events {
		if !e.begun {
			delete(resting, e.rest)
			continue
		}
		resting[e.rest] = true
		n := int64(0)
		for r := range resting {
			if timeout < 0 || r.from+timeout >= e.at {
				n++
			}
		}
		peak = max(peak, n)
	}
	return peak
}

func check(t *testing.T, what string, got, want study.Point) {
	t.Helper()
	got.TimeoutMs = 0
	if got != want {
		t.Errorf("%s: %+v, want %+v", what, got, want)
	}
}

func TestSurveyIsWhatPlainReckoningSays(t *testing.T) {
	const worth = 30_000
	right := func(seed uint64) bool {
		sc := played(seed)
		b := sc.records.survey(Config{WorthMs: worth, To: sc.end}).Bounds(worth)
		for _, p := range b.Fixed {
			want := sc.fixed(max(p.TimeoutMs*1e6, -1), 0, forever, worth)
			want.PeakOpen = sc.peak(max(p.TimeoutMs*1e6, -1))
			check(t, "fixed", p, want)
		}
		middle := sc.end / 2
		least, at := int64(forever), int64(0)
		for ms := int64(0); ms <= 200_000; ms += 1000 { // whole seconds: rests are, too
			if c := sc.fixed(ms*1e6, 0, forever, worth).CostMs; c < b.BestFixed.CostMs {
				t.Errorf("%d ms costs %d, the best %+v", ms, c, b.BestFixed)
			}
			if c := sc.fixed(ms*1e6, middle, forever, worth).CostMs; c < b.SplitFixed.Best.CostMs {
				t.Errorf("%d ms costs %d in the second half, the best %+v", ms, c, b.SplitFixed.Best)
			}
			if c := sc.fixed(ms*1e6, 0, middle, worth).CostMs; c < least {
				least, at = c, ms
			}
		}
		if fitted := b.SplitFixed.Fitted; fitted.CostMs != sc.fixed(fitted.TimeoutMs*1e6, middle, forever, worth).CostMs ||
			sc.fixed(max(fitted.TimeoutMs*1e6, -1), 0, middle, worth).CostMs > least {
			t.Errorf("fitted %+v; %d ms costs %d before the middle", fitted, at, least)
		}
		return !t.Failed()
	}
	if err := quick.Check(right, &quick.Config{MaxCount: 50}); err != nil {
		t.Error(err)
	}
}

func TestNothingBeatsWhoKnowsTheFuture(t *testing.T) {
	const worth = 30_000
	right := func(seed uint64) bool {
		sc := played(seed)
		b := sc.records.survey(Config{WorthMs: worth}).Bounds(worth)
		least := b.Clairvoyant.CostMs
		want := int64(0)
		for _, r := range sc.rests {
			if r.back && r.gap {
				want += min((r.to-r.from)/1e6, worth)
			}
		}
		if least != want {
			t.Errorf("the optimum costs %d, want %d", least, want)
		}
		for _, p := range slices.Concat(b.Fixed, []study.Point{b.BestFixed, b.SkiRental, b.SkiRandom}) {
			if p.CostMs < least {
				t.Errorf("%+v costs less than the optimum, %d", p, least)
			}
		}
		return !t.Failed()
	}
	if err := quick.Check(right, &quick.Config{MaxCount: 50}); err != nil {
		t.Error(err)
	}
}

func TestWhatBeganBeforeDoesNotCount(t *testing.T) {
	right := func(seed uint64) bool {
		sc := played(seed)
		from := sc.end / 3
		b := sc.records.survey(Config{From: from, To: sc.end, WorthMs: 1000}).Bounds(1000)
		for _, p := range b.Fixed {
			want := sc.fixed(max(p.TimeoutMs*1e6, -1), from, forever, 1000)
			want.PeakOpen = p.PeakOpen
			check(t, "fixed", p, want)
		}
		return !t.Failed()
	}
	if err := quick.Check(right, &quick.Config{MaxCount: 50}); err != nil {
		t.Error(err)
	}
}

func TestTheEndIsWhereItIsSaidToBe(t *testing.T) {
	var r recording
	r.open(0, 1)
	r.request(0, 1e9, 1)
	r.request(11e9, 11e9, 1)
	all := r.survey(Config{To: 21e9}).Bounds(0)
	if p := all.Fixed[len(all.Fixed)-1]; p.TimeoutMs != -1 || p.HeldMs != 20_000 || p.Premature != 0 {
		t.Errorf("never closing: %+v, want 20 s held", p)
	}
	early := r.survey(Config{To: 6e9}).Bounds(0)
	if p := early.Fixed[0]; p.TimeoutMs != 0 || p.HeldMs != 0 || p.Premature != 0 {
		t.Errorf("closing at once, until 6 s: %+v, want nothing held and nobody back", p)
	}
	if p := early.Fixed[len(early.Fixed)-1]; p.HeldMs != 5000 {
		t.Errorf("never closing, until 6 s: %+v, want 5 s held", p)
	}
}

func TestNothingAtAll(t *testing.T) {
	b := recording{}.survey(Config{To: 1e9, WorthMs: 1000}).Bounds(1000)
	for _, p := range slices.Concat(b.Fixed, []study.Point{b.BestFixed, b.Clairvoyant, b.SkiRental, b.SkiRandom}) {
		if p.HeldMs != 0 || p.Premature != 0 || p.CostMs != 0 || p.PeakOpen != 0 {
			t.Errorf("point %+v of an empty recording, want zeros", p)
		}
	}
	if c := (recording{}).census(); c.Records() != 0 || c.Span() != 0 || len(c.Gaps()) != 0 || len(c.Beats()) != 0 || len(c.Trace().Kinds) != 0 {
		t.Errorf("census %+v of an empty recording, want zeros", c.Trace())
	}
}
