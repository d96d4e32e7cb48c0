package h2

import (
	"bytes"
	"fmt"
	"testing"

	"golang.org/x/net/http2"
)

func TestScannerFollowsFrames(t *testing.T) {
	var b bytes.Buffer
	fr := http2.NewFramer(&b, nil)
	fr.WriteSettings(http2.Setting{ID: 1, Val: 2})
	fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte("block")})
	fr.WriteContinuation(1, true, nil)
	fr.WriteData(1, true, make([]byte, 70000)[:16384])
	fr.WriteGoAway(7, http2.ErrCodeNo, nil)
	fr.WriteWindowUpdate(0, 5)
	want := "begin SETTINGS/0/6 000100000002 end begin HEADERS/1/5 end begin CONTINUATION/1/0 end begin DATA/1/16384 end begin GOAWAY/0/8 end begin WINDOW_UPDATE/0/4 00000005 end "
	all := b.Bytes()
	for _, step := range []int{1, 2, 8, 9, 10, 100, len(all)} {
		var s scanner
		got := ""
		for i := 0; i < len(all); i += step {
			s.scan(all[i:min(i+step, len(all))], (*teller)(&got))
		}
		if got != want || !s.boundary() {
			t.Errorf("in steps of %d:\n%s\nwant\n%s", step, got, want)
		}
	}
}

func FuzzScanner(f *testing.F) {
	f.Add([]byte("\x00\x00\x06\x04\x00\x00\x00\x00\x00abcdef"), 3)
	f.Add([]byte(http2.ClientPreface), 1)
	f.Fuzz(func(t *testing.T, b []byte, step int) {
		whole, parts := trace(b, len(b)), trace(b, step)
		if whole != parts {
			t.Errorf("in parts %s, at once %s", parts, whole)
		}
	})
}

// trace lists the frames that a scanner finds.
func trace(b []byte, step int) string {
	var s scanner
	out := ""
	step = min(max(step, 1), max(len(b), 1))
	for i := 0; i < len(b); i += step {
		s.scan(b[i:min(i+step, len(b))], (*teller)(&out))
	}
	return out + fmt.Sprint(s.boundary())
}

// teller writes down what it is told.
type teller string

func (t *teller) begin(h header) {
	*t += teller(fmt.Sprintf("begin %v/%d/%d ", http2.FrameType(h.kind), h.stream, h.length))
}
func (t *teller) unit(_ header, b []byte) { *t += teller(fmt.Sprintf("%x ", b)) }
func (t *teller) end(header)              { *t += "end " }

// deaf is told nothing.
type deaf struct{}

func (deaf) begin(header)        {}
func (deaf) unit(header, []byte) {}
func (deaf) end(header)          {}

func BenchmarkScan(b *testing.B) {
	var s scanner
	f := make([]byte, headerLen+1000)
	f[1], f[2] = 1000>>8, 1000&255
	for b.Loop() {
		s.scan(f, deaf{})
	}
}
