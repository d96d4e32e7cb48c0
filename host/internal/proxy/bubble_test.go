package proxy_test

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"idlehost/host/internal/idle"
	"idlehost/host/internal/policy"
	"idlehost/host/internal/proxy"
	"idlehost/host/internal/proxy/route"
	"idlehost/host/internal/testnet"
	"idlehost/sdk/abi"
)

// memory is a listener whose connections never leave the bubble.
type memory struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (m *memory) Accept() (net.Conn, error) {
	select {
	case c := <-m.conns:
		return c, nil
	case <-m.done:
		return nil, net.ErrClosed
	}
}

func (m *memory) Close() error   { m.once.Do(func() { close(m.done) }); return nil }
func (m *memory) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 2), Port: 80} }

// dial returns the client's end of a new connection.
func (m *memory) dial() *testnet.Conn {
	client, server := testnet.Pipe(256 << 10)
	m.conns <- server
	return client
}

// bubble runs f against a proxy, with a handler instead of an upstream, in a
// bubble where time passes when nothing else happens. A connection that ends
// is seen within the granularity of the wheel.
func bubble(t *testing.T, law policy.Timeouts, h http.HandlerFunc, f func(*testing.T, *memory, *idle.Governor)) {
	dropPools()
	defer dropPools()
	synctest.Test(t, func(t *testing.T) {
		gov := idle.New(idle.Config{Shards: 1, Granularity: tick, Linger: -1})
		ln := &memory{conns: make(chan net.Conn), done: make(chan struct{})}
		p, err := proxy.New(proxy.Config{
			Governor:  gov,
			Router:    one{target{account: idle.NewAccount("test", policy.Fixed{}, nil, law, policy.Limits{}), site: &route.Site{Local: h}}},
			Listeners: []proxy.Listener{{Listener: ln, Name: "memory"}},
			Logger:    slog.New(slog.DiscardHandler),
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		served := make(chan struct{})
		go func() { defer close(served); p.Serve(ctx) }()
		f(t, ln, gov)
		cancel()
		<-served
		p.Close()
		gov.Close()
	})
}

// dropPools empties every sync.Pool: x/net/http2 keeps channels in one, and a
// channel must not be used on both sides of a bubble's wall.
func dropPools() {
	runtime.GC() // moves them to the victims
	runtime.GC()
}

const tick = 10 * time.Millisecond

// endsAt reads c to its end and checks when that comes.
func endsAt(t *testing.T, r io.Reader, start time.Time, want time.Duration) {
	t.Helper()
	io.Copy(io.Discard, r)
	if got := time.Since(start); got < want || got > want+2*tick {
		t.Errorf("ended after %v, want %v", got, want)
	}
}

func TestSilentConnectionIdlesAndEnds(t *testing.T) {
	bubble(t, law(abi.PhaseIdle, policy.Timeout{Idle: time.Minute}), nil, func(t *testing.T, ln *memory, _ *idle.Governor) {
		endsAt(t, ln.dial(), time.Now(), time.Minute)
	})
}

func TestKeepAliveEndsAfterTheAnswer(t *testing.T) {
	h := func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(time.Hour) // no law for the upstream's time here
		io.WriteString(w, "late")
	}
	bubble(t, law(abi.PhaseIdle, policy.Timeout{Idle: time.Minute}), h, func(t *testing.T, ln *memory, _ *idle.Governor) {
		c := ln.dial()
		b := bufio.NewReader(c)
		for range 3 {
			start := time.Now()
			io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
			res, err := http.ReadResponse(b, nil)
			if err != nil {
				t.Fatal(err)
			}
			io.Copy(io.Discard, res.Body)
			if got := time.Since(start); got != time.Hour {
				t.Errorf("answered after %v", got)
			}
			time.Sleep(time.Minute - tick)
		}
		io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		res, _ := http.ReadResponse(b, nil)
		io.Copy(io.Discard, res.Body)
		endsAt(t, b, time.Now(), time.Minute)
	})
}

func TestHeaderByTrickleEnds(t *testing.T) {
	tests := map[string]string{
		"h1":      "GET / HTTP/1.1\r\nHost: " + strings.Repeat("x", 1000),
		"preface": http2.ClientPreface,
	}
	for name, text := range tests {
		t.Run(name, func(t *testing.T) {
			bubble(t, law(abi.PhaseHeader, policy.Timeout{Max: 10 * time.Second}), nil, func(t *testing.T, ln *memory, _ *idle.Governor) {
				c := ln.dial()
				start := time.Now()
				wait := trickle(text, writeTo(c))
				endsAt(t, c, start, 10*time.Second)
				c.Close()
				wait()
			})
		})
	}
}

// trickle writes a byte a second until that fails; wait returns then.
func trickle(text string, write func(string) error) (wait func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range text {
			if write(text[i:i+1]) != nil {
				return
			}
			time.Sleep(time.Second)
		}
	}()
	return func() { <-done }
}

func writeTo(w io.Writer) func(string) error {
	return func(s string) error {
		_, err := io.WriteString(w, s)
		return err
	}
}

func TestBodyByTrickleIsAnswered408(t *testing.T) {
	h := func(w http.ResponseWriter, r *http.Request) {
		_, err := io.Copy(io.Discard, r.Body)
		if err == nil && r.Method == "POST" {
			t.Error("half the content was taken for all of it")
		}
		w.WriteHeader(http.StatusRequestTimeout)
	}
	l := law(abi.PhaseBody, policy.Timeout{Idle: time.Minute, MinRate: 100, Grace: 5 * time.Second})
	t.Run("h1", func(t *testing.T) {
		bubble(t, l, h, func(t *testing.T, ln *memory, _ *idle.Governor) {
			c := ln.dial()
			start := time.Now()
			io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
			wait := trickle(strings.Repeat("x", 1000), writeTo(c))
			b := bufio.NewReader(c)
			res, err := http.ReadResponse(b, nil)
			if err != nil || res.StatusCode != 408 {
				t.Fatalf("answer %v, %v; want 408", res, err)
			}
			endsAt(t, b, start, 5*time.Second+50*time.Millisecond)
			c.Close()
			wait()
		})
	})
	t.Run("h2", func(t *testing.T) {
		bubble(t, l, h, func(t *testing.T, ln *memory, _ *idle.Governor) {
			s := newSession(t, ln)
			start := time.Now()
			s.headers(1, false, ":method", "POST")
			var stop atomic.Bool
			wait := trickle(strings.Repeat("x", 1000), func(p string) error {
				if stop.Load() {
					return io.EOF
				}
				return s.fr.WriteData(1, false, []byte(p))
			})
			f := s.want(func(f http2.Frame) bool { return f.Header().StreamID == 1 && f.Header().Type == http2.FrameHeaders })
			if got := s.status(f); got != "408" {
				t.Errorf("status %s", got)
			}
			if d := time.Since(start); d < 5*time.Second || d > 6*time.Second {
				t.Errorf("after %v", d)
			}
			stop.Store(true)
			wait()
			s.headers(3, true) // the session is as good as before
			s.want(func(f http2.Frame) bool { return f.Header().StreamID == 3 })
			s.close()
		})
	})
}

func TestAnswerToAShutWindowIsReset(t *testing.T) {
	ended := make(chan error, 1)
	h := func(w http.ResponseWriter, r *http.Request) {
		var err error
		for range 1000 {
			if _, err = w.Write(make([]byte, 10000)); err != nil {
				break
			}
		}
		if r.URL.Path == "/big" {
			ended <- err
		}
	}
	l := law(abi.PhaseWrite, policy.Timeout{Idle: 30 * time.Second})
	bubble(t, l, h, func(t *testing.T, ln *memory, _ *idle.Governor) {
		ended = make(chan error, 1)
		s := newSession(t, ln)
		start := time.Now()
		s.headers(1, true, ":path", "/big") // its window of 64 KiB is never enlarged
		f := s.want(func(f http2.Frame) bool { return f.Header().Type == http2.FrameRSTStream })
		if d := time.Since(start); f.Header().StreamID != 1 || d < 30*time.Second || d > 31*time.Second {
			t.Errorf("%v after %v", f, d)
		}
		if err := <-ended; err == nil {
			t.Error("the handler could write all")
		}
		s.close()
	})
}

func TestSessionEndsWithGoAway(t *testing.T) {
	h := func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "hello") }
	bubble(t, law(abi.PhaseStreamIdle, policy.Timeout{Idle: time.Minute}), h, func(t *testing.T, ln *memory, _ *idle.Governor) {
		s := newSession(t, ln)
		for id := uint32(1); id < 8; id += 2 {
			s.headers(id, true)
			s.want(func(f http2.Frame) bool {
				return f.Header().Type == http2.FrameData && f.Header().Flags.Has(http2.FlagDataEndStream)
			})
			time.Sleep(50 * time.Second)
		}
		start := time.Now().Add(-50 * time.Second)
		wait := trickle(strings.Repeat("x", 100), func(string) error { // signs of life are not use
			return s.fr.WritePing(false, [8]byte{1})
		})
		f := s.want(func(f http2.Frame) bool { return f.Header().Type == http2.FrameGoAway }).(*http2.GoAwayFrame)
		if f.LastStreamID != 7 || f.ErrCode != http2.ErrCodeNo {
			t.Errorf("%v, want last stream 7, no error", f)
		}
		endsAt(t, s.conn, start, time.Minute)
		s.close()
		wait()
	})
}

func TestRequestThatRacesTheEndIsServed(t *testing.T) {
	release := make(chan struct{})
	h := func(w http.ResponseWriter, r *http.Request) { <-release }
	bubble(t, policy.Timeouts{}, h, func(t *testing.T, ln *memory, gov *idle.Governor) {
		release = make(chan struct{})
		s := newSession(t, ln)
		synctest.Wait()
		// The request is in the pipe when the session is ended: both wake at
		// once, in either order.
		s.headers(1, true)
		ctx, cancel := context.WithCancel(t.Context())
		drained := make(chan struct{})
		go func() {
			defer close(drained)
			gov.Drain(ctx)
		}()
		defer func() { cancel(); <-drained }()
		time.Sleep(time.Second)
		close(release)
		for {
			f, err := s.fr.ReadFrame()
			if err != nil {
				t.Fatalf("neither served nor told: %v", err)
			}
			if g, ok := f.(*http2.GoAwayFrame); ok && g.LastStreamID == 0 {
				break // certainly not looked at: the client may send it again
			}
			if f.Header().Type == http2.FrameHeaders {
				break
			}
		}
		s.close()
	})
}

func TestSessionHeaderByTrickleEnds(t *testing.T) {
	bubble(t, law(abi.PhaseHeader, policy.Timeout{Max: 10 * time.Second}), nil, func(t *testing.T, ln *memory, _ *idle.Governor) {
		s := newSession(t, ln)
		start := time.Now()
		block := s.block(":path", "/"+strings.Repeat("x", 200))
		s.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block[:10], EndStream: true})
		wait := trickle(string(block[10:len(block)-1]), func(p string) error {
			return s.fr.WriteContinuation(1, false, []byte(p))
		})
		endsAt(t, s.conn, start, 10*time.Second)
		s.close()
		wait()
	})
}

// session is a client of HTTP/2 that does what it is told.
type session struct {
	t    *testing.T
	conn *testnet.Conn
	fr   *http2.Framer
	buf  strings.Builder
	enc  *hpack.Encoder
	dec  *hpack.Decoder
}

func newSession(t *testing.T, ln *memory) *session {
	s := &session{t: t, conn: ln.dial()}
	s.fr = http2.NewFramer(s.conn, s.conn)
	s.enc = hpack.NewEncoder(&s.buf)
	s.dec = hpack.NewDecoder(4096, nil)
	io.WriteString(s.conn, http2.ClientPreface)
	s.fr.WriteSettings()
	s.want(func(f http2.Frame) bool { return f.Header().Type == http2.FrameSettings })
	s.fr.WriteSettingsAck()
	return s
}

func (s *session) close() { s.conn.Close() }

// block encodes a header block of a GET; pairs replace or add fields.
func (s *session) block(pairs ...string) []byte {
	h := []string{":method", "GET", ":scheme", "http", ":authority", "x", ":path", "/"}
next:
	for i := 0; i < len(pairs); i += 2 {
		for j := 0; j < len(h); j += 2 {
			if h[j] == pairs[i] {
				h[j+1] = pairs[i+1]
				continue next
			}
		}
		h = append(h, pairs[i:i+2]...)
	}
	s.buf.Reset()
	for i := 0; i < len(h); i += 2 {
		s.enc.WriteField(hpack.HeaderField{Name: h[i], Value: h[i+1]})
	}
	return []byte(s.buf.String())
}

func (s *session) headers(id uint32, end bool, pairs ...string) {
	s.t.Helper()
	if err := s.fr.WriteHeaders(http2.HeadersFrameParam{
		StreamID: id, BlockFragment: s.block(pairs...), EndHeaders: true, EndStream: end,
	}); err != nil {
		s.t.Fatal(err)
	}
}

// want reads frames up to one that f accepts.
func (s *session) want(f func(http2.Frame) bool) http2.Frame {
	s.t.Helper()
	for {
		fr, err := s.fr.ReadFrame()
		if err != nil {
			s.t.Fatalf("the frame never came: %v", err)
		}
		if h, ok := fr.(*http2.HeadersFrame); ok && !f(fr) {
			s.dec.DecodeFull(h.HeaderBlockFragment())
		}
		if f(fr) {
			return fr
		}
	}
}

func (s *session) status(f http2.Frame) string {
	fields, err := s.dec.DecodeFull(f.(*http2.HeadersFrame).HeaderBlockFragment())
	if err != nil {
		s.t.Fatal(err)
	}
	for _, hf := range fields {
		if hf.Name == ":status" {
			return hf.Value
		}
	}
	return ""
}
