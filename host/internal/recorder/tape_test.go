package recorder

import (
	"os"
	"sync"
	"testing"

	"idlehost/host/internal/policy"
	"idlehost/host/internal/trace"
	"idlehost/host/internal/trace/tracetest"
	"idlehost/sdk/abi"
)

// TestAnAnswerInsideTheCallIsRightBehindItsQuestion, whatever happened
// meanwhile; one that is not, is where it was told of.
func TestAnAnswerInsideTheCallIsRightBehindItsQuestion(t *testing.T) {
	cfg := config(t)
	r := start(t, cfg)
	a := r.Tenant("acme")
	ask := func(conn uint64) trace.Record {
		return trace.Record{Kind: trace.KindAsk, Time: int64(conn), Conn: conn, Ask: &policy.Event{Conn: conn, Client: 5}}
	}
	places := [4]uint64{a.Mark(), a.Mark(), a.Mark(), a.Mark()}
	a.Take(trace.Record{Kind: trace.KindEnd, Time: 9, Conn: 9})
	a.TakeAt(places[3], ask(4), nil)
	a.TakeAt(places[1], ask(2), &trace.Answer{Verdict: policy.Verdict{Reason: 2}, State: [abi.StateSize]uint8{2}})
	a.TakeAt(places[2], ask(3), nil)
	a.TakeAt(places[0], ask(1), &trace.Answer{Verdict: policy.Verdict{Reason: 1}, Leases: [abi.Phases]uint32{1}})
	a.Take(trace.Record{Kind: trace.KindAnswer, Time: 10, Conn: 3, Answer: &trace.Answer{Dropped: true, Verdict: policy.Verdict{Reason: 3}}})
	r.Close()
	_, got := tracetest.Read(t, cfg.File)
	want := []struct {
		kind   trace.Kind
		conn   uint64
		time   int64
		reason uint16
	}{
		{trace.KindAsk, 1, 1, 0}, {trace.KindAnswer, 1, 1, 1}, {trace.KindAsk, 2, 2, 0}, {trace.KindAnswer, 2, 2, 2},
		{trace.KindAsk, 3, 3, 0}, {trace.KindAsk, 4, 4, 0}, {trace.KindEnd, 9, 9, 0}, {trace.KindAnswer, 3, 10, 3},
	}
	if got = got[1:]; len(got) != len(want) {
		t.Fatalf("%d records: %+v", len(got), got)
	}
	for i, w := range want {
		g := &got[i]
		if g.Kind != w.kind || g.Conn != w.conn || g.Time != w.time || g.Ask != nil && (g.Ask.Conn != w.conn || g.Ask.Client == 5) ||
			g.Answer != nil && (g.Answer.Verdict.Reason != w.reason || g.Answer.Dropped != (w.conn == 3)) {
			t.Errorf("record %d is %v %+v %+v, want %+v", i, g, g.Ask, g.Answer, w)
		}
	}
	if got[1].Answer.Leases[0] != 1 || got[3].Answer.State[0] != 2 {
		t.Errorf("answers %+v, %+v", got[1].Answer, got[3].Answer)
	}
	if s := r.Stats(); s.Records != uint64(len(want))+1 {
		t.Errorf("%d records are counted", s.Records)
	}
}

// TestAShadowAnswersTheQuestionThatWasEnforced, whether it does so before that
// is answered or after: it tells the time of the question, and where it is
// right behind it, to the nanosecond.
func TestAShadowAnswersTheQuestionThatWasEnforced(t *testing.T) {
	cfg := config(t)
	r := start(t, cfg)
	a := r.Tenant("acme")
	const asked int64 = 7_123_456 // after the start
	shadowed := func(conn uint64) {
		e := policy.Event{Conn: conn, NowMs: uint64(cfg.Start/1e6 + asked/1e6), State: [abi.StateSize]uint8{6}, Leases: [abi.Phases]uint32{3: 9}}
		a.Shadowed(&policy.Ask{Event: e}, policy.Verdict{Role: policy.RoleShadow, Reason: uint16(conn)})
	}
	ask := func(conn uint64) trace.Record {
		return trace.Record{Kind: trace.KindAsk, Time: asked, Conn: conn, Ask: new(policy.Event)}
	}
	place := a.Mark()
	shadowed(1) // inside the call
	a.TakeAt(place, ask(1), new(trace.Answer))
	a.TakeAt(a.Mark(), ask(2), nil)
	a.TakeAt(a.Mark(), ask(3), nil)
	shadowed(2) // later
	r.Close()
	_, got := tracetest.Read(t, cfg.File)
	if len(got) != 7 {
		t.Fatalf("%d records: %+v", len(got), got)
	}
	for i, want := range map[int]trace.Record{3: {Conn: 1, Time: asked}, 6: {Conn: 2, Time: asked / 1e6 * 1e6}} {
		g := &got[i]
		if g.Kind != trace.KindAnswer || g.Conn != want.Conn || g.Time != want.Time || g.Answer.State[0] != 6 || g.Answer.Leases[3] != 9 ||
			g.Answer.Verdict.Role != policy.RoleShadow || g.Answer.Verdict.Reason != uint16(want.Conn) {
			t.Errorf("record %d is %v at %d, want %v", i, g, g.Time, &want)
		}
	}
}

// TestWhatDoesNotFitIsCounted: nobody waits where the writer does not keep up.
func TestWhatDoesNotFitIsCounted(t *testing.T) {
	cfg := config(t)
	r := start(t, cfg)
	a := r.Tenant("acme")
	r.mu.Lock() // the writer gets no further than its own numbers
	for range 3 * slots {
		a.Take(trace.Record{Kind: trace.KindEnd, Time: 1, Conn: 1})
	}
	r.mu.Unlock()
	if r.dropped.Load() == 0 {
		t.Fatal("nothing was dropped")
	}
	a.Installed(policy.RoleActive, "abcd", nil) // must not be lost
	r.Close()
	_, got := tracetest.Read(t, cfg.File)
	var ends, lost uint64
	installed := false
	for _, rec := range got {
		switch rec.Kind {
		case trace.KindEnd:
			ends++
		case trace.KindLost:
			lost += rec.Count
		case trace.KindPolicy:
			installed = true
		}
	}
	if d := r.Stats().Dropped; ends+lost != 3*slots || lost != d || !installed {
		t.Errorf("%d written and %d lost of %d, %d dropped, policy told: %v", ends, lost, 3*slots, d, installed)
	}
}

// TestTapesFromManySides hammers all locks. What one connection is told of
// stays in order.
func TestTapesFromManySides(t *testing.T) {
	cfg := config(t)
	cfg.MaxSize, cfg.Keep, cfg.Renew = MinSize, 1, func() {}
	r := start(t, cfg)
	var wg sync.WaitGroup
	for g := range uint64(8) {
		wg.Go(func() {
			tape := r.Tenant(string('a' + rune(g%3)))
			for i := range int64(3000) {
				tape.Take(trace.Record{Kind: trace.KindBegin, Time: i, Conn: g + 1})
				tape.Shadowed(&policy.Ask{Event: policy.Event{Conn: 100, NowMs: uint64(cfg.Start / 1e6)}}, policy.Verdict{Role: policy.RoleShadow})
				tape.TakeAt(tape.Mark(), trace.Record{Kind: trace.KindAsk, Time: i, Conn: g + 1, Ask: new(policy.Event)}, new(trace.Answer))
				if i%500 == 0 {
					tape.Installed(policy.RoleActive, string('a'+rune(i/500)), nil)
					r.Stats()
					r.Files()
				}
			}
		})
	}
	wg.Wait()
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	for _, name := range r.Files() {
		last := map[uint64]int64{}
		_, got := tracetest.Read(t, name)
		for _, rec := range got {
			if rec.Conn > 0 && rec.Time < last[rec.Conn] {
				t.Fatalf("%s: connection %d goes back from %d to %d", name, rec.Conn, last[rec.Conn], rec.Time)
			}
			last[rec.Conn] = rec.Time
		}
	}
}

// TestADiskThatFailsEndsIt, and traffic goes on.
func TestADiskThatFailsEndsIt(t *testing.T) {
	cfg := config(t)
	ended := make(chan error, 1)
	cfg.Ended = func(err error) { ended <- err }
	r := start(t, cfg)
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip(err)
	}
	a := r.Tenant("acme")
	r.mu.Lock()
	r.series.file.Close()
	*r.series.file = *full // as the writer has it
	r.mu.Unlock()
	for !r.Stats().Over {
		life(a, 1, 1)
	}
	if err := <-ended; err == nil {
		t.Error("it ended without a reason")
	}
	if r.Close() == nil || r.Err() == nil {
		t.Error("no error is kept")
	}
}

func TestTakingTakesNoMemory(t *testing.T) {
	r := start(t, config(t))
	a := r.Tenant("acme")
	if n := testing.AllocsPerRun(1000, func() {
		a.Take(trace.Record{Kind: trace.KindBegin, Time: 1, Conn: 1})
		a.Takes(1)
	}); n != 0 {
		t.Errorf("%v allocations a record", n)
	}
}

// TestTenantsShareTheRing: while the writer does not keep up, one tenant's
// records take half of what is free and leave room for another's; whose are
// left out is counted and told, and when the writer goes on, so may they.
func TestTenantsShareTheRing(t *testing.T) {
	cfg := config(t)
	lost := map[string]uint64{}
	cfg.Lost = func(tenant string, n uint64) { lost[tenant] += n }
	r := start(t, cfg)
	r.Close() // the writing is done here
	r.over.Store(false)
	r.series = series{name: cfg.File + ".again"}
	loud, quiet := r.Tenant("loud"), r.Tenant("quiet")
	if err := r.begin(); err != nil {
		t.Fatal(err)
	}
	defer r.series.close()
	if _, err := r.drain(); err != nil { // the tenants' names
		t.Fatal(err)
	}
	for round := range uint64(3) {
		for range 2 * slots {
			loud.Take(trace.Record{Kind: trace.KindEnd, Time: 1, Conn: 1})
		}
		if n := loud.queued.Load(); n != slots/2 {
			t.Errorf("round %d: %d records of one tenant in the ring, want %d", round, n, slots/2)
		}
		if place := loud.Mark(); place != noPlace {
			t.Error("there is a place for a question of it")
		}
		for range slots / 4 {
			quiet.Take(trace.Record{Kind: trace.KindEnd, Time: 1, Conn: 2})
		}
		if n := quiet.Dropped(); n != 0 {
			t.Errorf("round %d: %d records of the quiet tenant are dropped", round, n)
		}
		if _, err := r.drain(); err != nil {
			t.Fatal(err)
		}
		if q, l := quiet.queued.Load(), loud.queued.Load(); q != 0 || l != 0 {
			t.Errorf("round %d: %d and %d records in an empty ring", round, l, q)
		}
		want := (round + 1) * (2*slots - slots/2 + 1)
		if loud.Dropped() != want || lost["loud"] != want || r.dropped.Load() != want || len(lost) != 1 {
			t.Errorf("round %d: dropped %d, told %v, want %d", round, loud.Dropped(), lost, want)
		}
	}
}
