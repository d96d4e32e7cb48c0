package h1

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

// echo answers with what it was sent, head and content and trailers.
func echo(nc net.Conn) {
	b := reader(nc)
	for {
		r, err := http.ReadRequest(b)
		if err != nil {
			return
		}
		content, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		res := &http.Response{
			StatusCode: 200, ProtoMajor: 1, ProtoMinor: 1, ContentLength: -1, TransferEncoding: []string{"chunked"},
			Header: http.Header{"Framing": r.TransferEncoding, "Length": {r.Header.Get("Content-Length")}},
			Body:   io.NopCloser(strings.NewReader(string(content))), Trailer: r.Trailer,
		}
		res.Write(nc)
	}
}

func TestContentIsSent(t *testing.T) {
	ways(t, options{}, func(t *testing.T, o options) {
		s := newStand(t, o, echo)
		for _, size := range []int{1, 2, blockSize - 1, blockSize, blockSize + 1, 3<<20 + 7} {
			content := strings.Repeat("0123456789abcdef", size/16+1)[:size]
			for _, length := range []int64{int64(size), -1} {
				r := request(t.Context(), "POST", content)
				r.ContentLength, r.Trailer = length, http.Header{"A": {"b"}}
				_, res, err := s.do(r)
				if err != nil {
					t.Fatal(err)
				}
				b, err := io.ReadAll(res.Body)
				if string(b) != content || err != nil {
					t.Errorf("%d bytes, length %d: got %d bytes, %v", size, length, len(b), err)
				}
				want := "[chunked]" // and trailers
				if length >= 0 {
					want = "[]"
				}
				if got := res.Header["Framing"]; (len(got) > 0) != (length < 0) || (res.Trailer.Get("A") == "b") != (length < 0) {
					t.Errorf("length %d: framing %q, trailer %v, want %s", length, got, res.Trailer, want)
				}
			}
		}
		if n := s.dials.Load(); n != 1 {
			t.Errorf("%d dialled", n)
		}
	})
}

// gate is content that comes when the test lets it.
type gate struct {
	more   chan string
	closed chan struct{}
	err    error // at the end; nil: io.EOF
}

func newGate() *gate { return &gate{more: make(chan string, 1), closed: make(chan struct{}, 10)} }

func (g *gate) Read(p []byte) (int, error) {
	s, ok := <-g.more
	if !ok && g.err != nil {
		return 0, g.err
	}
	if !ok {
		return 0, io.EOF
	}
	return copy(p, s), nil
}

func (g *gate) Close() error { g.closed <- struct{}{}; return nil }

func (g *gate) request(ctx context.Context, length int64) *http.Request {
	r := request(ctx, "POST", "")
	r.Body, r.ContentLength = g, length
	return r
}

// TestBothDirectionsAtOnce answers piece by piece, before the content ends.
func TestBothDirectionsAtOnce(t *testing.T) {
	s := newStand(t, options{}, func(nc net.Conn) {
		b := reader(nc)
		r, err := http.ReadRequest(b)
		if err != nil {
			return
		}
		io.WriteString(nc, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
		p := make([]byte, 1)
		for {
			if _, err := r.Body.Read(p); err != nil {
				break
			}
			io.WriteString(nc, "1\r\n"+string(p)+"\r\n")
		}
		io.WriteString(nc, "0\r\n\r\n")
		io.Copy(io.Discard, b)
	})
	g := newGate()
	u, res, err := s.do(g.request(t.Context(), -1))
	if err != nil {
		t.Fatal(err)
	}
	p := make([]byte, 10)
	for _, piece := range []string{"a", "b", "c"} {
		g.more <- piece
		if n, err := res.Body.Read(p); string(p[:n]) != piece || err != nil {
			t.Errorf("read %q, %v; want %q", p[:n], err, piece)
		}
	}
	close(g.more)
	if n, err := res.Body.Read(p); n != 0 || err != io.EOF {
		t.Errorf("read %d bytes, %v; want the end", n, err)
	}
	if <-g.closed; !u.freed {
		t.Error("not kept")
	}
}

func TestAnswerBeforeContentEndsTheConnection(t *testing.T) {
	s := newStand(t, options{}, func(nc net.Conn) {
		b := reader(nc)
		skipHead(b)
		io.WriteString(nc, "HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
		io.Copy(io.Discard, b)
	})
	g := newGate()
	u, status, content, err := s.get(g.request(t.Context(), 100))
	if status != 413 || content != "no" || err != nil || u.freed {
		t.Errorf("%d %q, %v, freed %v", status, content, err, u.freed)
	}
	eventually(t, "closed", func() bool { return s.gov.Open() == 0 })
	close(g.more)
	<-g.closed
}

// TestAnswerOfOneWhoTakesNoMore is read although the content cannot be written.
func TestAnswerOfOneWhoTakesNoMore(t *testing.T) {
	read := make(chan bool)
	defer close(read)
	s := newStand(t, options{}, func(nc net.Conn) {
		b := reader(nc)
		skipHead(b)
		io.WriteString(nc, "HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno")
		nc.(*net.TCPConn).CloseRead()
		<-read
	})
	if _, status, content, err := s.get(request(t.Context(), "POST", strings.Repeat("x", 1<<20))); status != 413 || content != "no" || err != nil {
		t.Errorf("answer %d %q, %v; want 413 \"no\"", status, content, err)
	}
}

func TestBrokenContent(t *testing.T) {
	bad := errors.New("client has gone")
	for name, test := range map[string]struct {
		length int64
		err    error
		want   string
	}{
		"error": {10, bad, "client has gone"}, "chunks-error": {-1, bad, "client has gone"},
		"short": {10, nil, "lacks 8 of the 10"}, "long": {1, nil, "longer than the 1"},
	} {
		t.Run(name, func(t *testing.T) {
			whole := make(chan bool, 1)
			s := newStand(t, options{}, func(nc net.Conn) {
				r, err := http.ReadRequest(reader(nc))
				if err == nil {
					_, err = io.ReadAll(r.Body)
				}
				whole <- err == nil
			})
			g := newGate()
			g.err = test.err
			g.more <- "hi"
			close(g.more)
			_, _, err := s.do(g.request(t.Context(), test.length))
			if err == nil || !strings.Contains(err.Error(), test.want) || test.err != nil && err != test.err {
				t.Errorf("%v, want %q", err, test.want)
			}
			if <-whole {
				t.Error("the server took the content for whole")
			}
			<-g.closed
		})
	}
}

func TestContentWaitsForContinue(t *testing.T) {
	for name, test := range map[string]struct {
		first string // what the server says before it reads content
		wait  time.Duration
		sent  bool
	}{
		"granted":  {"HTTP/1.1 100 Continue\r\n\r\n", time.Hour, true},
		"refused":  {"HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n", time.Hour, false},
		"not-told": {"", 10 * time.Millisecond, true},
	} {
		t.Run(name, func(t *testing.T) {
			got := make(chan string, 1)
			s := newStand(t, options{config: Config{ContinueTimeout: test.wait}}, func(nc net.Conn) {
				b := reader(nc)
				skipHead(b)
				io.WriteString(nc, test.first)
				p := make([]byte, 7)
				n, _ := io.ReadFull(b, p)
				got <- string(p[:n])
				io.WriteString(nc, hello)
				io.Copy(io.Discard, b)
			})
			r := request(t.Context(), "POST", "content")
			r.Header.Set("Expect", "100-continue")
			u, status, _, err := s.get(r)
			if err != nil || (status == 200) != test.sent || u.freed != test.sent {
				t.Errorf("%d, %v, freed %v", status, err, u.freed)
			}
			if sent := <-got == "content"; sent != test.sent {
				t.Errorf("content sent: %v", sent)
			}
		})
	}
}

// TestCancel ends an exchange at every stage, and nothing is left of it.
func TestCancel(t *testing.T) {
	why := errors.New("the test says so")
	for _, stage := range []string{"before", "head", "content", "answer"} {
		t.Run(stage, func(t *testing.T) {
			ways(t, options{}, func(t *testing.T, o options) {
				arrived := make(chan bool, 1)
				s := newStand(t, o, func(nc net.Conn) {
					b := reader(nc)
					skipHead(b)
					if stage == "answer" {
						io.WriteString(nc, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi")
					}
					arrived <- true
					io.Copy(io.Discard, b)
				})
				ctx, cancel := context.WithCancelCause(t.Context())
				g := newGate()
				r := request(ctx, "GET", "")
				if stage == "content" {
					r = g.request(ctx, 100)
				}
				if stage == "before" {
					cancel(why)
				} else {
					go func() { <-arrived; cancel(why) }()
				}
				_, _, _, err := s.get(r)
				if err != why && !(stage == "before" && err != nil) {
					t.Errorf("error %v, want %v", err, why)
				}
				eventually(t, "closed", func() bool { return s.gov.Open() == 0 })
				close(g.more)
			})
		})
	}
}

// TestHostEndsTheWaiting is no reason to ask again.
func TestHostEndsTheWaiting(t *testing.T) {
	var law policy.Timeouts
	law[abi.PhaseUpstream].Idle = 20 * time.Millisecond
	s := newStand(t, options{law: law}, func(nc net.Conn) { io.Copy(io.Discard, nc) })
	_, _, err := s.do(request(t.Context(), "GET", ""))
	var u *MissingAnswerError
	if !errors.As(err, &u) || u.Repeatable(request(t.Context(), "GET", "")) {
		t.Errorf("error %v, want a MissingAnswerError that is not repeatable", err)
	}
}

func TestAnswerClosedEarly(t *testing.T) {
	ways(t, options{}, func(t *testing.T, o options) {
		s := newStand(t, o, answers("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi"))
		u, res, err := s.do(request(t.Context(), "GET", ""))
		if err != nil {
			t.Fatal(err)
		}
		begun, ended := make(chan bool), make(chan error)
		go func() {
			io.ReadFull(res.Body, make([]byte, 2))
			close(begun)
			_, err := io.ReadAll(res.Body)
			ended <- err
		}()
		<-begun
		res.Body.Close()
		if err := <-ended; err == nil {
			t.Error("the reader found an end")
		}
		if _, err := res.Body.Read(make([]byte, 1)); err != http.ErrBodyReadAfterClose {
			t.Errorf("read after close: %v", err)
		}
		if res.Body.Close() != nil || u.freed || s.kept() != 0 {
			t.Error("kept")
		}
		eventually(t, "closed", func() bool { return s.gov.Open() == 0 })
	})
}
