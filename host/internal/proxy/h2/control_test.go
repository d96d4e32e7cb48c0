package h2

import (
	"bytes"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// asleep is a session as one that is parked, with streams up to 7.
func asleep(t testing.TB) *session {
	_, c, _ := layered(t, 1<<12)
	s := newSession(NewServer(Config{}), t.Context(), c, c)
	s.settled, s.last = true, 7
	return s
}

func frames(write func(*http2.Framer)) []byte {
	var b bytes.Buffer
	fr := http2.NewFramer(&b, nil)
	fr.AllowIllegalWrites = true
	write(fr)
	return b.Bytes()
}

func TestControlAnswersInOrder(t *testing.T) {
	s, d := asleep(t), new(controlBuffers)
	in := frames(func(fr *http2.Framer) {
		fr.WritePing(false, [8]byte{1})
		fr.WriteSettings(http2.Setting{ID: http2.SettingHeaderTableSize, Val: 100}, http2.Setting{ID: 0xabcd, Val: 5})
		fr.WriteWindowUpdate(0, 1000)
		fr.WriteWindowUpdate(7, 1000)
		fr.WriteRSTStream(5, http2.ErrCodeCancel)
		fr.WritePriority(9, http2.PriorityParam{StreamDep: 1})
		fr.WriteRawFrame(0xee, 1, 3, []byte("?"))
		fr.WritePing(true, [8]byte{2})
		fr.WriteSettings(http2.Setting{ID: http2.SettingHeaderTableSize, Val: 200})
	})
	want := frames(func(fr *http2.Framer) {
		fr.WritePing(true, [8]byte{1})
		fr.WriteSettingsAck()
		fr.WriteSettingsAck()
	})
	rest, n := s.control(in, d)
	if len(rest) != 0 || n != 9 || !bytes.Equal(d.out, want) {
		t.Errorf("%d frames taken, %x left, answers %x, want %x", n, rest, d.out, want)
	}
	if s.sendWin != initialWindow+1000 || s.settings[0] != 200 || s.leastTab != 100 {
		t.Errorf("window %d, table %d, at least %d", s.sendWin, s.settings[0], s.leastTab)
	}
	if got := s.payload(); !bytes.Equal(got, []byte{0, 1, 0, 0, 0, 100, 0, 1, 0, 0, 0, 200}) {
		t.Errorf("settings for a server: %x", got)
	}
}

// What is wrong, or not there whole, is left for the server, byte for byte.
func TestControlLeavesTheRest(t *testing.T) {
	ping := frames(func(fr *http2.Framer) { fr.WritePing(false, [8]byte{1}) })
	setting := func(id http2.SettingID, v uint32) func(*http2.Framer) {
		return func(fr *http2.Framer) { fr.WriteSettings(http2.Setting{ID: id, Val: v}) }
	}
	raw := func(kind http2.FrameType, flags http2.Flags, stream uint32, n int) func(*http2.Framer) {
		return func(fr *http2.Framer) { fr.WriteRawFrame(kind, flags, stream, make([]byte, n)) }
	}
	for name, write := range map[string]func(*http2.Framer){
		"DATA": raw(frameData, 0, 1, 3), "HEADERS": raw(frameHeaders, 4, 9, 3), "GOAWAY": raw(frameGoAway, 0, 0, 8),
		"PUSH_PROMISE": raw(framePushPromise, 0, 1, 4), "CONTINUATION": raw(frameContinuation, 4, 1, 0),
		"PRIORITY_UPDATE": raw(framePriorityUpdate, 0, 0, 4),
		"short PING":      raw(framePing, 0, 0, 7), "PING on a stream": raw(framePing, 0, 1, 8),
		"SETTINGS ACK": raw(frameSettings, 1, 0, 0), "odd SETTINGS": raw(frameSettings, 0, 0, 7),
		"SETTINGS on a stream": raw(frameSettings, 0, 1, 0), "many SETTINGS": raw(frameSettings, 0, 0, 6*(maxSettings+1)),
		"SETTINGS twice": raw(frameSettings, 0, 0, 12), "push": setting(http2.SettingEnablePush, 2),
		"window": setting(http2.SettingInitialWindowSize, maxWindow+1), "frame": setting(http2.SettingMaxFrameSize, 16383),
		"large frame": setting(http2.SettingMaxFrameSize, 1<<24), "priorities": setting(http2.SettingNoRFC7540Priorities, 2),
		"no increment": raw(frameWindowUpdate, 0, 0, 4), "no increment of a stream": raw(frameWindowUpdate, 0, 1, 4),
		"long increment": raw(frameWindowUpdate, 0, 0, 5),
		"overflow":       func(fr *http2.Framer) { fr.WriteWindowUpdate(0, maxWindow-initialWindow+1) },
		"new stream":     func(fr *http2.Framer) { fr.WriteRSTStream(9, 0) },
		"even stream":    func(fr *http2.Framer) { fr.WriteWindowUpdate(2, 1) },
		"no stream":      raw(frameRSTStream, 0, 0, 4), "short RST_STREAM": raw(frameRSTStream, 0, 1, 3),
		"PRIORITY of none": raw(framePriority, 0, 0, 5),
		"PRIORITY of self": func(fr *http2.Framer) { fr.WritePriority(3, http2.PriorityParam{StreamDep: 3}) },
		"too large":        raw(0xee, 0, 0, maxFrame+1),
	} {
		b := frames(write)
		s, d := asleep(t), new(controlBuffers)
		before := *s
		rest, n := s.control(append(ping[:len(ping):len(ping)], b...), d)
		if n != 1 || !bytes.Equal(rest, b) {
			t.Errorf("%s: %d frames taken, %d of %d bytes left", name, n, len(rest), len(b))
		}
		if *s != before {
			t.Errorf("%s: changes the session", name)
		}
	}
	for i := range ping {
		if rest, n := asleep(t).control(ping[:i], new(controlBuffers)); n != 0 || len(rest) != i {
			t.Errorf("%d bytes of a PING: %d frames, %d bytes left", i, n, len(rest))
		}
	}
}

func TestControlDoesNotAllocate(t *testing.T) {
	s, d := asleep(t), new(controlBuffers)
	d.out = make([]byte, 0, 100)
	in := frames(func(fr *http2.Framer) {
		fr.WritePing(false, [8]byte{1})
		fr.WriteSettings(http2.Setting{ID: http2.SettingMaxFrameSize, Val: 1 << 15})
	})
	if n := testing.AllocsPerRun(100, func() { d.out = d.out[:0]; s.control(in, d) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzControl holds the parser to x/net's: what it takes is a frame that x/net
// finds nothing wrong with, and what it leaves is a suffix of what came.
func FuzzControl(f *testing.F) {
	f.Add(frames(func(fr *http2.Framer) {
		fr.WritePing(false, [8]byte{1})
		fr.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 31})
	}))
	f.Add(frames(func(fr *http2.Framer) { fr.WriteWindowUpdate(0, maxWindow); fr.WriteRSTStream(7, 0) }))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, d := asleep(t), new(controlBuffers)
		rest, n := s.control(b, d)
		if !bytes.HasSuffix(b, rest) {
			t.Fatal("what is left is not what came")
		}
		taken := b[:len(b)-len(rest)]
		if len(d.out) > len(taken) {
			t.Errorf("%d bytes are answered by %d", len(taken), len(d.out))
		}
		fr := http2.NewFramer(nil, bytes.NewReader(taken))
		fr.SetMaxReadFrameSize(maxFrame)
		for i := range n {
			fm, err := fr.ReadFrame()
			if err != nil {
				t.Fatalf("frame %d: %v", i, err)
			}
			if set, ok := fm.(*http2.SettingsFrame); ok {
				if err := set.ForeachSetting(http2.Setting.Valid); err != nil || set.HasDuplicates() {
					t.Errorf("frame %d: SETTINGS %v, %v", i, set, err)
				}
			}
		}
		if s.sendWin < initialWindow || s.last != 7 {
			t.Errorf("window %d, last stream %d", s.sendWin, s.last)
		}
	})
}

func TestCalm(t *testing.T) {
	var r controlRate
	now := time.Unix(1000, 0)
	if !r.add(maxControlRate, now) || r.add(1, now.Add(time.Second-1)) {
		t.Error("the limit is not what a second may bring")
	}
	if !r.add(maxControlRate, now.Add(time.Second)) {
		t.Error("a second does not end")
	}
}
