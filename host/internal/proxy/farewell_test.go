package proxy

import (
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"idlehost/host/internal/idle"
	"idlehost/host/internal/policy"
	"idlehost/host/internal/testnet"
	"idlehost/sdk/abi"
)

// shut is a connection whose peer does not let it say good-bye.
type shut struct {
	net.Conn
	release chan struct{}
	said    *atomic.Int32
}

func (s *shut) Close() error {
	<-s.release
	s.said.Add(1)
	return nil
}

func TestFarewellsDoNotBlockAndAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c crew
		f := farewells{crew: &c}
		release, said := make(chan struct{}), new(atomic.Int32)
		const n = 10 * speakers
		for range n {
			f.say(&conn{Conn: &shut{release: release, said: said}})
		}
		synctest.Wait()
		if f.busy != speakers || len(f.queue) != n-speakers {
			t.Errorf("%d speak, %d wait", f.busy, len(f.queue))
		}
		close(release)
		synctest.Wait()
		if got := said.Load(); got != n || f.busy != 0 || f.queue != nil {
			t.Errorf("%d farewells of %d, %d speak", got, n, f.busy)
		}
		c.end()
	})
}

// When the Proxy closes, connections end without a word.
func TestFarewellsAfterTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gov := idle.New(idle.Config{Shards: 1})
		defer gov.Close()
		near, far := testnet.Pipe(1 << 10)
		defer far.Close()
		ic := gov.Govern(near, idle.NewAccount("test", policy.Fixed{}, nil, policy.Timeouts{}, policy.Limits{}), abi.SideAccepted)
		var c crew
		c.end()
		f := farewells{crew: &c}
		f.say(&conn{Conn: &shut{}, idle: ic})
		if gov.Open() != 0 || f.busy != 0 {
			t.Errorf("%d connections are open, %d speak", gov.Open(), f.busy)
		}
	})
}
