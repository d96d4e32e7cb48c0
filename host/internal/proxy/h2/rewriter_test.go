package h2

import (
	"bytes"
	"testing"

	"golang.org/x/net/http2"
)

// edit feeds a rewriter in steps and returns what leaves it.
func edit(e rewriter, in []byte, step int) (out []byte, after rewriter) {
	for len(in) > 0 {
		n := min(step, len(in))
		if e.done() {
			out = append(out, in[:n]...)
		} else {
			out = e.take(out, in[:n])
		}
		in = in[n:]
	}
	return out, e
}

func TestEditor(t *testing.T) {
	settings := func(table uint32) func(*http2.Framer) {
		return func(fr *http2.Framer) {
			fr.WriteSettings(http2.Setting{ID: http2.SettingMaxFrameSize, Val: 1 << 14}, http2.Setting{ID: http2.SettingHeaderTableSize, Val: table})
		}
	}
	nonce := [8]byte{9, 9}
	for name, x := range map[string]struct {
		e        rewriter
		in, want []func(*http2.Framer)
	}{
		"a new session": {rewriter{wants: editTable},
			[]func(*http2.Framer){settings(4096), func(fr *http2.Framer) { fr.WriteWindowUpdate(0, 5); fr.WriteSettingsAck() }},
			[]func(*http2.Framer){settings(0), func(fr *http2.Framer) { fr.WriteWindowUpdate(0, 5); fr.WriteSettingsAck() }}},
		"a session that goes on": {rewriter{wants: dropTable | editWindow | dropReset, recvWin: initialWindow + 600, last: 3},
			[]func(*http2.Framer){settings(4096), func(fr *http2.Framer) {
				fr.WriteWindowUpdate(0, 1000)
				fr.WritePing(true, nonce)
				fr.WriteRSTStream(3, http2.ErrCodeProtocol)
				fr.WriteRSTStream(3, http2.ErrCodeStreamClosed)
				fr.WriteWindowUpdate(0, 7)
				fr.WriteData(5, true, make([]byte, 300))
			}},
			[]func(*http2.Framer){func(fr *http2.Framer) {
				fr.WriteWindowUpdate(0, 400)
				fr.WritePing(true, nonce)
				fr.WriteRSTStream(3, http2.ErrCodeStreamClosed)
				fr.WriteWindowUpdate(0, 7)
				fr.WriteData(5, true, make([]byte, 300))
			}}},
		"a session with a deficit": {rewriter{wants: dropTable | editWindow | dropAnswer, recvWin: 1 << 20, last: 7},
			[]func(*http2.Framer){settings(4096), func(fr *http2.Framer) {
				fr.WriteWindowUpdate(0, 1<<20-initialWindow)
				fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 7, EndHeaders: true, BlockFragment: []byte{0x88}})
				fr.WriteData(7, false, make([]byte, 4096))
				fr.WriteData(7, true, nil)
				fr.WriteRSTStream(7, http2.ErrCodeStreamClosed)
			}},
			[]func(*http2.Framer){func(fr *http2.Framer) { fr.WriteRSTStream(7, http2.ErrCodeStreamClosed) }}},
		"a full window": {rewriter{wants: dropTable | editWindow, recvWin: initialWindow + 1000},
			[]func(*http2.Framer){settings(4096), func(fr *http2.Framer) { fr.WriteWindowUpdate(0, 1000) }}, nil},
		"a question to the server": {rewriter{wants: dropPong, nonce: nonce},
			[]func(*http2.Framer){func(fr *http2.Framer) {
				fr.WritePing(true, [8]byte{1})
				fr.WritePing(true, nonce)
				fr.WritePing(true, nonce)
			}},
			[]func(*http2.Framer){func(fr *http2.Framer) { fr.WritePing(true, [8]byte{1}); fr.WritePing(true, nonce) }}},
	} {
		all := func(fs []func(*http2.Framer)) []byte {
			return frames(func(fr *http2.Framer) {
				for _, f := range fs {
					f(fr)
				}
			})
		}
		in, want := all(x.in), all(x.want)
		for step := 1; step <= len(in); step++ {
			got, after := edit(x.e, in, step)
			if !bytes.Equal(got, want) {
				t.Fatalf("%s, in steps of %d:\n%x, want\n%x", name, step, got, want)
			}
			if !after.done() {
				t.Fatalf("%s, in steps of %d: not done", name, step)
			}
		}
	}
}

// FuzzEditor has servers write anything: what leaves does not depend on how it
// is cut.
func FuzzEditor(f *testing.F) {
	f.Add(frames(func(fr *http2.Framer) { fr.WriteSettings(); fr.WriteWindowUpdate(0, 9); fr.WriteRSTStream(3, 1) }), uint8(31), 3)
	f.Fuzz(func(t *testing.T, in []byte, wants uint8, step int) {
		e := rewriter{wants: wants & 63, recvWin: 1 << 20, last: 3}
		whole, _ := edit(e, in, max(len(in), 1))
		parts, _ := edit(e, in, min(max(step, 1), max(len(in), 1)))
		if !bytes.Equal(whole, parts) {
			t.Errorf("at once %x, in parts %x", whole, parts)
		}
	})
}
