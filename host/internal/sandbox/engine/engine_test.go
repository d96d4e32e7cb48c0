package engine

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"idlehost/host/internal/policy"
	"idlehost/host/internal/sandbox/wasmtest"
	"idlehost/sdk/abi"
)

// journal collects what reaches Config.Log.
type journal struct {
	mu    sync.Mutex // guards the following field
	lines []string
}

func (j *journal) log(module string, level int, msg string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, string(rune('0'+level))+" "+module+" "+msg)
}

func (j *journal) text() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Join(j.lines, "\n")
}

func newEngine(t testing.TB, cfg Config) *Engine {
	t.Helper()
	e, err := New(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return e
}

// source is a policy without parameters.
func source(wasm []byte) Source { return Source{Name: "guest", Wasm: wasm} }

func load(t testing.TB, e *Engine, src Source) *Policy {
	t.Helper()
	p, err := e.Load(context.Background(), src)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// loadGuest loads a guest into an engine of its own.
func loadGuest(t testing.TB, m wasmtest.Module) *Policy {
	t.Helper()
	return load(t, newEngine(t, Config{}), source(m.Bytes()))
}

// at returns a question at ms after some beginning.
func at(kind abi.Kind, ms uint64) *policy.Ask {
	return &policy.Ask{Event: policy.Event{Kind: uint8(kind), NowMs: 1_700_000_000_000 + ms}}
}

func wantFault(t *testing.T, what string, got, want policy.Fault) {
	t.Helper()
	if got != want {
		t.Fatalf("%s: fault is %v, should be %v", what, got, want)
	}
}

func TestDecideReturnsTheVerdict(t *testing.T) {
	p := loadGuest(t, wasmtest.Guest(
		wasmtest.Returns("on_accept", abi.Verdict(abi.ActionExtend, 1500, abi.FlagLog, 77)),
		wasmtest.Returns("on_timeout", abi.Verdict(abi.ActionClose, 0, 0, 32767)),
	))
	v, fault := p.Decide(at(abi.KindAccept, 0))
	wantFault(t, "accept", fault, policy.FaultNone)
	if want := (policy.Verdict{Action: abi.ActionExtend, Deadline: 1500 * time.Millisecond, Log: true, Reason: 77, Source: policy.SourcePolicy}); v != want {
		t.Errorf("accept: got %+v, want %+v", v, want)
	}
	v, fault = p.Decide(at(abi.KindTimeout, 0))
	wantFault(t, "timeout", fault, policy.FaultNone)
	if want := (policy.Verdict{Action: abi.ActionClose, Reason: 32767, Source: policy.SourcePolicy}); v != want {
		t.Errorf("timeout: got %+v, want %+v", v, want)
	}
	if v, fault = p.Decide(at(abi.KindClose, 0)); fault != policy.FaultNone || v != (policy.Verdict{}) {
		t.Errorf("close without on_close: got %+v, %v", v, fault)
	}
	if _, fault = p.Decide(at(99, 0)); fault != policy.FaultOutput {
		t.Errorf("unknown kind: fault is %v", fault)
	}
	if s := p.Stats(); s.Calls != 2 || s.Instances != 1 || s.MemoryBytes != pageBytes {
		t.Errorf("stats are %+v, want 2 calls of 1 instance with %d bytes", s, pageBytes)
	}
}

func TestClosedAnswersNotLoaded(t *testing.T) {
	e := newEngine(t, Config{})
	p := load(t, e, source(wasmtest.Guest().Bytes()))
	q := load(t, e, source(wasmtest.Guest().Bytes()))
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if err := p.Close(); err != nil {
		t.Fatalf("second close: %v", err)
	}
	_, fault := p.Decide(at(abi.KindAccept, 0))
	wantFault(t, "after Policy.Close", fault, policy.FaultNotLoaded)
	_, fault = q.Decide(at(abi.KindAccept, 0))
	wantFault(t, "the other policy of equal bytes", fault, policy.FaultNone)
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	_, fault = q.Decide(at(abi.KindAccept, 0))
	wantFault(t, "after Engine.Close", fault, policy.FaultNotLoaded)
	if _, err := e.Load(context.Background(), source(wasmtest.Guest().Bytes())); !errors.Is(err, ErrClosed) {
		t.Errorf("load after close: %v", err)
	}
}

func TestLoadHonoursItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := newEngine(t, Config{}).Load(ctx, source(wasmtest.Guest().Bytes())); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if _, err := New(ctx, Config{}); !errors.Is(err, context.Canceled) {
		t.Errorf("New: got %v", err)
	}
}
