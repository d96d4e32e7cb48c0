package control

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"idlehost/host/internal/policy"
	"idlehost/host/internal/sandbox/engine"
)

// prepared is a policy of no use but to be sent. lent: its code is on loan.
func prepared(t testing.TB, lent bool) *engine.Prepared {
	t.Helper()
	p := &engine.Prepared{
		Name: "guest", Params: []byte("a=b\n"), MemoryPages: 16,
		Metered: &engine.Metered{Digest: [32]byte{1, 2, 3}, Wasm: []byte("metered"), Exports: 7, Types: 4, Pages: 2, Grows: true},
	}
	if lent {
		lend(t, p)
	}
	return p
}

// lend has an engine put p on loan.
func lend(t testing.TB, p *engine.Prepared) {
	t.Helper()
	e, err := engine.New(t.Context(), engine.Config{Compiler: lender(t.TempDir())})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if err := e.Do(t.Context(), engine.Source{}, func(j *engine.Job) error { return j.Lend(p) }); err != nil {
		t.Fatal(err)
	}
}

// lender is a compiler that does nothing.
type lender string

func (l lender) Dir() string { return string(l) }
func (lender) Compile(context.Context, string, []byte, uint64) (func(), time.Duration, error) {
	return func() {}, 0, nil
}

// pipe connects a host, which notes what is logged, with what stands for a worker.
func pipe(t testing.TB) (*Host, net.Conn, *[]string) {
	t.Helper()
	a, b := net.Pipe()
	lines := new([]string)
	h := NewHost(a, func(n uint32, level int, msg string) { *lines = append(*lines, fmt.Sprint(n, " ", level, " ", msg)) })
	t.Cleanup(func() { _ = h.Close() })
	return h, b, lines
}

// serve answers as a worker does, until the host has gone.
func serve(w *Worker, answer func(Request)) {
	defer w.Close()
	for {
		r, err := w.Next()
		if err != nil {
			return
		}
		answer(r)
	}
}

var learned = engine.State{Format: 9, Bytes: []byte("what it has learned")}

var loaded = Loaded{
	Profile:     engine.Profile{ABIVersion: 1, BufferBytes: 512, StateBytes: 19, StateFormat: 9, FuelInit: 5, FuelConfigure: 6},
	MemoryBytes: 2 << 16, Restored: true, Fuel: 11, Time: 12 * time.Millisecond,
}

// TestRequestsAndAnswersCross whole.
func TestRequestsAndAnswersCross(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, conn, lines := pipe(t)
		var got []Request
		w := NewWorker(conn)
		go serve(w, func(r Request) {
			got = append(got, r)
			switch {
			case r.Load != nil:
				w.Line(r.Guest, 1, "hello\x1b")
				w.Loaded(r, loaded, nil)
			case r.State:
				w.State(r, learned, r.Guest == 3)
			}
		})
		p := prepared(t, true)
		l, err := h.Load(t.Context(), 3, p, learned)
		if err != nil || l != loaded {
			t.Errorf("loaded %+v, %v", l, err)
		}
		if s, err := h.State(t.Context(), 3); err != nil || !reflect.DeepEqual(s, learned) {
			t.Errorf("state %+v, %v", s, err)
		}
		if _, err := h.State(t.Context(), 4); !errors.Is(err, errNoGuest) {
			t.Errorf("state of nobody: %v", err)
		}
		if err := h.Unload(3); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if len(got) != 4 || got[0].Guest != 3 || !reflect.DeepEqual(got[0].Learned, learned) || !got[3].Unload || got[3].Guest != 3 {
			t.Fatalf("requests %+v", got)
		}
		p.Release()
		if g := got[0].Load; g.Name != p.Name || !bytes.Equal(g.Params, p.Params) || g.MemoryPages != p.MemoryPages || !reflect.DeepEqual(g.Metered, p.Metered) {
			t.Errorf("sent %+v, received %+v", p, g)
		}
		if want := []string{"3 1 hello?"}; !reflect.DeepEqual(*lines, want) {
			t.Errorf("lines %q", *lines)
		}
		if h.Err() != nil {
			t.Error(h.Err())
		}
	})
}

// TestWorkerTellsWhatItLacksAndFaults of guests that are there.
func TestWorkerTellsWhatItLacksAndFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, conn, _ := pipe(t)
		w := NewWorker(conn)
		go serve(w, func(r Request) { w.Loaded(r, loaded, nil) })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := h.Ready(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("before it is ready: %v", err)
		}
		w.Ready("seccomp is missing")
		if lacks, err := h.Ready(t.Context()); err != nil || lacks != "seccomp is missing" {
			t.Errorf("lacks %q, %v", lacks, err)
		}
		if _, err := h.Load(t.Context(), 1, prepared(t, true), engine.State{}); err != nil {
			t.Error(err)
		}
		if err := h.GuestErr(1); err != nil {
			t.Errorf("before a fault: %v", err)
		}
		for _, n := range []uint32{1, 2} {
			w.Fault(n, &engine.FaultError{Policy: "x", Step: "on_timeout", Fault: policy.FaultTrap, Err: errors.New("unreachable")})
		}
		synctest.Wait()
		var fault *engine.FaultError
		if !errors.As(h.GuestErr(1), &fault) || fault.Error() != `policy "guest": on_timeout: unreachable` || fault.Fault != policy.FaultTrap {
			t.Errorf("fault is %v", h.GuestErr(1))
		}
		if err := h.GuestErr(2); err != nil {
			t.Errorf("of nobody: %v", err)
		}
	})
}

// TestCodeIsSentWhereItIsNotThere, and there only.
func TestCodeIsSentWhereItIsNotThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, conn, _ := pipe(t)
		w := NewWorker(conn)
		var sent []bool
		go serve(w, func(r Request) {
			if r.Load != nil {
				sent = append(sent, len(r.Load.Metered.Wasm) > 0)
				w.Loaded(r, loaded, nil)
			}
		})
		load := func(n uint32, p *engine.Prepared) error {
			_, err := h.Load(t.Context(), n, p, engine.State{})
			return err
		}
		bare, lent := prepared(t, false), prepared(t, true)
		var fault *engine.FaultError
		if err := load(1, bare); !errors.Is(err, engine.ErrNoCode) || !errors.As(err, &fault) || fault.Fault != policy.FaultBusy {
			t.Errorf("without code: %v", err)
		}
		for n, p := range []*engine.Prepared{lent, bare, lent} {
			if err := load(uint32(n)+2, p); err != nil {
				t.Error(err)
			}
		}
		for n := range uint32(3) {
			_ = h.Unload(n + 2)
		}
		if err := load(9, bare); !errors.Is(err, engine.ErrNoCode) {
			t.Errorf("after the last is unloaded: %v", err)
		}
		if err := load(10, lent); err != nil {
			t.Error(err)
		}
		if want := []bool{true, false, false, true}; !reflect.DeepEqual(sent, want) {
			t.Errorf("sent %v", sent)
		}
	})
}

// TestFailedLoadIsAFaultError with what it stands for.
func TestFailedLoadIsAFaultError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for want, err := range map[error]error{
			engine.ErrParams: &engine.FaultError{Policy: "x", Step: "configure", Fault: policy.FaultConfigure, Err: fmt.Errorf("%w with code 3: no\nroom", engine.ErrParams)},
			engine.ErrNoCode: &engine.FaultError{Policy: "x", Step: "configure", Fault: policy.FaultConfigure, Err: engine.ErrNoCode},
			nil:              errors.New("closed"),
		} {
			h, conn, _ := pipe(t)
			w := NewWorker(conn)
			go serve(w, func(r Request) { w.Loaded(r, loaded, err) })
			l, got := h.Load(t.Context(), 1, prepared(t, true), engine.State{})
			var fault *engine.FaultError
			if !errors.As(got, &fault) || fault.Policy != "guest" {
				t.Fatalf("error is %v", got)
			}
			if want != nil && (!errors.Is(got, want) || fault.Step != "configure" || fault.Fault != policy.FaultConfigure) {
				t.Errorf("error is %v", got)
			}
			if want == nil && (fault.Fault != policy.FaultBusy || errors.Is(got, engine.ErrParams) || errors.Is(got, engine.ErrNoCode)) {
				t.Errorf("error is %v", got)
			}
			if l != (Loaded{Time: loaded.Time}) {
				t.Errorf("loaded %+v", l)
			}
			if _, err := h.Load(t.Context(), 1, prepared(t, false), engine.State{}); !errors.Is(err, engine.ErrNoCode) {
				t.Errorf("a failed load leaves a guest: %v", err)
			}
			_ = h.Close()
		}
	})
}

// TestAbandonedLoadIsUnloaded when it is there, and its place is free then only.
func TestAbandonedLoadIsUnloaded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, conn, _ := pipe(t)
		w := NewWorker(conn)
		requests := make(chan Request, 10)
		go serve(w, func(r Request) { requests <- r })
		p := prepared(t, true)
		for n := range uint32(loadsAtOnce) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			if _, err := h.Load(ctx, n, p, engine.State{}); !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
			cancel()
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := h.Load(ctx, 7, p, engine.State{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a third load: %v", err)
		}
		synctest.Wait()
		if len(requests) != 2*loadsAtOnce {
			t.Fatalf("%d requests", len(requests))
		}
		for range loadsAtOnce {
			load, unload := <-requests, <-requests
			if load.Load == nil || !unload.Unload || unload.Guest != load.Guest {
				t.Errorf("requests %+v, %+v", load, unload)
			}
			w.Loaded(load, loaded, nil)
		}
		synctest.Wait()
		if len(h.codes) != 0 || len(h.guests) != 0 || len(h.open) != 0 || len(h.loading) != 0 {
			t.Errorf("left: %v, %v, %v, %d", h.codes, h.guests, h.open, len(h.loading))
		}
	})
}

// TestNonsenseEndsTheWorker, with what it was.
func TestNonsenseEndsTheWorker(t *testing.T) {
	state := func(n int) []byte {
		return finish(putState(putBool(put32(newFrame(kindState), 1), true), engine.State{Bytes: make([]byte, n)}))
	}
	answer := func(change func(*Loaded)) []byte {
		l := loaded
		change(&l)
		return finish(putLoaded(append(put32(newFrame(kindLoaded), 2), 0), l))
	}
	failed := func(fault, flags byte) []byte {
		return finish(putLoaded(putBytes(putBytes(append(put32(newFrame(kindLoaded), 2), fault, flags), "s"), "t"), loaded))
	}
	line := func(level byte) []byte {
		return finish(putBytes(append(put32(newFrame(kindLine), 5), level), "x"))
	}
	ready := finish(putBytes(newFrame(kindReady), "x"))
	for name, tc := range map[string]struct {
		says []byte
		want string
	}{
		"end":             {nil, "has ended"},
		"cut length":      {[]byte{1, 0}, "unexpected EOF"},
		"cut kind":        {[]byte{1, 0, 0, 0}, "unexpected EOF"},
		"cut frame":       {[]byte{9, 0, 0, 0, 3, 1}, "unexpected EOF"},
		"empty frame":     {[]byte{0, 0, 0, 0}, "frame of 0 bytes"},
		"huge frame":      {[]byte{255, 255, 255, 255}, "frame of 4294967295 bytes"},
		"kind":            {finish(newFrame(9)), "frame of kind 9"},
		"load":            {finish(newFrame(kindLoad)), "frame of kind 1"},
		"other answer":    {finish(put32(newFrame(kindLoaded), 1)), "answers 1, which nobody asks"},
		"no answer":       {finish(put32(newFrame(kindState), 8)), "answers 8, which nobody asks"},
		"state":           {state(engine.MaxState + 1), "learned state of 65537 bytes"},
		"longer state":    {finish(append(state(3), 1)), "length of learned state"},
		"bool":            {finish(putState(append(put32(newFrame(kindState), 1), 2), learned)), "length of learned state"},
		"version":         {answer(func(l *Loaded) { l.Profile.ABIVersion = 99 }), "profile"},
		"buffer":          {answer(func(l *Loaded) { l.Profile.BufferBytes = 1 << 20 }), "profile"},
		"state bytes":     {answer(func(l *Loaded) { l.Profile.StateBytes = 1 << 20 }), "profile"},
		"fuel":            {answer(func(l *Loaded) { l.Fuel = 1 << 60 }), "fuel of a load"},
		"fuel of start":   {answer(func(l *Loaded) { l.Profile.FuelInit = 1 << 60 }), "fuel of a load"},
		"memory":          {answer(func(l *Loaded) { l.MemoryBytes = 17 << 16 }), "1114112 bytes of memory"},
		"time":            {answer(func(l *Loaded) { l.Time = -1 }), "processor time of a load"},
		"length of load":  {finish(append(answer(func(*Loaded) {}), 0)), "length of an answer"},
		"fault":           {failed(200, 0), "fault 200"},
		"flags of error":  {failed(3, 8), "flags 0x8"},
		"level of a line": {line(4), "line of level 4"},
		"no fault":        {finish(append(put32(newFrame(kindFault), 5), 0)), "no fault of guest 5"},
		"long fault":      {finish(append(putError(put32(newFrame(kindFault), 5), io.EOF), 0)), "no fault of guest 5"},
		"ready twice":     {slices.Concat(ready, ready), "ready twice"},
		"ready":           {finish(append(putBytes(newFrame(kindReady), "x"), 0)), "length of what it lacks"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h, conn, _ := pipe(t)
				ended := make(chan error, 2)
				go func() {
					_, err := h.State(t.Context(), 5)
					ended <- err
				}()
				in := newReader(conn, maxRequest)
				_, _, _ = in.next(true)
				p := prepared(t, true)
				go func() {
					_, err := h.Load(t.Context(), 5, p, learned)
					ended <- err
				}()
				_, _, _ = in.next(true)
				_, _ = conn.Write(tc.says)
				synctest.Wait()
				if name == "end" || strings.HasPrefix(name, "cut") {
					_ = conn.Close()
				}
				for range 2 {
					if err := <-ended; !errors.Is(err, ErrGone) {
						t.Errorf("a call ends with %v", err)
					}
				}
				<-h.Gone()
				if err := h.Err(); err == nil || !strings.Contains(err.Error(), tc.want) {
					t.Errorf("gone because of %v, want %q", err, tc.want)
				}
				if _, err := conn.Write([]byte{0}); !errors.Is(err, io.ErrClosedPipe) {
					t.Errorf("the connection is open: %v", err)
				}
				if _, err := h.Load(t.Context(), 6, p, learned); !errors.Is(err, ErrGone) {
					t.Errorf("a load: %v", err)
				}
				if _, err := h.State(t.Context(), 6); !errors.Is(err, ErrGone) {
					t.Errorf("state: %v", err)
				}
			})
		})
	}
}

// TestWorkerThatDoesNotReadIsGone after two seconds.
func TestWorkerThatDoesNotReadIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, conn, _ := pipe(t)
		defer conn.Close()
		began := time.Now()
		_, err := h.Load(t.Context(), 1, prepared(t, true), engine.State{})
		if !errors.Is(err, ErrGone) || time.Since(began) != writeWait {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		<-h.Gone()
		if len(h.loading) != 0 {
			t.Error("its place is taken")
		}
	})
}

// TestLinesAreBounded by the host's clock, for each guest.
func TestLinesAreBounded(t *testing.T) {
	var r lineRate
	now := time.Unix(1000, 0)
	for n := range lineBurst {
		if ok, _ := r.pass(now); !ok {
			t.Fatalf("line %d does not pass", n)
		}
	}
	for range 3 {
		if ok, _ := r.pass(now.Add(lineEvery - 1)); ok {
			t.Fatal("a line too many passes")
		}
	}
	if ok, dropped := r.pass(now.Add(lineEvery)); !ok || dropped != 3 {
		t.Errorf("passes %v, %d dropped", ok, dropped)
	}
	if ok, dropped := r.pass(now.Add(time.Hour)); !ok || dropped != 0 {
		t.Errorf("passes %v, %d dropped", ok, dropped)
	}
}

// TestFloodOfLinesEndsTheWorker, of guests that are there, and of those that are not.
func TestFloodOfLinesEndsTheWorker(t *testing.T) {
	for _, there := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			h, conn, lines := pipe(t)
			n := uint32(1)
			if there {
				go func() { _, _ = h.Load(t.Context(), 1, prepared(t, true), learned) }()
				_, _, _ = newReader(conn, maxRequest).next(true)
			}
			frame := finish(putBytes(append(put32(newFrame(kindLine), n), 1), "x"))
			sent := 0
			for ; sent < 3*mostDropped; sent++ {
				if _, err := conn.Write(frame); err != nil {
					break
				}
			}
			<-h.Gone()
			if err := h.Err(); !errors.Is(err, ErrNonsense) || !strings.Contains(err.Error(), "lines") {
				t.Errorf("after %d lines: %v", sent, err)
			}
			if want := map[bool]int{true: lineBurst}[there]; len(*lines) != want {
				t.Errorf("%d lines are logged, want %d", len(*lines), want)
			}
		})
	}
}

// TestLinesOfGuestsThatHaveGone are no nonsense, however many there are in the long
// run.
func TestLinesOfGuestsThatHaveGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, conn, _ := pipe(t)
		frame := finish(putBytes(append(put32(newFrame(kindLine), 1), 1), "x"))
		for range 3 * mostDropped {
			if _, err := conn.Write(frame); err != nil {
				t.Fatalf("%v: %v", err, h.Err())
			}
			time.Sleep(lineEvery / 2)
		}
	})
}

// TestWorkerDropsLinesThatNobodyReads, says so, and loses no answer.
func TestWorkerDropsLinesThatNobodyReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		w := NewWorker(b)
		w.Line(1, 0, "x")
		synctest.Wait() // it is being written
		for range 2*queued - 1 {
			w.Line(1, 0, "x")
		}
		go w.State(Request{id: 4}, learned, true)
		synctest.Wait()
		in := newReader(a, maxReply)
		counts := map[kind]int{}
		for range queued + 2 { // what is queued, one that is being written, and the answer
			k, _, err := in.next(true)
			if err != nil {
				t.Fatal(err)
			}
			counts[k]++
		}
		if counts[kindState] != 1 {
			t.Errorf("frames %v", counts)
		}
		go w.Line(1, 0, "y")
		_, f, err := in.next(true)
		if f.u32(); err != nil || f.u8() != 2 || string(f.bytes()) != fmt.Sprint(queued-1, " lines of this worker dropped") {
			t.Errorf("%v, %q", err, f.rest)
		}
		if _, f, err = in.next(true); err != nil || !bytes.HasSuffix(f.rest, []byte("y")) {
			t.Errorf("%v, %q", err, f.rest)
		}
		_ = a.Close()
		if _, err := w.Next(); !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrClosedPipe) {
			t.Error(err)
		}
		_ = w.Close()
		w.Line(1, 0, "z") // nobody panics
	})
}

// TestWorkerEndsOfNonsense: it does not guess.
func TestWorkerEndsOfNonsense(t *testing.T) {
	for _, frame := range [][]byte{finish(newFrame(kindLoaded)), finish(newFrame(kindUnload)), finish(append(put32(newFrame(kindUnload), 1), 1)), {0, 0, 0, 0}} {
		w := &Worker{in: newReader(bytes.NewReader(frame), maxRequest)}
		if _, err := w.Next(); err == nil || err == io.EOF {
			t.Errorf("% x: %v", frame, err)
		}
	}
}

// replay is a connection on which a worker has said all that it says.
type replay struct{ io.Reader }

func (replay) Write(p []byte) (int, error)      { return len(p), nil }
func (replay) Close() error                     { return nil }
func (replay) SetWriteDeadline(time.Time) error { return nil }

// FuzzHost: whatever a worker says, the host neither panics nor hangs nor logs
// what is no line.
func FuzzHost(f *testing.F) {
	f.Add(finish(putLoaded(append(put32(newFrame(kindLoaded), 1), 0), loaded)))
	f.Add(finish(putState(putBool(put32(newFrame(kindState), 2), true), learned)))
	f.Add(finish(putBytes(append(put32(newFrame(kindLine), 1), 1), "x\n\x00")))
	f.Add(finish(putError(put32(newFrame(kindFault), 1), io.EOF)))
	f.Add(finish(putBytes(newFrame(kindReady), "x")))
	f.Add(finish(putLoaded(putError(put32(newFrame(kindLoaded), 1), engine.ErrParams), loaded)))
	f.Fuzz(func(t *testing.T, says []byte) {
		h := &Host{
			conn: replay{bytes.NewReader(says)}, loading: make(chan struct{}, 1), ready: make(chan struct{}), gone: make(chan struct{}),
			open: map[uint32]*request{}, guests: map[uint32]*guest{}, codes: map[[32]byte]int{},
			log: func(_ uint32, level int, msg string) {
				if level < 0 || level > 3 || len(msg) > 512 || strings.ContainsFunc(msg, func(r rune) bool { return r < ' ' }) {
					t.Errorf("logs %d %q", level, msg)
				}
			},
		}
		h.loading <- struct{}{}
		load := &request{kind: kindLoad, guest: 1, prepared: &engine.Prepared{Name: "guest", MemoryPages: 16, Metered: new(engine.Metered)}, done: make(chan struct{})}
		if _, _, err := h.register(load); err != nil {
			t.Fatal(err)
		}
		state := &request{kind: kindState, guest: 1, done: make(chan struct{})}
		h.addLocked(state)
		h.read()
		<-load.done
		<-state.done
		if len(state.state.Bytes) > engine.MaxState || load.loaded.Time < 0 {
			t.Error("believes a worker")
		}
	})
}

// FuzzWorkerRequest: what the host sends is taken apart as it was put together.
func FuzzWorkerRequest(f *testing.F) {
	f.Add(finish(put32(put32(newFrame(kindState), 1), 2)))
	f.Add(binary.LittleEndian.AppendUint32(nil, 9))
	f.Fuzz(func(t *testing.T, sent []byte) {
		w := &Worker{in: newReader(bytes.NewReader(sent), 1<<16)}
		for {
			if _, err := w.Next(); err != nil {
				return
			}
		}
	})
}
