package h2

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"idlehost/host/internal/testnet"
)

// raw is a client that sends and sees frames.
type raw struct {
	*http2.Framer
	t    *testing.T
	host *host
	nc   net.Conn
	hold *holding // below TLS and the framer
	runs *atomic.Int32

	table  uint32 // the header table that the server allows
	window int64  // what it lets us send on stream 0
}

// holding keeps writes back while it is told to, to send them in one segment.
type holding struct {
	net.Conn
	on   bool
	kept bytes.Buffer
}

func (h *holding) Write(p []byte) (int, error) {
	if h.on {
		return h.kept.Write(p)
	}
	return h.Conn.Write(p)
}

func (h *holding) release() {
	h.on = false
	h.Conn.Write(h.kept.Bytes())
	h.kept.Reset()
}

// newRaw shakes hands with a host of its own.
func newRaw(t *testing.T, cfg hostConfig, settings ...http2.Setting) *raw {
	t.Helper()
	r := greet(t, newHost(t, cfg), settings...)
	r.WriteSettingsAck()
	return r
}

// greet shakes hands, but for the acknowledgement of the server's SETTINGS.
func greet(t *testing.T, h *host, settings ...http2.Setting) *raw {
	t.Helper()
	r, err := tryGreet(t, h, settings...)
	if err != nil {
		t.Fatalf("read a frame: %v", err)
	}
	return r
}

// tryGreet is greet where the session may end meanwhile.
func tryGreet(t *testing.T, h *host, settings ...http2.Setting) (*raw, error) {
	t.Helper()
	r := &raw{t: t, host: h, window: initialWindow, runs: &h.runs}
	nc, err := net.Dial("tcp", h.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(testnet.Patience))
	r.hold = &holding{Conn: nc}
	r.nc = r.hold
	if h.cert != nil {
		r.nc = tls.Client(r.hold, h.tls())
	}
	io.WriteString(r.nc, Preface)
	r.Framer = http2.NewFramer(r.nc, r.nc)
	r.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	r.WriteSettings(settings...)
	for acked, seen := false, false; !acked || !seen || r.window == initialWindow; {
		f, err := r.ReadFrame()
		if err != nil {
			return nil, err
		}
		switch f := f.(type) {
		case *http2.SettingsFrame:
			acked = acked || f.IsAck()
			if v, ok := f.Value(http2.SettingHeaderTableSize); ok {
				r.table, seen = v, true
			}
		case *http2.WindowUpdateFrame:
			r.window += int64(f.Increment)
		case *http2.GoAwayFrame:
			return nil, errors.New("the session has ended meanwhile")
		}
	}
	return r, nil
}

func (r *raw) read() http2.Frame {
	r.t.Helper()
	f, err := r.ReadFrame()
	if err != nil {
		r.t.Fatalf("read a frame: %v", err)
	}
	return f
}

// request sends one, without content, and returns the length of the answer.
func (r *raw) request(id uint32, fields ...string) int {
	r.t.Helper()
	r.headers(id, true, fields...)
	return r.answer(id)
}

func (r *raw) headers(id uint32, end bool, fields ...string) {
	var block bytes.Buffer
	enc := hpack.NewEncoder(&block)
	enc.SetMaxDynamicTableSize(0)
	fields = append([]string{":method", "GET", ":scheme", "http", ":path", "/", ":authority", "x"}, fields...)
	for i := 0; i < len(fields); i += 2 {
		enc.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	r.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block.Bytes(), EndStream: end, EndHeaders: true})
}

// answer reads until a stream ends.
func (r *raw) answer(id uint32) (n int) {
	r.t.Helper()
	for {
		switch f := r.read().(type) {
		case *http2.WindowUpdateFrame:
			if f.StreamID == 0 {
				r.window += int64(f.Increment)
			}
		case *http2.DataFrame:
			n += len(f.Data())
			if f.StreamID == id && f.StreamEnded() {
				return n
			}
		case *http2.MetaHeadersFrame:
			if f.StreamID == id && f.StreamEnded() {
				return n
			}
			r.whole(f)
		default:
			r.t.Fatalf("on the way to an answer: %v", f)
		}
	}
}

// whole fails when a header section is not what serveEcho has written: the
// client's table and the server's are out of step.
func (r *raw) whole(f *http2.MetaHeadersFrame) {
	r.t.Helper()
	names := ""
	for _, h := range f.Fields {
		names += h.Name + " "
	}
	if f.PseudoValue("status") != "200" || !strings.Contains(names, "x-got") || !strings.Contains(names, "date") {
		r.t.Fatalf("the header section is %v", f.Fields)
	}
}

// ping has one answered and nothing else said.
func (r *raw) ping() {
	r.t.Helper()
	data := [8]byte{1, 2, 3}
	r.WritePing(false, data)
	f, ok := r.read().(*http2.PingFrame)
	if !ok || !f.IsAck() || f.Data != data {
		r.t.Fatalf("a PING is answered by %v", f)
	}
}

func (r *raw) parked() { r.t.Helper(); r.host.parked(r.t, 1) }

// over reads until the connection ends and returns the GOAWAY.
func (r *raw) over() (last uint32, code http2.ErrCode) {
	r.t.Helper()
	said := false
	for {
		f, err := r.ReadFrame()
		if err != nil {
			if !said || errors.Is(err, os.ErrDeadlineExceeded) {
				r.t.Fatalf("ends without good-bye: %v", err)
			}
			return last, code
		}
		if g, ok := f.(*http2.GoAwayFrame); ok {
			said, last, code = true, g.LastStreamID, g.ErrCode
		}
	}
}
