// Package child is a worker process: it runs policies for the host, which sends
// questions in batches (package channel) and says what to load (package control).
// Questions run on one thread at a time, loads on another, each under the eyes of a timer of
// the kernel's that ends the process where a guest takes too much of the
// processor. A worker holds policies and what they have learned, and nothing else.
package child

import (
	"encoding/json"
	"fmt"
	"time"

	"idlehost/host/internal/sandbox/engine"
)

// Settings are what a worker is started with.
type Settings struct {
	// Code is the folder in which code lies: compile.Compiler.Dir.
	Code string
	// CallFuel, ConfigureFuel and InitFuel are those of the host's engine:
	// engine.Config.
	CallFuel, ConfigureFuel, InitFuel int64
	// MemoryPages is the host's engine.Config.MemoryPages.
	MemoryPages uint32
}

// String returns the argument that a worker is started with.
func (s Settings) String() string {
	b, err := json.Marshal(s)
	if err != nil {
		panic("child: BUG: " + err.Error()) // numbers and a string
	}
	return string(b)
}

func parseSettings(text string) (s Settings, err error) {
	if err = json.Unmarshal([]byte(text), &s); err != nil {
		return s, fmt.Errorf("settings %.200q: %w", text, err)
	}
	if s.Code == "" {
		return s, fmt.Errorf("settings %.200q name no folder of code", text)
	}
	return s, nil
}

// engine returns the configuration of the worker's engine. What tenants use of
// fuel in the long run is the host's to bound.
func (s Settings) engine() engine.Config {
	return engine.Config{
		Code: s.Code, MemoryPages: s.MemoryPages,
		CallFuel: s.CallFuel, ConfigureFuel: s.ConfigureFuel, InitFuel: s.InitFuel,
		FuelPerSecond: unbounded,
	}
}

// unbounded is more fuel than there is.
const unbounded = 1 << 40

// patience is the processor time after which a guest ends the worker.
type patience struct {
	question time.Duration
	// start is that of making an instance of a module of so many bytes, which are
	// to be read before; 0: of one whose code is there.
	start func(b engine.Budgets, module int) time.Duration
}

// standard is the patience with guests of the host.
func standard() patience {
	return patience{slower * Patience, func(b engine.Budgets, module int) time.Duration { return slower * startTime(b, module) }}
}

const (
	// Patience is the processor time that a question has. Its fuel pays for 2 ms at
	// most.
	Patience = 4 * time.Millisecond
	// runTime and batchTime are the processor time after which the questions
	// that are left of a guest's run, or of a batch, go back unasked.
	runTime   = time.Millisecond
	batchTime = 5 * time.Millisecond
	// lookFuel is the fuel after which a run looks at the clock: half of runTime
	// at the highest price.
	lookFuel = 100_000
	// LeastStart is the processor time that a load has at least.
	LeastStart = 60 * time.Millisecond
	// fuelPrice is the most that a unit of fuel costs.
	fuelPrice = 5 * time.Nanosecond
	// wasmPrice is the most that it takes to read a byte of metered Wasm, to check
	// it and to load its code.
	wasmPrice = 200 * time.Nanosecond
)

// startTime is twice what the fuel of a start pays for.
func startTime(b engine.Budgets, module int) time.Duration {
	fuel := 2*b.Init + 2*b.Configure + 5*b.Call // the calls of engine's instantiation
	return max(2*time.Duration(fuel)*fuelPrice, LeastStart) + time.Duration(module)*wasmPrice
}
