package check

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"idlehost/host/internal/policy"
	"idlehost/host/internal/sandbox/engine"
	"idlehost/host/internal/sandbox/wasmtest"
	"idlehost/plugins"
	"idlehost/sdk/abi"
)

func run(t *testing.T, in Input) *Report {
	t.Helper()
	if in.Name == "" {
		in.Name = "guest.wasm"
	}
	r, err := Run(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func guest(t *testing.T, funcs ...wasmtest.Func) *Report {
	return run(t, Input{Wasm: wasmtest.Guest(funcs...).Bytes()})
}

func text(t *testing.T, r *Report) string {
	t.Helper()
	var b bytes.Buffer
	if err := r.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func jsonText(t *testing.T, r *Report) string {
	t.Helper()
	var b bytes.Buffer
	if err := r.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestBundledPoliciesAreFine(t *testing.T) {
	for _, name := range plugins.Names() {
		wasm, _ := plugins.Lookup(name)
		r := run(t, Input{Name: name, Wasm: wasm})
		if r.Outcome != OutcomeAccepted || r.Err() != nil {
			t.Errorf("%s: %s: %v", name, r.Outcome, r.Err())
		}
		if r.ABI != (ABI{Policy: 1, Host: 1}) || r.Memory.BufferBytes < 512 || r.Module.MeteredBytes <= r.Module.Bytes {
			t.Errorf("%s: %+v, %+v, %+v: want version 1 of the ABI, a buffer of 512 bytes at least, and a module that metering makes larger", name, r.ABI, r.Memory, r.Module)
		}
		if r.Fuel.Worst == nil || r.Fuel.Percent <= 0 || r.Fuel.Percent > 20 {
			t.Errorf("%s takes %v %% of its budget at worst, want at most 20", name, r.Fuel.Percent)
		}
		if len(r.Answers) == 0 || r.Fuel.Timeout.Calls+r.Fuel.Accept.Calls == 0 {
			t.Errorf("%s: %d answers, fuel %+v: want answers, and calls that are counted", name, len(r.Answers), r.Fuel)
		}
	}
}

// TestTheSameInputGetsTheSameBytes, a policy's that fails included.
func TestTheSameInputGetsTheSameBytes(t *testing.T) {
	adaptive, _ := plugins.Lookup("adaptive")
	for _, wasm := range [][]byte{adaptive, wasmtest.Guest(wasmtest.Hook("on_timeout", wasmtest.Unreachable())).Bytes(), wasmtest.Guest(wasmtest.Hook("on_close", wasmtest.Forever())).Bytes(), nil} {
		a, b := run(t, Input{Wasm: wasm}), run(t, Input{Wasm: wasm})
		if text(t, a) != text(t, b) || jsonText(t, a) != jsonText(t, b) || errors.Is(a.Err(), b.Err()) != (a.Err() == nil) {
			t.Errorf("two reports on %d bytes differ", len(wasm))
		}
	}
}

// TestOnAnEngineThatRuns: the report is the same, and what was compiled for it is
// at hand for who puts the policy in charge.
func TestOnAnEngineThatRuns(t *testing.T) {
	c := &counting{}
	e, err := engine.New(t.Context(), engine.Config{Compiler: c, Log: func(string, int, string) { t.Error("the engine's log is told") }})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	adaptive, _ := plugins.Lookup("adaptive")
	for _, wasm := range [][]byte{adaptive, wasmtest.Guest(wasmtest.Hook("on_timeout", wasmtest.Unreachable())).Bytes(), nil} {
		if a, b := run(t, Input{Wasm: wasm}), run(t, Input{Wasm: wasm, On: e}); jsonText(t, a) != jsonText(t, b) {
			t.Errorf("%s\nand on an engine that runs\n%s", jsonText(t, a), jsonText(t, b))
		}
	}
	before := c.compiled
	p, err := e.Load(t.Context(), engine.Source{Name: "guest", Wasm: adaptive})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if c.compiled != before || before != 2 {
		t.Errorf("compiled %d times, and %d for two reports", c.compiled-before, before)
	}
}

// counting leaves it to the engine to compile.
type counting struct{ compiled int }

func (*counting) Dir() string { return "" }

func (c *counting) Compile(context.Context, string, []byte, uint64) (func(), time.Duration, error) {
	c.compiled++
	return func() {}, 0, nil
}

// overloaded has no means to compile.
type overloaded struct{ fault policy.Fault }

func (overloaded) Dir() string { return "" }

func (o overloaded) Compile(context.Context, string, []byte, uint64) (func(), time.Duration, error) {
	return nil, 0, o
}

func (overloaded) Error() string         { return "took more than 1s of processor time; try again" }
func (o overloaded) Cause() policy.Fault { return o.fault }

// TestUndecided: a host that could not compile a policy says nothing against it.
func TestUndecided(t *testing.T) {
	for _, tt := range []struct {
		fault   policy.Fault
		verdict Outcome
		again   bool
	}{
		{policy.FaultBusy, OutcomeUndecided, true},
		{policy.FaultCompile, OutcomeRefused, false},
		{policy.FaultRefused, OutcomeRefused, false},
	} {
		r := run(t, Input{Wasm: wasmtest.Guest().Bytes(), Engine: engine.Config{Compiler: overloaded{tt.fault}}})
		f := r.Failure
		if r.Outcome != tt.verdict || f == nil || f.Cause != tt.fault.String() || f.Step != "compile" || f.TryAgain() != tt.again {
			t.Fatalf("%v: %s, %+v: want %s at compile, try again %v", tt.fault, r.Outcome, f, tt.verdict, tt.again)
		}
		if strings.Contains(f.Hint(), "try again") != tt.again {
			t.Errorf("%v: hint %q", tt.fault, f.Hint())
		}
	}
}

func TestRefusals(t *testing.T) {
	noise := make([]byte, 4096)
	for i := range noise {
		noise[i] = byte(rand.N(256)) | 1 // whatever they are, the first is no 0
	}
	foreign := wasmtest.Guest()
	foreign.Imports = []wasmtest.Import{{Module: "env", Name: "system"}}
	large := wasmtest.Guest()
	large.Pages = 4000
	// A type section that announces four billion types.
	count := append([]byte("\x00asm\x01\x00\x00\x00"), 1, 5, 0xff, 0xff, 0xff, 0xff, 0x0f)
	for _, tt := range []struct {
		name  string
		wasm  []byte
		rule  string
		limit uint64
		want  string
	}{
		{"nothing", nil, "header", 0, "is not a WebAssembly module"},
		{"noise", noise, "header", 0, "is not a WebAssembly module"},
		{"foreign import", foreign.Bytes(), "import", 0, `imports function "system" from "env"`},
		{"count", count, "truncated", 0, "at offset 0xa"},
		{"memory", large.Bytes(), "memory pages", 128, "the limit is 128"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := run(t, Input{Wasm: tt.wasm})
			if r.Outcome != OutcomeRefused || r.Err() == nil || !strings.Contains(r.Err().Error(), tt.want) {
				t.Fatalf("%s: %v, want %q", r.Outcome, r.Err(), tt.want)
			}
			f := r.Failure
			if f.Step != "gate" || f.Refusal == nil || f.Refusal.Rule != tt.rule || f.Refusal.Limit != tt.limit || f.Hint() == "" {
				t.Errorf("failure %+v, refusal %+v: want rule %q with limit %d at the gate, and a hint", f, f.Refusal, tt.rule, tt.limit)
			}
			if r.Module.Bytes != len(tt.wasm) || len(r.Digest) != 64 || len(r.Answers) != 0 {
				t.Errorf("report is %+v, want size and digest of %d bytes, and no answers", r, len(tt.wasm))
			}
			if s := text(t, r); !strings.Contains(s, `rule "`+tt.rule+`", at offset 0x`) {
				t.Errorf("no rule in\n%s", s)
			}
		})
	}
}

// TestModuleThatDoesNotComeIntoBeing passes the gate, and shows what it is
// made of all the same.
func TestModuleThatDoesNotComeIntoBeing(t *testing.T) {
	one := []byte{wasmtest.I32}
	for _, tt := range []struct {
		name, step, cause string
		verdict           Outcome
		funcs             []wasmtest.Func
	}{
		{"version", "abi_version", "refused", OutcomeRefused, []wasmtest.Func{{Export: "abi_version", Results: one, Body: wasmtest.Const32(9)}}},
		{"start", "_initialize", "out_of_fuel", OutcomeFaulty, []wasmtest.Func{{Export: "_initialize", Body: wasmtest.Forever()}}},
		{"parameters", "configure", "configure", OutcomeFaulty, []wasmtest.Func{
			{Export: "configure_buffer", Params: one, Results: one, Body: wasmtest.Const32(4096)},
			{Export: "configure", Params: one, Results: one, Body: wasmtest.Const32(3)},
		}},
	} {
		r := run(t, Input{Wasm: wasmtest.Guest(tt.funcs...).Bytes(), Params: map[string]string{"a": "b"}})
		if r.Outcome != tt.verdict || r.Failure.Step != tt.step || r.Failure.Cause != tt.cause || r.Failure.Event != nil {
			t.Errorf("%s: %s, %+v: want %s of %s at %s, before any event", tt.name, r.Outcome, r.Failure, tt.verdict, tt.cause, tt.step)
		}
		if len(r.Exports) < 5 || r.Module.MeteredBytes == 0 || r.Module.EffortLimit == 0 {
			t.Errorf("%s: report is %+v, want what the gate tells of the module", tt.name, r)
		}
	}
}

// TestFaultNamesTheQuestion: a policy that fails for one question of many.
func TestFaultNamesTheQuestion(t *testing.T) {
	phaseIs := func(p abi.Phase, then ...[]byte) []byte {
		return wasmtest.Code(wasmtest.Load8(wasmtest.Buffer+abi.EventPhaseOffset), wasmtest.Const32(int32(p)), []byte{0x46}, wasmtest.If(wasmtest.Code(then...)))
	}
	for _, tt := range []struct {
		name, cause, kind, want string
		hook                    wasmtest.Func
	}{
		{"trap", "trap", "timeout", "on_timeout: ", wasmtest.Hook("on_timeout", phaseIs(abi.PhaseTunnel, wasmtest.Unreachable()), wasmtest.Const64(wasmtest.Extend60s))},
		{"loop", "out_of_fuel", "timeout", "on_timeout: out of fuel: used up its 400000 units", wasmtest.Hook("on_timeout", phaseIs(abi.PhaseTunnel, wasmtest.Forever()), wasmtest.Const64(wasmtest.Extend60s))},
		{"output", "bad_output", "accept", "on_accept: bad output", wasmtest.Hook("on_accept", phaseIs(abi.PhaseTunnel, wasmtest.Const64(-1), []byte{0x0f}), wasmtest.Const64(wasmtest.Extend60s))},
		{"close", "trap", "close", "on_close: ", wasmtest.Func{Export: "on_close", Body: phaseIs(abi.PhaseTunnel, wasmtest.Unreachable())}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := guest(t, tt.hook)
			f := r.Failure
			if r.Outcome != OutcomeFaulty || f == nil || f.Cause != tt.cause || f.Event == nil {
				t.Fatalf("%s, %+v: want %s of %s at an event", r.Outcome, f, OutcomeFaulty, tt.cause)
			}
			if f.Event.Phase != "tunnel" || f.Event.Kind != tt.kind || f.Event.Scene != "first visit" {
				t.Errorf("the first question that failed is %v", f.Event)
			}
			failed := 0
			for _, a := range r.Answers {
				switch fails := a.Phase == "tunnel" && a.Kind == tt.kind; {
				case fails && a.Fault == tt.cause:
					failed++
				case fails || a.Fault != "":
					t.Errorf("%v: fault %q", &a, a.Fault)
				}
			}
			if failed == 0 || f.Failed != failed || f.Asked != len(r.Answers) {
				t.Errorf("%d questions failed; told are %d of %d", failed, f.Failed, f.Asked)
			}
			if err := r.Err().Error(); !strings.Contains(err, tt.want) || !strings.Contains(err, "asked about "+tt.kind+" in phase tunnel after ") {
				t.Error(err)
			}
			if s := text(t, r); !strings.Contains(s, tt.cause) {
				t.Errorf("no fault in\n%s", s)
			}
			if tt.cause == "out_of_fuel" && (r.Fuel.Percent != 100 || r.Fuel.Worst.Phase != "tunnel") {
				t.Errorf("worst is %v with %v %%", r.Fuel.Worst, r.Fuel.Percent)
			}
		})
	}
}

func TestReportTellsWhatItIsMadeOf(t *testing.T) {
	m := wasmtest.Guest(
		wasmtest.Func{Export: "_initialize", Body: wasmtest.Code(wasmtest.Const32(1), wasmtest.Drop())},
		wasmtest.Returns("state_region", 64<<32|8192), wasmtest.Returns("state_format", 7),
		wasmtest.Func{Export: "on_close", Body: wasmtest.Code(wasmtest.Const32(1), wasmtest.Drop())},
	)
	m.MaxPages = 3
	m.Imports = []wasmtest.Import{{Module: "idlehost", Name: "log", Params: []byte{wasmtest.I32, wasmtest.I32, wasmtest.I32}}}
	r := run(t, Input{Wasm: m.Bytes()})
	if r.Err() != nil {
		t.Fatal(r.Err())
	}
	if m := r.Memory; m.StateBytes != 64 || m.StateFormat != 7 || *m.MaxPages != 3 || m.LimitPages != 128 || m.BufferBytes != abi.BufferSize || m.Bytes != 65536*uint64(m.MinPages) {
		t.Errorf("memory is %+v, want at most 3 pages of the 128 allowed, a buffer of %d bytes and 64 bytes of state, format 7", m, abi.BufferSize)
	}
	if len(r.Imports) != 1 || r.Imports[0] != (Extern{"idlehost.log", "function", "(i32, i32, i32) -> ()"}) {
		t.Errorf("imports are %+v, want idlehost.log only", r.Imports)
	}
	f := r.Fuel
	if f.Init.Calls != 1 || f.Configure.Calls != 0 || f.Close.Calls == 0 || f.Close.Most >= 1000 || f.Accept.Budget != 400_000 || f.PerSecond != 50_000_000 {
		t.Errorf("fuel is %+v, want 1 call of init, none of configure, less than 1000 units at close, and the default budgets", f)
	}
	s := text(t, r)
	for _, want := range []string{
		"\nmemory     1 to 3 pages of 64 KiB, of at most 128; event buffer 1680 bytes; learned state 64 bytes, format 7\n",
		"\nimports    idlehost.log\n", "\ninit ", "\non_close ", "\nworst: ",
	} {
		if !strings.Contains(s, want) {
			t.Errorf("no %q in\n%s", want, s)
		}
	}
}

func TestJSONIsOneObject(t *testing.T) {
	for _, r := range []*Report{guest(t), guest(t, wasmtest.Hook("on_accept", wasmtest.Unreachable())), run(t, Input{})} {
		d := json.NewDecoder(strings.NewReader(jsonText(t, r)))
		var got map[string]any
		if err := d.Decode(&got); err != nil || d.More() {
			t.Fatalf("%v, more %v", err, d.More())
		}
		for _, key := range []string{"policy", "digest", "verdict", "failure", "abi", "module", "memory", "imports", "exports", "fuel", "answers", "log", "log_dropped"} {
			if _, ok := got[key]; !ok {
				t.Errorf("no %s", key)
			}
		}
		if (got["failure"] == nil) != (got["verdict"] == "accepted") {
			t.Errorf("verdict %v, failure %v", got["verdict"], got["failure"])
		}
	}
}

func TestLogIsKeptWithinBounds(t *testing.T) {
	m := wasmtest.Guest(wasmtest.Hook("on_timeout", wasmtest.Const32(9), wasmtest.Const32(0), wasmtest.Const32(4), wasmtest.Call(0), wasmtest.Const64(wasmtest.Extend60s)))
	m.Imports = []wasmtest.Import{{Module: "idlehost", Name: "log", Params: []byte{wasmtest.I32, wasmtest.I32, wasmtest.I32}}}
	m.Data = []wasmtest.Data{{Offset: 0, Bytes: []byte("a\x1b[b")}}
	r := run(t, Input{Wasm: m.Bytes()})
	if len(r.Log) != maxLog || r.Log[0] != (Line{"error", "a?[b"}) || r.LogDropped != r.Fuel.Timeout.Calls-maxLog {
		t.Errorf("%d lines, first %+v, %d dropped", len(r.Log), r.Log[0], r.LogDropped)
	}
	if s := text(t, r); !strings.Contains(s, "lines more\n") {
		t.Errorf("in text:\n%s", s)
	}
}

// TestNamesAreAnybodys: what a terminal would obey does not reach it.
func TestNamesAreAnybodys(t *testing.T) {
	evil := "x\u009b2J\u202e\x1b]0;me\a😀"
	r := run(t, Input{Name: evil, Wasm: wasmtest.Guest(wasmtest.Func{Export: evil}, wasmtest.Func{Export: strings.Repeat("l", 5000)}).Bytes()})
	s, j := text(t, r), jsonText(t, r)
	for _, c := range s + j {
		if c != '\n' && (c < ' ' || c > '~') {
			t.Fatalf("%q reaches the terminal", c)
		}
	}
	var back Report
	if err := json.Unmarshal([]byte(j), &back); err != nil || back.Policy != evil {
		t.Errorf("JSON gives back %q, %v", back.Policy, err)
	}
	if strings.Contains(s, strings.Repeat("l", 100)) {
		t.Error("a name is not cut")
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if r, err := Run(ctx, Input{Wasm: wasmtest.Guest().Bytes()}); !errors.Is(err, context.Canceled) {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestBudgetsAreThoseOfTheEngine(t *testing.T) {
	r := run(t, Input{Wasm: wasmtest.Guest(wasmtest.Hook("on_accept", wasmtest.Forever(), wasmtest.Const64(0))).Bytes(), Engine: engine.Config{CallFuel: 4000}})
	if r.Failure == nil || r.Failure.Cause != "out_of_fuel" || r.Fuel.Accept.Most != 4000 || r.Fuel.Accept.Percent != 100 {
		t.Errorf("failure %+v, fuel of accept %+v: want out_of_fuel at a budget of 4000 units", r.Failure, r.Fuel.Accept)
	}
}
