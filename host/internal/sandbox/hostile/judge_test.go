package hostile

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"unicode/utf8"

	"idlehost/host/internal/policy"
	"idlehost/host/internal/sandbox/engine"
	"idlehost/host/internal/sandbox/gate"
	"idlehost/sdk/abi"
)

// verdict is what became of a module.
type verdict struct {
	Outcome Outcome
	Rule    string       // of the gate
	Fault   policy.Fault // named by the engine
	Text    string       // the error
	Broken  string       // what the sandbox promises and did not hold; "": nothing
	Forged  string       // what of it would mislead who reads the log
	CPU     int64        // ms that the process spent on it, as far as the platform tells
	Peak    int64        // KiB of memory at most, likewise
}

// judge takes a module through everything, beside a policy of somebody else's
// in the same engine, and says how far it got.
func judge(c engine.Compiler, wasm []byte, params map[string]string) (v verdict) {
	var j journal
	e, err := engine.New(context.Background(), engine.Config{Compiler: c, Log: j.log})
	if err != nil {
		return verdict{Broken: err.Error()}
	}
	neighbour, err := e.Load(context.Background(), engine.Source{Name: "neighbour", Wasm: guest()()})
	if err != nil {
		return verdict{Broken: err.Error()}
	}
	v = run(e, wasm, params)
	if _, fault := neighbour.Decide(question(abi.KindAccept, 0)); fault != policy.FaultNone {
		v.Broken = "the neighbour answers " + fault.String()
	}
	if err := e.Close(); err != nil {
		v.Broken = "engine: " + err.Error()
	}
	if v.Broken == "" {
		v.Broken = j.broken()
	}
	v.Forged = j.forged()
	if v.Broken == "" && strings.ContainsAny(v.Text, "\n\r") || len(v.Text) > 2048 || !utf8.ValidString(v.Text) {
		v.Broken = "the error is no line of text"
	}
	return v
}

func run(e *engine.Engine, wasm []byte, params map[string]string) verdict {
	p, err := e.Load(context.Background(), engine.Source{Name: "attack", Wasm: wasm, Params: params})
	if err != nil {
		return refusal(err)
	}
	return answers(p)
}

// refusal says why a module was not loaded.
func refusal(err error) verdict {
	v := verdict{Outcome: AtInit, Text: err.Error()}
	var r *gate.Refusal
	var f *engine.FaultError
	switch {
	case errors.As(err, &r):
		v.Outcome, v.Rule, v.Fault = Refused, string(r.Rule), policy.FaultRefused
	case errors.As(err, &f):
		v.Fault = f.Fault
		if f.Step == "compile" {
			v.Outcome = NotCompiled
		}
	default:
		v.Broken = "a refusal without a cause: " + err.Error()
	}
	return v
}

// rounds is how often each hook is asked. Two seconds of event time lie
// between the questions, so that each finds an instance and an audit due.
const rounds = 4

func answers(p *engine.Policy) verdict {
	v := verdict{Outcome: Harmless}
	ms := uint64(0)
	for range rounds {
		for _, kind := range []abi.Kind{abi.KindAccept, abi.KindTimeout, abi.KindClose} {
			ms += 40_000
			_, fault := p.Decide(question(kind, ms))
			if fault != policy.FaultNone && fault != policy.FaultBreaker && v.Fault == policy.FaultNone {
				v.Outcome, v.Fault, v.Text = AtCall, fault, fmt.Sprint(p.Err())
			}
		}
	}
	if err := p.Close(); err != nil {
		v.Broken = "close: " + err.Error()
	}
	return v
}

func question(kind abi.Kind, ms uint64) *policy.Ask {
	return &policy.Ask{Event: policy.Event{Kind: uint8(kind), NowMs: 1_700_000_000_000 + ms, Random: 0x0123456789abcdef}}
}

// journal takes what guests say, as the host would write it.
type journal struct {
	n    int
	text strings.Builder
	bad  string
}

// mostLines is what a guest may bring into the log during the rounds: its
// burst, what time earns, and the host's own lines.
const mostLines = 32 + rounds*3*(40+3)

func (j *journal) log(module string, level int, msg string) {
	j.n++
	if level < 0 || level > 3 || len(msg) > 512 || !utf8.ValidString(msg) {
		j.bad = fmt.Sprintf("line of level %d: %q", level, msg)
	}
	for _, h := range []slog.Handler{slog.NewTextHandler(&j.text, nil), slog.NewJSONHandler(&j.text, nil)} {
		slog.New(h).Error(msg, "policy", module)
	}
}

// broken says what is wrong with the number of lines.
func (j *journal) broken() string {
	if j.bad != "" {
		return j.bad
	}
	if lines := strings.Count(j.text.String(), "\n"); lines != 2*j.n {
		return fmt.Sprintf("%d lines were said, %d are in the log", 2*j.n, lines)
	}
	if j.n > mostLines {
		return fmt.Sprintf("%d lines were said, at most %d may be", j.n, mostLines)
	}
	return ""
}

// forged says which control characters reach the log: terminals obey them,
// those behind ASCII too.
func (j *journal) forged() string {
	text := j.text.String()
	i := strings.IndexFunc(text, func(r rune) bool { return r < ' ' && r != '\n' || r >= 0x7f && r < 0xa0 })
	if i < 0 {
		return ""
	}
	return fmt.Sprintf("the log holds %q", text[i:min(i+4, len(text))])
}

// firstOf returns a module's head, for an error message.
func firstOf(wasm []byte) string {
	return fmt.Sprintf("%d bytes, %x", len(wasm), wasm[:min(len(wasm), 64)])
}
