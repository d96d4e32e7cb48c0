// Package hostile is a corpus of hostile modules: what somebody could upload to
// crash, stall, starve or fool the host, each with the outcome that it must have.
// Only tests import it.
//
// Code generates each attack. It is correct in everything but the attack itself,
// so that nothing else stops it. The package imports neither gate nor engine, so
// the tests of both can import it.
package hostile

import (
	"slices"

	"idlehost/host/internal/policy"
)

// Class is the part of the host that an attack targets.
type Class string

// The classes.
const (
	Decoder    Class = "decoder"    // whoever reads the bytes
	Compiler   Class = "compiler"   // whoever turns them into code
	Validation Class = "validation" // code that is not what it seems, and steps over its bounds
	Contract   Class = "contract"   // imports and exports that no policy has
	Runtime    Class = "runtime"    // time and stack of a call
	Memory     Class = "memory"     // memory, and the instructions on much of it
	Tables     Class = "tables"     // tables, references and indirect calls
	Lifecycle  Class = "lifecycle"  // the steps before the first question
	ABI        Class = "abi"        // addresses, sizes and verdicts
	WASI       Class = "wasi"       // what the host does for a guest
	Logging    Class = "logging"    // what people and machines read
)

// Classes returns all of them.
func Classes() []Class {
	return []Class{Decoder, Compiler, Validation, Contract, Runtime, Memory, Tables, Lifecycle, ABI, WASI, Logging}
}

// Outcome is where an attack is stopped.
type Outcome uint8

// The outcomes, from the earliest.
const (
	Refused     Outcome = iota // by the gate
	NotCompiled                // by the compiler, or by what bounds it
	AtInit                     // stopped before the first question: loading fails
	AtCall                     // stopped at a question: the instance is thrown away
	Harmless                   // answered like a good policy, at a bounded price
	// Bounded is only wanted: refused or not, in bounded time and memory.
	Bounded
)

// String returns what a table shows.
func (o Outcome) String() string {
	return [...]string{"refused", "not compiled", "fault at init", "fault at call", "harmless", "bounded"}[o]
}

// Want is the outcome that an attack must have.
type Want struct {
	Outcome Outcome
	Rule    string       // the gate's rule that refuses it
	Fault   policy.Fault // the reported cause; FaultNone: any
}

// Attack is one hostile module.
type Attack struct {
	Name   string // unique, of lower-case words
	Class  Class
	What   string // one sentence: what it tries
	Wasm   func() []byte
	Params map[string]string // that it is loaded with
	Want   Want
}

// Corpus returns every attack, by class. The modules are the same every time.
func Corpus() []Attack {
	return slices.Concat(
		of(Decoder, counts(), framing(), names()),
		of(Compiler, compiler(), registerPressure()),
		of(Validation, indices(), typing(), features()),
		of(Contract, imports(), exports()),
		of(Runtime, endless(), recursion(), traps(), shuffles()),
		of(Memory, sizes(), bulk(), access(), distances()),
		of(Tables, tables(), scattered()),
		of(Lifecycle, lifecycle()),
		of(ABI, verdicts(), buffers(), regions(), parameters()),
		of(WASI, descriptors(), environment()),
		of(Logging, logging()),
	)
}

func of(class Class, groups ...[]Attack) []Attack {
	all := slices.Concat(groups...)
	for i := range all {
		all[i].Class = class
	}
	return all
}

func attack(name, what string, want Want, wasm func() []byte) Attack {
	return Attack{Name: name, What: what, Want: want, Wasm: wasm}
}

// with gives the attack parameters to be loaded with.
func (a Attack) with(params map[string]string) Attack {
	a.Params = params
	return a
}

func refused(rule string) Want { return Want{Outcome: Refused, Rule: rule} }

func atInit(f policy.Fault) Want { return Want{Outcome: AtInit, Fault: f} }

func atCall(f policy.Fault) Want { return Want{Outcome: AtCall, Fault: f} }

func harmless() Want { return Want{Outcome: Harmless} }

func bounded() Want { return Want{Outcome: Bounded} }
