package h1

import (
	"crypto/tls"
	"io"
	"net"
	"testing"

	"idlehost/host/internal/idle"
)

const switching = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: shout\r\n\r\n"

// TestSwitchedConnection has the server speak with its answer, and afterwards.
func TestSwitchedConnection(t *testing.T) {
	for _, early := range []string{"", "early"} {
		for _, detach := range []bool{false, true} {
			ways(t, options{}, func(t *testing.T, o options) {
				s := newStand(t, o, func(nc net.Conn) {
					b := reader(nc)
					skipHead(b)
					io.WriteString(nc, switching+early)
					io.Copy(nc, b) // until the other side half closes
				})
				_, res, err := s.do(request(t.Context(), "GET", ""))
				if err != nil || res.StatusCode != 101 {
					t.Fatalf("answer %v, %v; want status 101", res, err)
				}
				body := res.Body.(io.ReadWriteCloser)
				if detach {
					nc, ahead := res.Body.(*Switched).Detach()
					_, overTLS := nc.(*tls.Conn)
					_, bare := nc.(*idle.Conn)
					if overTLS != (o.server != nil) || bare == overTLS {
						t.Errorf("detached a %T", nc)
					}
					body = &Switched{nc: nc, early: ahead}
				}
				io.WriteString(body, " late")
				if err := body.(*Switched).CloseWrite(); err != nil {
					t.Error(err)
				}
				if b, err := io.ReadAll(body); string(b) != early+" late" || err != nil {
					t.Errorf("read %q, %v; want %q", b, err, early+" late")
				}
				if s.kept() != 0 {
					t.Error("kept")
				}
				body.Close()
			})
		}
	}
}
