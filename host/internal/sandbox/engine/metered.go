package engine

import (
	"crypto/sha256"
	"runtime"
	"sync"
	"weak"
)

// Metered is what gate, meter and linker make of a module.
type Metered struct {
	Digest  [sha256.Size]byte // of the module's own bytes
	Wasm    []byte            // in an engine of a worker its outline, or where that has the code: nil
	Size    int               // of the Wasm, in bytes
	Exports uint32            // those of the ABI that it has: opSet
	Types   uint32            // of functions
	Pages   uint32            // of 64 KiB, that the memory begins with
	Grows   bool              // the memory may grow
	effort  uint64
}

// findMetered uses what was made of equal bytes, or makes it.
func findMetered(a *policyLoad) error {
	wasm, known := a.job.source.Wasm, &a.job.engine.metered
	if len(wasm) > a.job.engine.cfg.moduleBytes() {
		return runSteps(a.job.source.Name, meterSteps(), a)
	}
	key := sha256.Sum256(wasm)
	if a.metered = known.find(key); a.metered != nil {
		return nil
	}
	a.useInspected()
	if err := runSteps(a.job.source.Name, meterSteps(), a); err != nil {
		return err
	}
	a.metered = known.add(newMetered(key, a))
	return nil
}

// newMetered keeps what gate and meter have told.
func newMetered(key [sha256.Size]byte, a *policyLoad) *Metered {
	memory, _ := a.module.Memory()
	return &Metered{
		Digest: key, Wasm: a.linked.wasm, Size: len(a.linked.wasm), Exports: uint32(a.linked.exports), Types: uint32(a.linked.types),
		Pages: memory.Min, Grows: a.module.Grows(), effort: a.module.Effort(),
	}
}

// meteredModules finds what is held by somebody, and holds nothing itself.
type meteredModules struct {
	mu    sync.Mutex // guards the following field
	known map[[sha256.Size]byte]weak.Pointer[Metered]
}

func (k *meteredModules) find(key [sha256.Size]byte) *Metered {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.known[key].Value()
}

// add returns m, or what another has added meanwhile.
func (k *meteredModules) add(m *Metered) *Metered {
	k.mu.Lock()
	defer k.mu.Unlock()
	if other := k.known[m.Digest].Value(); other != nil {
		return other
	}
	if k.known == nil {
		k.known = make(map[[sha256.Size]byte]weak.Pointer[Metered])
	}
	k.known[m.Digest] = weak.Make(m)
	runtime.AddCleanup(m, k.forget, m.Digest)
	return m
}

func (k *meteredModules) forget(key [sha256.Size]byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.known[key].Value() == nil {
		delete(k.known, key)
	}
}
