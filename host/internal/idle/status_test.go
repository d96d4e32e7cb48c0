package idle

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

func TestStatus(t *testing.T) {
	bubble(t, native, policy.Limits{}, func(b *bench) {
		opened := time.Now()
		b.serve()
		b.send(10)
		b.conn.Begin(0, false)
		b.conn.Write([]byte("answer"))
		var s Status
		if b.conn.Status(&s); s.Due >= 0 || s.Phase != abi.PhaseWrite {
			b.Errorf("while the upstream answers: %+v", s)
		}
		b.conn.End()
		b.pass(5 * time.Second)
		b.conn.Status(&s)
		want := Status{
			ID: b.conn.ID(), Protocol: abi.ProtocolHTTP1, Phase: abi.PhaseIdle, Opened: s.Opened,
			Peer: netip.MustParseAddrPort("192.0.2.2:1002"), Client: b.conn.client,
			Age: 5 * time.Second, Idle: 5 * time.Second, Due: 70 * time.Second, Asks: 1, Requests: 1, BytesIn: 10, BytesOut: 6,
		}
		if s != want || !s.Opened.Equal(opened.Truncate(time.Millisecond)) {
			b.Errorf("%+v\nwant %+v, opened %v", s, want, opened)
		}
		if n := testing.AllocsPerRun(100, func() { b.conn.Status(&s) }); n != 0 {
			b.Errorf("%v allocations", n)
		}
		b.conn.Shut(policy.ReasonPolicy)
		if b.conn.Status(&s); s.Due >= 0 || s.Phase != abi.PhaseDraining {
			b.Errorf("ending, in phase %v, asked again in %v, want draining and not asked", s.Phase, s.Due)
		}
	})
	bubble(t, decide(func(*policy.Ask) policy.Verdict { return extend(time.Second) }), policy.Limits{}, func(b *bench) {
		var s Status
		if b.conn.Status(&s); s.Due != time.Second {
			b.Errorf("due in %v after an extension", s.Due)
		}
		c := guest(b.gov, b.acct, 1)
		if c.Status(&s); s.Due >= 0 || s.Client != c.client || s.Peer.Port() != 80 {
			b.Errorf("not admitted: %+v", s)
		}
		c.Close()
	})
	bubble(t, native, policy.Limits{}, func(b *bench) {
		b.acct.SetLaw(policy.Timeouts{}, policy.Limits{})
		c := guest(b.gov, b.acct, 1)
		c.Admit(nil)
		var s Status
		if c.Status(&s); s.Due >= 0 {
			b.Errorf("due in %v without a deadline", s.Due)
		}
		c.Close()
	})
}

func TestConnsAfter(t *testing.T) {
	g := still(t)
	accounts := []*Account{account(), account(), account()}
	var open []*Conn
	for i := range 300 {
		open = append(open, g.Govern(void{}, accounts[i%3], abi.SideAccepted))
	}
	rand.Shuffle(200, func(i, j int) { open[i], open[j] = open[j], open[i] })
	for _, c := range open[:100] {
		c.Close()
	}
	list := ConnsAfter(50, 0, accounts[0], nil, accounts[1])
	want := map[*Conn]bool{}
	for _, c := range open[100:] {
		if c.id > 50 && c.account != accounts[2] {
			want[c] = true
		}
	}
	last := uint64(50)
	for _, c := range list {
		if !want[c] || c.id <= last {
			t.Errorf("connection %d after %d, wanted: %v", c.id, last, want[c])
		}
		last = c.id
		delete(want, c)
	}
	if len(want) != 0 {
		t.Errorf("%d are missing", len(want))
	}
	for n := 1; n <= len(list)+1; n++ {
		if got := ConnsAfter(50, n, accounts[0], accounts[1]); !slices.Equal(got, list[:min(n, len(list))]) {
			t.Errorf("the first %d are not those of the whole list", n)
		}
	}
	for _, c := range open {
		c.Close()
	}
	for _, a := range accounts {
		if cap(a.conns.blocks) > 16 {
			t.Errorf("a list of none has room for %d blocks", cap(a.conns.blocks))
		}
	}
}

// Listing 20,000 connections, all of them and one tenant's.
func BenchmarkEach(b *testing.B) {
	const many = 20_000
	g := New(Config{})
	b.Cleanup(func() { g.Close() })
	accounts := make([]*Account, 100)
	for i := range accounts {
		accounts[i] = account()
	}
	for i := range many {
		c := g.Govern(void{}, accounts[i%len(accounts)], abi.SideAccepted)
		if err := c.Admit(nil); err != nil {
			b.Fatal(err)
		}
	}
	one := accounts[0]
	big := account()
	for range many {
		g.Govern(void{}, big, abi.SideAccepted)
	}
	var s Status
	b.Run("all", func(b *testing.B) {
		for b.Loop() {
			g.Each(func(c *Conn) bool { c.Status(&s); return true })
		}
	})
	b.Run("longest-lock", func(b *testing.B) {
		var list []*Conn
		for b.Loop() {
			list = g.shards[0].conns(list[:0])
		}
	})
	b.Run("one-of-100", func(b *testing.B) {
		for b.Loop() {
			for _, c := range ConnsAfter(0, 0, one) {
				c.Status(&s)
			}
		}
	})
	b.Run("one-of-20000-page", func(b *testing.B) {
		for b.Loop() {
			for _, c := range ConnsAfter(10, 101, big) {
				c.Status(&s)
			}
		}
	})
	b.Run("one-of-20000-lock", func(b *testing.B) {
		for b.Loop() {
			big.snapshot()
		}
	})
}
