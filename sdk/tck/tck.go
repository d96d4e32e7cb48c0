// Package tck is the conformance kit of the policy ABI (../ABI.md): it proves
// of a module, at the level of raw bytes and calls, that it obeys. It knows no
// SDK and no host, so it serves every language:
//
//	func TestConformance(t *testing.T) {
//		wasm, err := os.ReadFile("policy.wasm")
//		if err != nil {
//			t.Fatal(err)
//		}
//		tck.Run(t, wasm)
//	}
//
// It is meant for modules of one's own: what it does with one that is out to
// harm is bounded in time and memory only as far as wazero bounds it.
package tck

import (
	"context"
	"errors"
	"testing"
)

// Violation is a rule that a module breaks.
type Violation struct {
	Rule string
	Err  error
}

// rule is one thing that the kit proves, on instances of its own.
type rule struct {
	name  string
	check func(context.Context, *machine) error
	// basic: without it no other rule can be looked at.
	basic bool
}

func rules() []rule {
	return []rule{
		{"imports", checkImports, true},
		{"exports", checkExports, true},
		{"start", checkStart, true},
		{"version", checkVersion, false},
		{"buffer", checkBuffer, true},
		{"answers", checkAnswers, true},
		{"older host", checkOlderHost, false},
		{"repeatable", checkRepeatable, false},
		{"newer host", checkNewerHost, false},
		{"stable addresses", checkAddresses, false},
		{"memory", checkMemory, false},
		{"configure", checkConfigure, false},
		{"state", checkState, true},
		{"state carries over", checkCarriesOver, false},
	}
}

// errUntried is the violation of a rule that could not be looked at.
var errUntried = errors.New("not looked at: an earlier rule is broken")

// Check returns the rules that the module breaks, nil if none. The error tells
// that wasm is no module that compiles.
func Check(ctx context.Context, wasm []byte) ([]Violation, error) {
	m, err := compile(ctx, wasm)
	if err != nil {
		return nil, err
	}
	defer m.close(ctx)
	return m.check(ctx), nil
}

// check returns the rules that the module breaks.
func (m *machine) check(ctx context.Context) (broken []Violation) {
	for _, r := range rules() {
		err := m.prove(ctx, r)
		if err == nil {
			continue
		}
		broken = append(broken, Violation{r.name, err})
		if r.basic {
			break
		}
	}
	return broken
}

// Run fails t, in a subtest for each rule, where the module does not conform.
func Run(t *testing.T, wasm []byte) {
	t.Helper()
	ctx := t.Context()
	m, err := compile(ctx, wasm)
	if err != nil {
		t.Fatal(err)
	}
	defer m.close(ctx)
	stopped := false
	for _, r := range rules() {
		t.Run(r.name, func(t *testing.T) {
			err := errUntried
			if !stopped {
				err = m.prove(ctx, r)
				stopped = err != nil && r.basic
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
}
