package h2

import (
	"bytes"
	"testing"

	"golang.org/x/net/http2"
)

func TestGoAwayIsWhatTheFramerReads(t *testing.T) {
	b := goAway(12345)
	f, err := http2.NewFramer(nil, bytes.NewReader(b[:])).ReadFrame()
	g, ok := f.(*http2.GoAwayFrame)
	if err != nil || !ok || g.LastStreamID != 12345 || g.ErrCode != http2.ErrCodeNo {
		t.Errorf("read %v, %v; want GOAWAY of stream 12345 without an error", f, err)
	}
}
