package h2

import (
	"errors"
	"io"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// Rule 1: what the client has said before holds after.
func TestSettingsOutliveTheServer(t *testing.T) {
	r := newRaw(t, hostConfig{}, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 10})
	r.parked()
	r.headers(1, true, "x-size", "100")
	got := 0
	for got < 10 {
		if f, ok := r.read().(*http2.DataFrame); ok {
			got += len(f.Data())
		}
	}
	r.ping() // nothing came before its answer: the stream's window is shut
	r.WriteWindowUpdate(1, 90)
	if n := r.answer(1); n != 90 || got != 10 {
		t.Errorf("%d, then %d bytes", got, n)
	}
	r.parked()
	r.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1000})
	if f, ok := r.read().(*http2.SettingsFrame); !ok || !f.IsAck() {
		t.Fatalf("SETTINGS are answered by %v", f)
	}
	r.parked()
	if n := r.request(3, "x-size", "1000"); n != 1000 {
		t.Errorf("%d bytes", n)
	}
}

// Rule 1: the window that the client has granted is used to its end, and not
// beyond.
func TestSendWindowOutlivesTheServer(t *testing.T) {
	r := newRaw(t, hostConfig{}, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 20})
	r.WriteWindowUpdate(0, 50_000)
	r.ping()
	r.parked()
	r.request(1, "x-size", "20000") // leaves 95,535
	r.parked()
	r.WriteWindowUpdate(0, 4465) // while parked
	r.parked()
	r.headers(3, true, "x-size", "200000")
	got := 0
	for got < 100_000 {
		if f, ok := r.read().(*http2.DataFrame); ok {
			got += len(f.Data())
		}
	}
	r.ping()
	if got != 100_000 {
		t.Fatalf("%d bytes sent into a window of 100,000", got)
	}
	r.WriteWindowUpdate(0, 100_000)
	if n := r.answer(3); n != 100_000 {
		t.Errorf("then %d bytes", n)
	}
}

// Many clients give the window back only when half of it is gone.
func TestSessionsSleepInDebt(t *testing.T) {
	for _, stream := range []uint32{100, initialWindow, maxWindow} {
		r := newRaw(t, hostConfig{}, http2.Setting{ID: http2.SettingInitialWindowSize, Val: stream})
		if stream == 100 { // what streams may send is not what is looked at
			r.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 30_000})
			r.read()
		}
		left, id := initialWindow, uint32(1)
		for _, n := range []int{100, 20_000, 1, 30_000} {
			r.parked()
			if got := r.request(id, "x-size", strconv.Itoa(n)); got != n {
				t.Fatalf("%d bytes, want %d", got, n)
			}
			left, id = left-n, id+2
		}
		if stream == 100 {
			r.parked()
			r.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 100})
			r.read()
			r.parked()
			r.WriteWindowUpdate(0, 5)
			r.ping()
			r.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 30_000})
			r.read()
			left += 5
		}
		r.parked()
		r.headers(id, true, "x-size", "29000")
		got := 0
		for got < left {
			if f, ok := r.read().(*http2.DataFrame); ok {
				got += len(f.Data())
			}
		}
		r.ping()
		if got != left {
			t.Fatalf("%d bytes are sent into a window of %d", got, left)
		}
		r.WriteWindowUpdate(0, 50_000)
		if n := r.answer(id); n != 29_000-left {
			t.Errorf("then %d bytes, want %d", n, 29_000-left)
		}
	}
}

// An empty window is the largest deficit.
func TestSessionsSleepWithoutAWindow(t *testing.T) {
	r := newRaw(t, hostConfig{})
	r.request(1, "x-size", strconv.Itoa(initialWindow))
	r.parked()
	r.headers(3, true, "x-size", "10")
	if f, ok := r.read().(*http2.MetaHeadersFrame); !ok || f.StreamEnded() {
		t.Fatalf("frame %v, want the headers of an answer that goes on", f)
	}
	r.ping()
	r.WriteWindowUpdate(0, 10)
	if n := r.answer(3); n != 10 {
		t.Errorf("%d bytes", n)
	}
}

// Rule 2.
func TestHeaderTableIsEmpty(t *testing.T) {
	each(t, func(t *testing.T, secured bool) {
		if r := newRaw(t, hostConfig{tls: secured}); r.table != 0 {
			t.Errorf("clients may keep a header table of %d", r.table)
		}
		r := newRaw(t, hostConfig{tls: secured, table: true})
		if r.table != 4096 {
			t.Errorf("clients may keep a header table of %d, want 4096", r.table)
		}
		never(t, r)
	})
}

// Rule 2: until a client has said that it has seen our settings, it may refer
// to what it has sent before.
func TestNoParkBeforeSettingsAck(t *testing.T) {
	r := greet(t, newHost(t, hostConfig{}))
	never(t, r)
	r.WriteSettingsAck()
	r.parked()
}

// never watches for a while that a session does not park.
func never(t *testing.T, r *raw) {
	t.Helper()
	for range 5 {
		r.ping()
		pause(5 * time.Millisecond)
		if r.host.gov.Parked() != 0 {
			t.Fatal("parked")
		}
	}
}

// Rule 3: a new server does not greet the client again, and gives back the
// window that the old one owed.
func TestClientSeesNothingOfANewServer(t *testing.T) {
	r := newRaw(t, hostConfig{})
	full := r.window
	if full != 1<<20 {
		t.Fatalf("window %d", full)
	}
	for id := uint32(1); id < 20; id += 2 {
		r.parked()
		r.headers(id, false)
		r.WriteData(id, true, make([]byte, 3000)) // less than the server refunds at once
		r.window -= 3000
		r.answer(id) // fails with any other frame
	}
	r.parked()
	r.request(21)
	r.ping()
	if r.window != full {
		t.Errorf("the client's window is %d, was %d", r.window, full)
	}
}

// Rule 4: what is under way when a stream ends may come after a park.
func TestLateFramesOfOldStreams(t *testing.T) {
	late := map[string]func(r *raw){
		"WINDOW_UPDATE": func(r *raw) { r.WriteWindowUpdate(1, 100) },
		"RST_STREAM":    func(r *raw) { r.WriteRSTStream(3, http2.ErrCodeCancel) },
		"PRIORITY":      func(r *raw) { r.WritePriority(1, http2.PriorityParam{StreamDep: 3}) },
	}
	for name, send := range late {
		t.Run(name, func(t *testing.T) {
			r := newRaw(t, hostConfig{})
			r.request(1)
			r.request(3)
			r.parked()
			runs := r.runs.Load()
			send(r) // while parked
			r.ping()
			if r.runs.Load() != runs {
				t.Error("woke a server")
			}
			r.parked()
			r.hold.on = true
			r.headers(5, true)
			send(r) // after a wake
			r.hold.release()
			r.answer(5)
			send(r)
			r.ping()
		})
	}
}

// The server still answers content that nobody wants any more, and returns its
// window.
func TestLateDataOfAnOldStream(t *testing.T) {
	r := newRaw(t, hostConfig{})
	r.request(1)
	r.parked()
	r.WriteData(1, false, make([]byte, 5000))
	r.window -= 5000
	for reset := false; !reset || r.window != 1<<20; {
		switch f := r.read().(type) {
		case *http2.RSTStreamFrame:
			reset = f.StreamID == 1 && f.ErrCode == http2.ErrCodeStreamClosed
		case *http2.WindowUpdateFrame:
			r.window += int64(f.Increment)
		default:
			t.Fatalf("late DATA is answered by %v", f)
		}
	}
	r.parked()
	r.request(3)
}

// A stream's id is not used twice, whichever server has seen it.
func TestOldStreamsStayOld(t *testing.T) {
	r := newRaw(t, hostConfig{})
	r.request(7)
	r.parked()
	r.headers(5, true)
	if last, code := r.over(); last != 7 || code != http2.ErrCodeProtocol {
		t.Errorf("GOAWAY names stream %d, %v", last, code)
	}
}

// Rule 5: part of a frame that has come keeps a server.
func TestFramesInPartsAreWhole(t *testing.T) {
	each(t, func(t *testing.T, secured bool) {
		for at := 1; at < 30; at += 4 {
			r := newRaw(t, hostConfig{tls: secured})
			r.parked()
			r.hold.on = true
			r.WritePing(false, [8]byte{7})
			r.headers(1, true)
			if secured { // in parts of the record
				all := append([]byte(nil), r.hold.kept.Bytes()...)
				r.hold.kept.Reset()
				r.hold.kept.Write(all[:at])
				r.hold.release()
				pause(5 * time.Millisecond)
				r.hold.Conn.Write(all[at:])
			} else {
				all := append([]byte(nil), r.hold.kept.Bytes()...)
				r.hold.kept.Reset()
				r.hold.kept.Write(all[:at])
				r.hold.release()
				pause(5 * time.Millisecond)
				if at%17 != 0 && r.host.gov.Parked() != 0 {
					t.Errorf("parked with %d bytes of a frame", at)
				}
				r.hold.Conn.Write(all[at:])
			}
			if f, ok := r.read().(*http2.PingFrame); !ok || !f.IsAck() {
				t.Fatalf("in parts at %d: %v", at, f)
			}
			r.answer(1)
		}
	})
}

// Rule 5: what the server owes is written before it goes.
func TestPingsAreAnsweredWhateverHappens(t *testing.T) {
	each(t, func(t *testing.T, secured bool) {
		r := newRaw(t, hostConfig{tls: secured})
		for i := range 300 {
			r.ping()
			pause(time.Duration(i%30) * 100 * time.Microsecond)
		}
	})
}

// Rule 6.
func TestControlFramesTakeNoServer(t *testing.T) {
	each(t, func(t *testing.T, secured bool) {
		r := newRaw(t, hostConfig{tls: secured})
		r.request(1)
		r.parked()
		runs := r.runs.Load()
		for range 5 {
			r.ping()
			r.WriteSettings(http2.Setting{ID: http2.SettingMaxFrameSize, Val: 1 << 15})
			if f, ok := r.read().(*http2.SettingsFrame); !ok || !f.IsAck() {
				t.Fatalf("SETTINGS are answered by %v", f)
			}
			r.WriteWindowUpdate(0, 1)
			r.WriteRawFrame(0xbe, 0, 99, []byte("of a kind that nobody knows"))
			r.parked()
		}
		if r.runs.Load() != runs {
			t.Error("a server was woken")
		}
		r.request(3)
	})
}

// Records that crypto/tls has read with the first are not forgotten.
func TestRecordsInOneSegment(t *testing.T) {
	r := newRaw(t, hostConfig{tls: true})
	for i := range 20 {
		r.parked()
		r.hold.on = true
		for j := range 3 {
			r.WritePing(false, [8]byte{byte(j)})
		}
		if i%2 == 1 {
			r.headers(uint32(i), true)
		}
		r.hold.release()
		for j := range 3 {
			if f, ok := r.read().(*http2.PingFrame); !ok || f.Data != [8]byte{byte(j)} {
				t.Fatalf("PING %d is answered by %v", j, f)
			}
		}
		if i%2 == 1 {
			r.answer(uint32(i))
		}
	}
}

// More control frames than a client in earnest sends take a server, which
// knows how to defend itself.
func TestFloodTakesAServer(t *testing.T) {
	r := newRaw(t, hostConfig{})
	r.parked()
	runs := r.runs.Load()
	r.hold.on = true
	for range 5 * maxControlRate {
		r.WritePing(false, [8]byte{})
	}
	r.hold.release()
	for range 5 * maxControlRate {
		if f, ok := r.read().(*http2.PingFrame); !ok || !f.IsAck() {
			t.Fatalf("a PING is answered by %v", f)
		}
	}
	if n := r.runs.Load() - runs; n != 1 {
		t.Errorf("%d servers were woken, want 1", n)
	}
	r.parked()
}

// What is wrong is judged by the server, as if there were no parking.
func TestWrongFramesAreJudgedByTheServer(t *testing.T) {
	for name, x := range map[string]struct {
		send func(*raw)
		code http2.ErrCode
	}{
		"long PING":        {func(r *raw) { r.WriteRawFrame(framePing, 0, 0, make([]byte, 9)) }, http2.ErrCodeFrameSize},
		"PING on a stream": {func(r *raw) { r.WriteRawFrame(framePing, 0, 3, make([]byte, 8)) }, http2.ErrCodeProtocol},
		"no increment":     {func(r *raw) { r.WriteRawFrame(frameWindowUpdate, 0, 0, make([]byte, 4)) }, http2.ErrCodeProtocol},
		"window overflow":  {func(r *raw) { r.WriteWindowUpdate(0, maxWindow) }, http2.ErrCodeFlowControl},
		"wrong setting":    {func(r *raw) { r.WriteSettings(http2.Setting{ID: http2.SettingEnablePush, Val: 2}) }, http2.ErrCodeProtocol},
		"mystery ACK":      {func(r *raw) { r.WriteSettingsAck() }, http2.ErrCodeProtocol},
		"idle stream":      {func(r *raw) { r.WriteRSTStream(9, 0) }, http2.ErrCodeProtocol},
		"large frame":      {func(r *raw) { r.WriteRawFrame(0xbe, 0, 0, make([]byte, maxFrame+1)) }, http2.ErrCodeFrameSize},
		"PUSH_PROMISE":     {func(r *raw) { r.WriteRawFrame(framePushPromise, 4, 1, make([]byte, 4)) }, http2.ErrCodeProtocol},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRaw(t, hostConfig{})
			r.request(3)
			r.parked()
			x.send(r)
			if last, code := r.over(); last < 3 || code != x.code {
				t.Errorf("GOAWAY(%d, %v), want %v", last, code, x.code)
			}
		})
	}
}

func TestPolicyEndsAParkedSession(t *testing.T) {
	each(t, func(t *testing.T, secured bool) {
		r := newRaw(t, hostConfig{tls: secured, idle: 200 * time.Millisecond})
		r.request(5)
		r.parked()
		if last, code := r.over(); last != 5 || code != http2.ErrCodeNo {
			t.Errorf("GOAWAY(%d, %v)", last, code)
		}
		poll(t, "nothing is left", func() bool { return r.host.gov.Open() == 0 && r.host.gov.Parked() == 0 })
	})
}

func TestPeerLeavesAParkedSession(t *testing.T) {
	each(t, func(t *testing.T, secured bool) {
		r := newRaw(t, hostConfig{tls: secured})
		r.parked()
		r.nc.Close()
		poll(t, "nothing is left", func() bool { return r.host.gov.Open() == 0 && r.host.gov.Parked() == 0 })
	})
}

func TestDrainSaysGoodByeToTheParked(t *testing.T) {
	each(t, func(t *testing.T, secured bool) {
		h := newHost(t, hostConfig{tls: secured})
		var all []*raw
		for range 50 {
			r := greet(t, h)
			r.WriteSettingsAck()
			r.request(1)
			all = append(all, r)
		}
		h.parked(t, len(all))
		if left := h.gov.Drain(t.Context()); left != 0 {
			t.Fatalf("%d left", left)
		}
		for _, r := range all {
			if last, code := r.over(); last != 1 || code != http2.ErrCodeNo {
				t.Fatalf("GOAWAY(%d, %v)", last, code)
			}
		}
	})
}

// A parked session that nobody may begin a goroutine for is closed.
func TestNothingBeginsAfterTheEnd(t *testing.T) {
	h := newHost(t, hostConfig{})
	r := greet(t, h)
	r.WriteSettingsAck()
	r.parked()
	h.over.Store(true)
	r.WritePing(false, [8]byte{})
	if f, err := r.ReadFrame(); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("read %v, %v", f, err)
	}
}

// Requests race the end of a session that falls asleep and wakes: each is
// answered, or the GOAWAY says that it was not looked at.
func TestEndRacesRequests(t *testing.T) {
	h := newHost(t, hostConfig{idle: 80 * time.Millisecond, linger: 100 * time.Millisecond})
	var served, refused atomic.Int32
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := range 25 {
				r, err := tryGreet(t, h)
				if err != nil {
					continue // it has idled for too long while it waited for its turn
				}
				r.WriteSettingsAck()
				pause(78*time.Millisecond + time.Duration(i*8+w)*20*time.Microsecond)
				r.headers(1, true)
				answered, last := r.outcome()
				switch {
				case answered && last >= 1:
					served.Add(1)
				case !answered && last == 0:
					refused.Add(1)
				default:
					t.Errorf("answered %t, but GOAWAY names stream %d", answered, last)
				}
				r.nc.Close()
			}
		})
	}
	wg.Wait()
	if served.Load() == 0 || refused.Load() == 0 {
		t.Logf("no race: %d served, %d refused", served.Load(), refused.Load())
	}
}

// outcome reads until stream 1 is answered or the connection ends; last is
// what the last GOAWAY names, or a higher number than any.
func (r *raw) outcome() (answered bool, last uint32) {
	for last = lastStream; !answered; {
		f, err := r.ReadFrame()
		if err != nil {
			break
		}
		switch f := f.(type) {
		case *http2.GoAwayFrame:
			last = f.LastStreamID
		case *http2.DataFrame:
			answered = f.StreamEnded()
		case *http2.MetaHeadersFrame:
			answered = f.StreamEnded()
		}
	}
	return answered, last
}

// A handler that answers before it has read everything leaves content on its
// way to nobody.
func TestEarlyAnswersAcrossParks(t *testing.T) {
	each(t, func(t *testing.T, secured bool) {
		h := newHost(t, hostConfig{tls: secured, handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, "no, thank you")
		})})
		c := h.client(t)
		for range 20 {
			resp, err := c.Post(h.url(), "text/plain", io.LimitReader(zeros{}, 300_000))
			if err != nil {
				t.Fatal(err)
			}
			io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			h.parked(t, 1)
		}
		if n := h.gov.Open(); n != 1 {
			t.Errorf("%d connections", n)
		}
	})
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// A parked session has no goroutine.
func TestParkedSessionsHaveNoGoroutine(t *testing.T) {
	h := newHost(t, hostConfig{})
	before := runtime.NumGoroutine()
	const many = 100
	for range many {
		r := greet(t, h)
		r.WriteSettingsAck()
	}
	h.parked(t, many)
	poll(t, "the goroutines are gone", func() bool { return runtime.NumGoroutine() <= before+3 })
}
