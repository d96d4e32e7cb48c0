package h1

import (
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"idlehost/host/internal/idle"
	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

func TestOneConnectionServesMany(t *testing.T) {
	ways(t, options{}, func(t *testing.T, o options) {
		s := newStand(t, o, answers(hello))
		for i := range 20 {
			if u := s.mustGet(); u.reused != (i > 0) {
				t.Errorf("request %d: reused %v", i, u.reused)
			}
		}
		if n := s.dials.Load(); n != 1 {
			t.Errorf("%d dialled", n)
		}
	})
}

// TestLastUsedIsUsedFirst leaves the others to grow old.
func TestLastUsedIsUsedFirst(t *testing.T) {
	s := newStand(t, options{}, answers(hello))
	var open []*user
	var bodies []io.ReadCloser
	for range 3 {
		u, res, err := s.do(request(t.Context(), "GET", ""))
		if err != nil {
			t.Fatal(err)
		}
		open, bodies = append(open, u), append(bodies, res.Body)
	}
	for _, i := range []int{1, 2, 0} {
		io.Copy(io.Discard, bodies[i])
	}
	for range 3 {
		if u := s.mustGet(); u.conn != open[0].conn {
			t.Error("not the one used last")
		}
	}
	if n := s.kept(); n != 3 {
		t.Errorf("%d kept", n)
	}
}

func TestUnusedConnectionsPark(t *testing.T) {
	ways(t, options{}, func(t *testing.T, o options) {
		s := newStand(t, o, answers(hello))
		first := s.mustGet()
		for range 2 {
			eventually(t, "parked", func() bool { return s.gov.Parked() == 1 })
			if u := s.mustGet(); u.conn != first.conn {
				t.Error("a parked connection was not used again")
			}
			if n := s.gov.Parked(); n != 0 {
				t.Errorf("%d parked just after use", n)
			}
		}
	})
}

// TestLongParkedConnectionsAreUsedAgain has the Governor take all but the
// descriptor from them.
func TestLongParkedConnectionsAreUsedAgain(t *testing.T) {
	ways(t, options{idle: idle.Config{StripAfter: time.Millisecond}}, func(t *testing.T, o options) {
		s := newStand(t, o, answers(hello))
		first := s.mustGet()
		tcp := first.conn.NetConn()
		for range 2 {
			eventually(t, "stripped", func() bool { return s.gov.Parked() == 1 && first.conn.NetConn() != tcp })
			if u := s.mustGet(); u.conn != first.conn {
				t.Error("not used again")
			}
			tcp = first.conn.NetConn()
		}
	})
}

// TestServerEndsOrSpeaks has the server close, or send what nobody asked for,
// at every stage of being idle.
func TestServerEndsOrSpeaks(t *testing.T) {
	for name, after := range map[string]string{"ends": "", "speaks": "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged"} {
		for stage, park := range map[string]time.Duration{"awake": 0, "parked": 0, "never-parked": -1} {
			t.Run(name+"/"+stage, func(t *testing.T) {
				ways(t, options{idle: idle.Config{ParkAfter: park}}, func(t *testing.T, o options) {
					now := make(chan bool)
					s := newStand(t, o, func(nc net.Conn) {
						b := reader(nc)
						skipHead(b)
						io.WriteString(nc, hello)
						if <-now; after == "" {
							return
						}
						io.WriteString(nc, after)
						io.Copy(io.Discard, b)
					})
					s.mustGet()
					if stage == "parked" {
						eventually(t, "parked", func() bool { return s.gov.Parked() == 1 })
					}
					close(now)
					if stage == "awake" { // as it is chosen
						eventually(t, "heard of", func() bool { return !s.quiet() })
						if u := s.mustGet(); u.reused {
							t.Error("used again")
						}
						return
					}
					eventually(t, "dropped", func() bool { return s.kept() == 0 && s.gov.Open() == 0 })
				})
			})
		}
	}
}

// TestPolicyEndsIdleConnections while they are awake and parked.
func TestPolicyEndsIdleConnections(t *testing.T) {
	for _, lease := range []time.Duration{50 * time.Millisecond, 400 * time.Millisecond} {
		ways(t, options{}, func(t *testing.T, o options) {
			o.law[abi.PhaseIdle].Idle = lease
			s := newStand(t, o, answers(hello))
			start := time.Now()
			s.mustGet()
			eventually(t, "ended", func() bool { return s.gov.Open() == 0 && s.kept() == 0 })
			if took := time.Since(start); took < lease { // bubbles hold it to what is exact
				t.Errorf("ended after %v, want %v", took, lease)
			}
			s.mustGet()
		})
	}
}

func TestCloseKeepsNothing(t *testing.T) {
	s := newStand(t, options{}, answers(hello))
	_, res, err := s.do(request(t.Context(), "GET", ""))
	if err != nil {
		t.Fatal(err)
	}
	u := s.mustGet()
	s.client.Close()
	eventually(t, "the idle one is closed", func() bool { return s.gov.Open() == 1 })
	if b, err := io.ReadAll(res.Body); string(b) != "hello" || err != nil {
		t.Errorf("content %q, %v; want hello", b, err)
	}
	eventually(t, "the other, too", func() bool { return s.gov.Open() == 0 })
	if v := s.mustGet(); v.reused || v.conn == u.conn {
		t.Error("used again after Close")
	}
	s.client.Close()
}

// TestBytesAheadInTLS are in the same record as the end of the answer, or in
// one that TLS has read with it: the kernel knows of neither.
func TestBytesAheadInTLS(t *testing.T) {
	for _, records := range [][]string{{hello + "HTTP/1.1 200 OK\r\n\r\n"}, {hello, "HTTP/1.1 200 OK\r\n\r\n"}} {
		s := newStand(t, options{server: certificate(t)}, func(nc net.Conn) {
			b := reader(nc)
			skipHead(b)
			for _, r := range records {
				io.WriteString(nc, r)
			}
			io.Copy(io.Discard, b)
		})
		if u := s.mustGet(); len(records) == 1 && u.freed {
			t.Error("kept with bytes ahead")
		}
		eventually(t, "heard of", func() bool { return !s.quiet() })
		if u := s.mustGet(); u.reused {
			t.Errorf("%d records: used again", len(records))
		}
	}
}

// TestHammer has requests, ends by policy, ends by the server, cancellations,
// parking and Close meet. It is for the race detector.
func TestHammer(t *testing.T) {
	ways(t, options{}, func(t *testing.T, o options) {
		o.law[abi.PhaseIdle].Idle = 150 * time.Millisecond
		o.idle.ParkAfter = time.Millisecond
		s := newStand(t, o, answers(hello, hello, hello, hello, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello"))
		stop := time.Now().Add(700 * time.Millisecond)
		var all sync.WaitGroup
		for i := range 6 {
			all.Go(func() { s.hammer(i, stop) })
		}
		all.Go(func() {
			for time.Now().Before(stop) {
				s.client.sweep()
				s.gov.Each(func(c *idle.Conn) bool {
					if c.ID()%7 == 0 && c.Phase() == abi.PhaseIdle {
						c.Shut(policy.ReasonPressure)
					}
					return true
				})
				spin(time.Millisecond)
			}
		})
		all.Wait()
		if s.dials.Load() == 0 {
			t.Error("nothing was dialled")
		}
	})
}
