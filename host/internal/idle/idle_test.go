package idle

import (
	"context"
	"errors"
	"io"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"idlehost/host/internal/books"
	"idlehost/host/internal/policy"
	"idlehost/host/internal/testnet"
	"idlehost/sdk/abi"
)

func extend(d time.Duration) policy.Verdict {
	return policy.Verdict{Action: abi.ActionExtend, Deadline: d, Source: policy.SourcePolicy}
}

func TestIdleEndsAtItsLease(t *testing.T) {
	bubble(t, native, policy.Limits{}, func(b *bench) {
		b.serve()
		b.aliveFor(75 * time.Second)
		e := b.log.end(b.T)
		if e.Reason != policy.ReasonDefault || e.Phase != abi.PhaseIdle || e.Idle != 75*time.Second || e.Deadline != 75*time.Second {
			b.Fatalf("end %+v, want the default reason in phase idle after 75s", e)
		}
	})
}

func TestTheClientReadsAnEndNotAReset(t *testing.T) {
	bubble(t, native, policy.Limits{}, func(b *bench) {
		b.serve()
		if n, err := b.peer.Read(make([]byte, 1)); n != 0 || err != io.EOF {
			b.Fatalf("%d, %v", n, err)
		}
		if _, err := b.peer.Write([]byte("late")); err != nil { // it lingers
			b.Fatal(err)
		}
		time.Sleep(500*time.Millisecond - 1)
		synctest.Wait()
		if _, err := b.peer.Write([]byte("x")); err != nil {
			b.Fatal("no longer lingering:", err)
		}
		time.Sleep(1)
		synctest.Wait()
		if _, err := b.peer.Write([]byte("x")); err == nil {
			b.Fatal("still lingering")
		}
	})
}

func TestPolicyExtendsThenCloses(t *testing.T) {
	var asked []policy.Event
	d := func(a *policy.Ask) policy.Verdict {
		asked = append(asked, a.Event)
		switch a.Event.Asks {
		case 0:
			return extend(5 * time.Second)
		case 1:
			return extend(20 * time.Second)
		}
		return policy.Verdict{Action: abi.ActionClose, Source: policy.SourcePolicy, Reason: 7}
	}
	bubble(t, d, policy.Limits{}, func(b *bench) {
		b.serve()
		b.aliveFor(25 * time.Second)
		if e := b.log.end(b.T); e.Reason != policy.ReasonPolicy || e.Asks != 3 || e.Verdict.Reason != 7 {
			b.Fatalf("end %+v, want the policy's, of reason 7, after 3 questions", e)
		}
		if asked[0].Kind != uint8(abi.KindAccept) || asked[1].IdleMs != 5000 || asked[1].DeadlineMs != 5000 || asked[2].IdleMs != 25000 {
			b.Fatalf("asked %+v, want accept, then at 5s, then at 25s", asked)
		}
	})
}

func TestLeasesFromTheGuest(t *testing.T) {
	d := func(a *policy.Ask) policy.Verdict {
		if a.Event.Kind == uint8(abi.KindAccept) {
			if a.Event.Leases[abi.PhaseIdle] != 75_000 {
				t.Errorf("leases as offered: %v", a.Event.Leases)
			}
			a.Event.Leases[abi.PhaseIdle] = 2_000
			return policy.Verdict{Leases: true, Source: policy.SourcePolicy}
		}
		return policy.Verdict{Action: abi.ActionClose, Source: policy.SourcePolicy}
	}
	bubble(t, d, policy.Limits{}, func(b *bench) {
		b.serve()
		b.aliveFor(2 * time.Second)
	})
}

func TestDefaultAtAShorterLeaseFollowsTheLaw(t *testing.T) {
	d := func(a *policy.Ask) policy.Verdict {
		if a.Event.Kind == uint8(abi.KindAccept) {
			a.Event.Leases[abi.PhaseIdle] = 1_000
			return policy.Verdict{Leases: true, Source: policy.SourcePolicy}
		}
		return policy.Verdict{Source: policy.SourceFallback, Fault: policy.FaultTrap}
	}
	bubble(t, d, policy.Limits{}, func(b *bench) {
		b.serve()
		b.aliveFor(75 * time.Second)
		if e := b.log.end(b.T); e.Reason != policy.ReasonDefault || e.Verdict.Fault != policy.FaultTrap {
			b.Fatalf("end %+v, want the default reason after a trap", e)
		}
	})
}

func TestVerdictsAreClamped(t *testing.T) {
	for _, tt := range []struct {
		name   string
		v      policy.Verdict
		limits policy.Limits
		dies   time.Duration
		reason policy.Reason
	}{
		{"floor", policy.Verdict{Action: abi.ActionClose, Source: policy.SourcePolicy}, policy.Limits{Floor: 80 * time.Second}, 80 * time.Second, policy.ReasonPolicy},
		{"ceiling", extend(time.Hour), policy.Limits{Ceiling: 90 * time.Second}, 90 * time.Second, policy.ReasonClamp},
		{"ceiling below the lease", extend(time.Hour), policy.Limits{Ceiling: 5 * time.Second}, 5 * time.Second, policy.ReasonClamp},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := func(a *policy.Ask) policy.Verdict { return tt.v }
			if tt.v.Action == abi.ActionClose {
				d = func(a *policy.Ask) policy.Verdict {
					if a.Event.Kind == uint8(abi.KindAccept) {
						return policy.Verdict{}
					}
					return tt.v
				}
			}
			bubble(t, d, tt.limits, func(b *bench) {
				b.serve()
				b.aliveFor(tt.dies)
				if e := b.log.end(b.T); e.Reason != tt.reason {
					b.Fatalf("end %+v, want reason %v", e, tt.reason)
				}
			})
		})
	}
}

func TestRefusedAtAccept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(Config{Shards: 1})
		defer g.Close()
		a := NewAccount("acme", decide(func(*policy.Ask) policy.Verdict {
			return policy.Verdict{Action: abi.ActionClose, Source: policy.SourcePolicy}
		}), nil, testTimeouts, policy.Limits{})
		near, far := testnet.Pipe(1)
		c := g.Govern(near, a, abi.SideAccepted)
		if err := c.Admit(nil); !errors.Is(err, ErrRefused) {
			t.Fatal(err)
		}
		c.Close()
		far.Close()
		if g.Open() != 0 || a.Open() != 0 {
			t.Fatal("still counted")
		}
		time.Sleep(time.Second)
	})
}

func TestHandshakeIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &log{}
		g := New(Config{Shards: 1, Observer: l})
		defer g.Close()
		near, far := testnet.Pipe(16)
		b := &bench{T: t, gov: g, log: l, peer: far}
		b.conn = g.Govern(near, NewAccount("acme", decide(native), nil, testTimeouts, policy.Limits{}), abi.SideAccepted)
		b.serve()
		go func() { // a byte now and then does not help
			for range 9 {
				time.Sleep(time.Second)
				far.Write([]byte{1})
			}
		}()
		b.aliveFor(10 * time.Second)
		if e := l.end(t); e.Reason != policy.ReasonProgress || e.Phase != abi.PhaseHandshake {
			t.Fatalf("end %+v, want no progress during the handshake", e)
		}
		far.Close()
	})
}

func TestHeaderSlowloris(t *testing.T) {
	bubble(t, native, policy.Limits{}, func(b *bench) {
		b.serve()
		b.send(1) // phase Header begins
		if b.conn.Phase() != abi.PhaseHeader {
			b.Fatal(b.conn.Phase())
		}
		go func() {
			for range 5 {
				time.Sleep(5 * time.Second)
				b.peer.Write([]byte{1})
			}
		}()
		b.aliveFor(30 * time.Second)
		if e := b.log.end(b.T); e.Reason != policy.ReasonProgress {
			b.Fatalf("end %+v, want the reason that there was no progress", e)
		}
	})
}

func TestBodyTrickleEndsHonestUploadDoesNot(t *testing.T) {
	for _, tt := range []struct {
		rate int // bytes every 5 s
		dies bool
	}{{1, true}, {1000, true}, {1300, false}} {
		bubble(t, native, policy.Limits{}, func(b *bench) {
			b.serve()
			b.send(100)
			b.conn.Begin(0, true)
			for range 200 {
				b.send(tt.rate)
				time.Sleep(5 * time.Second)
				synctest.Wait()
				if _, ok := b.conn.Ending(); ok {
					break
				}
			}
			if r, ok := b.conn.Ending(); ok != tt.dies || ok && r != policy.ReasonProgress {
				b.Fatalf("rate %d: ended %v %v", tt.rate, ok, r)
			}
		})
	}
}

func TestAWriteEndsOnlyWhenItIsBlockedOnTheClient(t *testing.T) {
	bubble(t, native, policy.Limits{}, func(b *bench) {
		b.conn.Begin(0, false)
		b.conn.Write([]byte("head"))
		if b.conn.Phase() != abi.PhaseWrite {
			b.Fatal(b.conn.Phase())
		}
		time.Sleep(10 * time.Minute) // the upstream thinks
		synctest.Wait()
		if _, ok := b.conn.Ending(); ok {
			b.Fatal("ended while nothing was blocked")
		}
		var err error
		start := time.Now()
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, err = b.conn.Write(make([]byte, 1<<20)) // the far end does not read
		}()
		<-done
		if took := time.Since(start); !errors.Is(err, os.ErrDeadlineExceeded) || took < 30*time.Second || took > 30*time.Second+20*time.Millisecond {
			b.Fatalf("%v after %v", err, took)
		}
	})
}

func TestActivityMovesATunnelsDeadline(t *testing.T) {
	bubble(t, native, policy.Limits{}, func(b *bench) {
		b.serve()
		b.conn.SetPhase(abi.PhaseTunnel)
		for range 5 {
			time.Sleep(59 * time.Minute)
			b.send(1)
		}
		// the stamp is rounded up to the next step of the clock
		time.Sleep(time.Hour - 1)
		synctest.Wait()
		if _, ok := b.conn.Ending(); ok {
			b.Fatal("early")
		}
		time.Sleep(10*time.Millisecond + 1)
		synctest.Wait()
		if _, ok := b.conn.Ending(); !ok {
			b.Fatal("alive a step after its deadline")
		}
	})
}

func TestGapsAndPhasesOfAKeepAlive(t *testing.T) {
	bubble(t, native, policy.Limits{}, func(b *bench) {
		b.serve()
		for _, gap := range []time.Duration{0, 3 * time.Second, 40 * time.Second} {
			time.Sleep(gap)
			b.send(10)
			b.conn.Begin(3, false)
			b.conn.Write([]byte("answer"))
			b.conn.End()
		}
		if b.conn.Phase() != abi.PhaseIdle || len(b.log.gaps) != 2 || b.log.gaps[0] != 3*time.Second || b.log.gaps[1] != 40*time.Second {
			b.Fatalf("%v %v", b.conn.Phase(), b.log.gaps)
		}
		b.aliveFor(75 * time.Second)
		if e := b.log.end(b.T); e.Requests != 3 || e.BytesIn != 30 || e.BytesOut != 18 {
			b.Fatalf("end %+v, want 3 requests, 30 bytes in and 18 out", e)
		}
	})
}

func TestAPingIsNotUse(t *testing.T) {
	var last policy.Event
	d := func(a *policy.Ask) policy.Verdict { last = a.Event; return policy.Verdict{} }
	bubble(t, d, policy.Limits{}, func(b *bench) {
		b.conn.SetProtocol(abi.ProtocolHTTP2)
		b.serve()
		b.conn.Begin(0, false)
		b.conn.End()
		go func() {
			for range 8 {
				time.Sleep(20 * time.Second)
				b.peer.Write(make([]byte, 17))
				b.conn.Control()
			}
		}()
		b.aliveFor(180 * time.Second)
		if last.IdleMs != 180_000 || last.ControlMs > 20_000 || last.ControlMs < 19_990 || last.Phase != uint8(abi.PhaseStreamIdle) {
			b.Fatalf("the last event is %+v, want a stream idle for 180s, and 20s since the last control frame", last)
		}
	})
}

func TestEnderInsteadOfADeadline(t *testing.T) {
	bubble(t, native, policy.Limits{}, func(b *bench) {
		b.conn.SetProtocol(abi.ProtocolHTTP2)
		b.conn.Begin(0, false)
		b.conn.End()
		got := make(chan policy.Reason, 1)
		b.conn.SetEnder(func(r policy.Reason) { got <- r })
		b.serve()
		b.aliveFor(180 * time.Second)
		if r := <-got; r != policy.ReasonDefault {
			b.Fatal(r)
		}
		time.Sleep(10*time.Second - 1) // its owner does nothing
		synctest.Wait()
		if b.log.count() != 0 {
			b.Fatal("closed within the grace")
		}
		time.Sleep(1)
		synctest.Wait()
		b.log.end(b.T)
	})
}

func TestDrainSaysGoodbyeAfterTheLastStream(t *testing.T) {
	bubble(t, native, policy.Limits{}, func(b *bench) {
		b.conn.SetProtocol(abi.ProtocolHTTP2)
		b.conn.Begin(0, false)
		got := make(chan policy.Reason, 1)
		b.conn.SetEnder(func(r policy.Reason) { got <- r })
		b.conn.drain(nil, policy.ReasonDrain)
		synctest.Wait()
		if len(got) != 0 {
			b.Fatal("ended under a request")
		}
		b.conn.End()
		if r := <-got; r != policy.ReasonDrain {
			b.Fatal(r)
		}
	})
}

// TestAnOwnerHasTheTimeOfDrainingToClose: then the host closes the connection
// itself. Without one it is endGrace.
func TestAnOwnerHasTheTimeOfDrainingToClose(t *testing.T) {
	for limit, want := range map[time.Duration]time.Duration{0: endGrace, 2 * time.Second: 2 * time.Second} {
		bubble(t, native, policy.Limits{}, func(b *bench) {
			law := testTimeouts
			law[abi.PhaseDraining] = policy.Timeout{Max: limit}
			b.acct.SetLaw(law, policy.Limits{})
			b.conn.Shut(policy.ReasonPolicy)
			time.Sleep(want - 1)
			synctest.Wait()
			if n := b.log.count(); n != 0 {
				b.Fatalf("draining = %v: ended before %v were over", limit, want)
			}
			time.Sleep(200 * time.Millisecond)
			synctest.Wait()
			if end := b.log.end(b.T); end.Phase != abi.PhaseIdle {
				b.Errorf("draining = %v: decided in phase %v, want idle", limit, end.Phase)
			}
		})
	}
}

func TestARequestFasterThanTheEndIsServed(t *testing.T) {
	bubble(t, native, policy.Limits{}, func(b *bench) {
		b.conn.SetProtocol(abi.ProtocolHTTP2)
		b.conn.SetEnder(func(policy.Reason) { b.conn.Begin(0, false) })
		b.conn.Shut(policy.ReasonPolicy)
		time.Sleep(time.Minute)
		synctest.Wait()
		if b.log.count() != 0 {
			b.Fatal("cut off")
		}
		b.conn.End()
		time.Sleep(endGrace + time.Millisecond)
		synctest.Wait()
		b.log.end(b.T)
	})
}

// TestARequestThatWasReadAheadTakesTheEndBack: as one does that is read.
func TestARequestThatWasReadAheadTakesTheEndBack(t *testing.T) {
	bubble(t, native, policy.Limits{}, func(b *bench) {
		b.conn.Shut(policy.ReasonPolicy)
		b.conn.Stir()
		if _, ok := b.conn.Ending(); ok || b.conn.Phase() != abi.PhaseHeader {
			b.Fatalf("ending: %t, in phase %v", ok, b.conn.Phase())
		}
		p := make([]byte, 10)
		read := make(chan error, 1)
		go func() { _, err := b.conn.Read(p); read <- err }() // in the background, before the request begins
		synctest.Wait()
		if !b.conn.Begin(0, true) {
			b.Fatal("the end is not taken back")
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if len(read) > 0 {
			b.Fatalf("the end cuts the request off: %v", <-read)
		}
		b.peer.Write([]byte("content"))
		if err := <-read; err != nil {
			b.Fatalf("content: %v", err)
		}
		b.conn.End()
		b.conn.Shut(policy.ReasonPolicy)
		if _, err := b.conn.Read(p); !errors.Is(err, os.ErrDeadlineExceeded) {
			b.Fatalf("a read after the next end: %v", err)
		}
	})
}

func TestTheOwnersDeadlineIsKeptApart(t *testing.T) {
	bubble(t, native, policy.Limits{}, func(b *bench) {
		p := make([]byte, 1)
		b.conn.SetReadDeadline(time.Now().Add(time.Second))
		if _, err := b.conn.Read(p); !errors.Is(err, os.ErrDeadlineExceeded) {
			b.Fatal(err)
		}
		if _, ok := b.conn.Ending(); ok {
			b.Fatal("the owner's deadline is not an end")
		}
		b.conn.SetReadDeadline(time.Time{})
		done := make(chan error)
		go func() { _, err := b.conn.Read(p); done <- err }()
		time.Sleep(74 * time.Second)
		synctest.Wait()
		err := <-done
		var ne interface{ Timeout() bool }
		var te interface{ Temporary() bool } // what crypto/tls asks for
		if !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &ne) || !ne.Timeout() || !errors.As(err, &te) || !te.Temporary() {
			b.Fatalf("%v", err)
		}
		b.conn.SetReadDeadline(time.Time{}) // must not bring it back to life
		if _, err := b.conn.Read(p); !errors.Is(err, os.ErrDeadlineExceeded) {
			b.Fatal(err)
		}
	})
}

func TestADialledConnectionIsUsedOrEndedNeverBoth(t *testing.T) {
	bubble(t, native, policy.Limits{}, func(b *bench) {
		b.conn.Close()
		b.log.ends = nil
		b.open(abi.SideDialled)
		b.conn.SetHint(4 * time.Second)
		go func() { b.conn.Read(make([]byte, 1)) }()
		b.aliveFor(4 * time.Second)
		if b.conn.Begin(0, false) {
			b.Fatal("an ended connection was given out")
		}
		if n, err := b.conn.Write([]byte("GET")); n != 0 || !errors.Is(err, ErrEnded) {
			b.Fatal(n, err)
		}
	})
}

func TestDrain(t *testing.T) {
	bubble(t, native, policy.Limits{}, func(b *bench) {
		b.serve()
		busy := *b
		busy.open(abi.SideAccepted)
		busy.serve()
		busy.send(10)
		busy.conn.Begin(0, false)
		left := make(chan int)
		go func() {
			ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
			defer cancel()
			left <- b.gov.Drain(ctx)
		}()
		time.Sleep(time.Second)
		if e := b.log.end(b.T); e.Reason != policy.ReasonDrain || e.ID != b.conn.ID() {
			b.Fatalf("end %+v, want the drain of connection %d", e, b.conn.ID())
		}
		busy.conn.Write([]byte("answer"))
		busy.conn.End()
		if n := <-left; n != 0 {
			b.Fatal(n, "left")
		}
		busy.peer.Close()
	})
}

func TestDrainIsBounded(t *testing.T) {
	bubble(t, native, policy.Limits{}, func(b *bench) {
		b.conn.Begin(0, false)
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if n := b.gov.Drain(ctx); n != 1 {
			b.Fatal(n)
		}
	})
}

func TestOnlyAReturnJustAfterTheCloseIsLate(t *testing.T) {
	for _, tt := range []struct {
		away time.Duration
		late int
	}{{900 * time.Millisecond, 1}, {1100 * time.Millisecond, 0}} {
		bubble(t, native, policy.Limits{}, func(b *bench) {
			b.acct.Books = books.New(books.Config{})
			b.conn.Close()
			b.open(abi.SideAccepted)
			b.serve()
			b.conn.Begin(0, false)
			b.conn.End()
			b.aliveFor(75 * time.Second)
			time.Sleep(tt.away)
			b.open(abi.SideAccepted)
			if len(b.log.late) != tt.late {
				b.Fatalf("back after %v: %d late", tt.away, len(b.log.late))
			}
		})
	}
}

func TestAtTheLimitTheLongestIdleGivesWay(t *testing.T) {
	bubble(t, native, policy.Limits{Connections: 2}, func(b *bench) {
		b.serve()
		old := b.conn
		time.Sleep(time.Second)
		second := *b
		second.open(abi.SideAccepted)
		second.serve()
		time.Sleep(time.Second)
		third := *b
		third.open(abi.SideAccepted)
		third.serve()
		synctest.Wait()
		if r, ok := old.Ending(); !ok || r != policy.ReasonPressure {
			b.Fatal("the oldest stays")
		}
		if _, ok := second.conn.Ending(); ok {
			b.Fatal("the younger goes")
		}
		second.conn.Begin(0, false)
		third.conn.Begin(0, false)
		near, far := testnet.Pipe(1)
		c := b.gov.Govern(near, b.acct, abi.SideAccepted)
		if err := c.Admit(nil); !errors.Is(err, ErrRefused) {
			b.Fatal("more than the limit, all busy:", err)
		}
		for _, x := range []io.Closer{c, far, second.conn, second.peer, third.conn, third.peer} {
			x.Close()
		}
	})
}

func TestStream(t *testing.T) {
	bubble(t, native, policy.Limits{}, func(b *bench) {
		b.conn.SetProtocol(abi.ProtocolHTTP2)
		expired := make(chan time.Time, 1)
		start := time.Now()
		s := b.conn.NewStream(abi.PhaseBody, func() { expired <- time.Now() })
		for range 10 { // below the minimum rate
			s.Progress(10)
			time.Sleep(time.Second)
		}
		if got := (<-expired).Sub(start); got < 30*time.Second || got > 31*time.Second {
			b.Fatal(got)
		}
		fast := b.conn.NewStream(abi.PhaseBody, func() { b.Error("an honest upload ended") })
		for range 100 {
			fast.Progress(1000)
			time.Sleep(3 * time.Second)
		}
		fast.SetPhase(abi.PhaseUpstream)
		time.Sleep(time.Hour)
		fast.Done()
	})
}

func TestTheClockRestsAndNeverRunsEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newClock(10 * time.Millisecond)
		defer k.close()
		for range 1000 {
			time.Sleep(1234567)
			if s, now := k.stamp(), k.now(); s < now || s > now+int64(10*time.Millisecond) {
				t.Fatalf("stamp %d at %d", s, now)
			}
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if !k.resting {
			t.Fatal("ticks although nobody asks")
		}
		if s, now := k.stamp(), k.now(); s < now {
			t.Fatalf("woken with %d at %d", s, now)
		}
	})
}
