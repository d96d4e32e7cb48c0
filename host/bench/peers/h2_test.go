package main

import (
	"bytes"
	"net"
	"testing"
	"time"

	"golang.org/x/net/http2/hpack"
)

// wire is a connection whose other side has said everything in advance.
type wire struct {
	net.Conn
	in, out bytes.Buffer
}

func (w *wire) Read(p []byte) (int, error)      { return w.in.Read(p) }
func (w *wire) Write(p []byte) (int, error)     { return w.out.Write(p) }
func (w *wire) SetDeadline(time.Time) error     { return nil }
func (w *wire) says(frames ...[]byte) (c *wire) { w.in.Write(bytes.Join(frames, nil)); return w }

func TestRequestBlock(t *testing.T) {
	fields, err := hpack.NewDecoder(0, nil).DecodeFull(requestBlock(true))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		":method": "GET", ":scheme": "https", ":path": "/api/items/1", ":authority": "bench.example",
		"user-agent": "peers", "accept": "application/json", "accept-encoding": "identity",
	}
	for _, f := range fields {
		if want[f.Name] != f.Value {
			t.Errorf("%s = %q, want %q", f.Name, f.Value, want[f.Name])
		}
		delete(want, f.Name)
	}
	if len(want) > 0 {
		t.Errorf("missing: %v", want)
	}
}

func TestH2Answers(t *testing.T) {
	head := appendFrame(nil, frameHeaders, flagEndHeaders, 1, []byte{0x3f, 0x81, 0x1f, 0x88, 0x54})
	half := len(answer) / 2
	body := func(flags byte, p []byte) []byte { return appendFrame(nil, frameData, flags, 1, p) }
	padded := append(append([]byte{3}, answer[half:]...), 0, 0, 0)
	for name, c := range map[string]struct {
		frames [][]byte
		fine   bool
	}{
		"whole":           {[][]byte{head, body(flagEndStream, answer)}, true},
		"in pieces":       {[][]byte{head, body(0, answer[:half]), body(flagEndStream|flagPadded, padded)}, true},
		"another stream":  {[][]byte{head, appendFrame(nil, frameReset, 0, 3, make([]byte, 4)), body(flagEndStream, answer)}, true},
		"with trailers":   {[][]byte{head, body(0, answer), appendFrame(nil, frameHeaders, flagEndHeaders|flagEndStream, 1, nil)}, true},
		"short":           {[][]byte{head, body(flagEndStream, answer[1:])}, false},
		"no header":       {[][]byte{body(flagEndStream, answer)}, false},
		"status 502":      {[][]byte{appendFrame(nil, frameHeaders, flagEndHeaders, 1, []byte{0x8d}), body(flagEndStream, answer)}, false},
		"reset":           {[][]byte{head, appendFrame(nil, frameReset, 0, 1, make([]byte, 4))}, false},
		"good-bye":        {[][]byte{appendFrame(nil, frameGoAway, 0, 0, make([]byte, 8))}, false},
		"cut off":         {[][]byte{head, body(flagEndStream, answer)[:20]}, false},
		"too large frame": {[][]byte{{1, 0, 0, 0, 0, 0, 0, 0, 1}}, false},
	} {
		p := &h2Peer{nc: new(wire).says(c.frames...), block: requestBlock(false)}
		if err := p.Ask(); (err == nil) != c.fine {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestH2KeepsTheSession: settings and pings are acknowledged, the window of the
// connection is opened again.
func TestH2KeepsTheSession(t *testing.T) {
	w := new(wire).says(
		appendFrame(nil, frameSettings, 0, 0, nil), appendFrame(nil, frameSettings, flagAck, 0, nil),
		appendFrame(nil, framePing, 0, 0, []byte("12345678")),
		appendFrame(nil, frameHeaders, flagEndHeaders, 1, []byte{0x88}), appendFrame(nil, frameData, flagEndStream, 1, answer))
	p, err := openH2(w, false)
	if err != nil {
		t.Fatal(err)
	}
	p.taken = 1 << 14
	if err := p.Ask(); err != nil {
		t.Fatal(err)
	}
	for name, f := range map[string][]byte{
		"settings acknowledged": appendFrame(nil, frameSettings, flagAck, 0, nil),
		"ping answered":         appendFrame(nil, framePing, flagAck, 0, []byte("12345678")),
		"window opened":         appendFrame(nil, frameWindow, 0, 0, []byte{0, 0, 0x40, 0}),
	} {
		if !bytes.Contains(w.out.Bytes(), f) {
			t.Errorf("no frame % x: %s", f, name)
		}
	}
	if int(p.taken) != len(answer) {
		t.Errorf("taken = %d, want %d", p.taken, len(answer))
	}
}

func FuzzH2Answer(f *testing.F) {
	f.Add(appendFrame(appendFrame(nil, frameHeaders, flagEndHeaders, 1, []byte{0x88}), frameData, flagEndStream, 1, answer))
	f.Add(appendFrame(nil, frameHeaders, flagPadded|flagPriority, 1, []byte{200, 1, 0x20}))
	f.Fuzz(func(t *testing.T, b []byte) {
		p := &h2Peer{nc: new(wire).says(b)}
		if err := p.Ask(); err == nil && len(b) < len(answer) {
			t.Errorf("% x is taken for an answer", b)
		}
	})
}
