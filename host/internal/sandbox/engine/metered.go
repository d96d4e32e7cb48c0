package engine

import (
	"crypto/sha256"
	"runtime"
	"sync"
	"weak"
)

// Metered is a module after gate, meter and linker.
type Metered struct {
	Digest  [sha256.Size]byte // of the module's own bytes
	Wasm    []byte            // in a worker: the outline, or nil if the worker has the code
	Size    int               // bytes of the metered module
	Exports uint32            // opSet of the functions of the ABI that it exports
	Types   uint32            // number of function types
	Pages   uint32            // pages of 64 KiB that the memory begins with
	Grows   bool              // the memory may grow
	effort  uint64
}

// findMetered shares the Metered of equal bytes, or makes it.
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

// newMetered returns what gate, meter and linker have made.
func newMetered(key [sha256.Size]byte, a *policyLoad) *Metered {
	memory, _ := a.module.Memory()
	return &Metered{
		Digest: key, Wasm: a.linked.wasm, Size: len(a.linked.wasm), Exports: uint32(a.linked.exports), Types: uint32(a.linked.types),
		Pages: memory.Min, Grows: a.module.Grows(), effort: a.module.Effort(),
	}
}

// meteredModules finds each Metered that is still in use, by weak pointers: it keeps
// none alive.
type meteredModules struct {
	mu    sync.Mutex // guards the following field
	known map[[sha256.Size]byte]weak.Pointer[Metered]
}

func (k *meteredModules) find(key [sha256.Size]byte) *Metered {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.known[key].Value()
}

// add returns m, or the one that another caller has added meanwhile.
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
