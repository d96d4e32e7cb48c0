package v1

import (
	"net/http"
	"testing"
	"time"

	"idlehost/host/internal/api"
)

// nowhere takes everything.
type nowhere struct{ h http.Header }

func (n nowhere) Header() http.Header                { return n.h }
func (n nowhere) Write(p []byte) (int, error)        { return len(p), nil }
func (n nowhere) WriteHeader(int)                    {}
func (n nowhere) FlushError() error                  { return nil }
func (n nowhere) SetWriteDeadline(_ time.Time) error { return nil }

// What a stream costs the host for each decision.
func BenchmarkStream(b *testing.B) {
	s := newStream(nowhere{http.Header{}}, false)
	s.open()
	d := api.Decision{
		At: time.Now().UTC(), Conn: 77, Client: "a41c", Event: "timeout", Phase: "idle", Side: "accepted", Protocol: "http2",
		Action: "extend", DeadlineMs: 30000, Source: "policy", Role: "active", Version: "0123456789abcdef0123456789abcdef", TookNs: 940,
	}
	for b.Loop() {
		if err := s.send(d); err != nil {
			b.Fatal(err)
		}
	}
}
