package recorder

import (
	"os"
	"sync"
	"testing"
	"time"

	"idlehost/host/internal/policy"
	"idlehost/host/internal/trace"
	"idlehost/host/internal/trace/tracetest"
	"idlehost/sdk/abi"
)

// TestAShadowIsBesideWhatWasEnforced also where several are asked at a time.
func TestAShadowIsBesideWhatWasEnforced(t *testing.T) {
	cfg := config(t)
	r := start(t, cfg)
	a := r.Tenant("acme")
	question := func(conn uint64) *policy.Ask {
		return &policy.Ask{Event: policy.Event{Kind: uint8(abi.KindTimeout), Conn: conn, Client: 5}}
	}
	answer := func(conn uint64) {
		a.Take(trace.Record{Kind: trace.KindAsk, Time: int64(conn), Conn: conn, Ask: &trace.Ask{Event: question(conn).Event}})
	}
	a.Shadowed(question(1), policy.Verdict{Role: policy.RoleShadow, Deadline: 1})
	a.Shadowed(question(2), policy.Verdict{Role: policy.RoleShadow, Deadline: 2})
	answer(3)
	answer(2)
	answer(1)
	answer(2)
	r.Close()
	_, got := tracetest.Read(t, cfg.File)
	want := []struct {
		conn uint64
		role policy.Role
	}{{3, 0}, {2, 0}, {2, 2}, {1, 0}, {1, 2}, {2, 0}}
	if got = got[1:]; len(got) != len(want) {
		t.Fatalf("%d records: %+v", len(got), got)
	}
	for i, w := range want {
		g := &got[i]
		if g.Conn != w.conn || g.Ask.Verdict.Role != w.role || g.Time != int64(w.conn) || g.Ask.Event.Client == 5 {
			t.Errorf("record %d is %+v %+v, want %+v", i, g, g.Ask, w)
		}
		if w.role == policy.RoleShadow && g.Ask.Verdict.Deadline != time.Duration(w.conn) {
			t.Errorf("record %d has another's answer", i)
		}
	}
}

// TestShadowsWithoutAnEndAreBounded: nobody may be told of the answer beside.
func TestShadowsWithoutAnEndAreBounded(t *testing.T) {
	r := start(t, config(t))
	a := r.Tenant("acme")
	for c := uint64(1); c <= 2*maxBeside; c++ {
		a.Shadowed(&policy.Ask{Event: policy.Event{Conn: c}}, policy.Verdict{})
	}
	if n := a.shadows.Load(); n != maxBeside {
		t.Errorf("%d answers wait", n)
	}
	if d := r.Stats().Dropped; d != maxBeside {
		t.Errorf("%d are counted as dropped", d)
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
				tape.Shadowed(&policy.Ask{Event: policy.Event{Conn: g + 1}}, policy.Verdict{Role: policy.RoleShadow})
				tape.Take(trace.Record{Kind: trace.KindAsk, Time: i, Conn: g + 1, Ask: new(trace.Ask)})
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
