package engine

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"sync"

	"github.com/tetratelabs/wazero"
)

// code is a compiled module. All policies of equal bytes share it.
type code struct {
	key     [sha256.Size]byte // of the module's bytes
	digest  string            // the same, in hexadecimal
	shared  *sharedRuntime
	module  wazero.CompiledModule
	exports opSet
	pages   uint32 // that the memory begins with
	grows   bool   // the memory may grow
	bytes   int    // of metered Wasm: the code itself has some five times as many

	users int // policies, and loads in progress; guarded by codeCache.mu
}

// codeCache holds the code that policies use, and a little that none uses at the
// moment. Loads of equal bytes follow one another: the first makes the code, the
// others find it. Loads of other bytes do not wait for them.
type codeCache struct {
	cache      wazero.CompilationCache
	funcs      imports
	spareBytes int  // of unused code that may be kept
	noCompile  bool // code is only taken from the cache, never compiled

	mu    sync.Mutex // guards the following fields
	known map[[sha256.Size]byte]*code
	// pending holds a channel for each module whose code is being made. It is
	// closed when that ends.
	pending map[[sha256.Size]byte]chan struct{}
	spare   []*code        // without users, the longest unused first
	unused  int            // bytes of spare
	shared  *sharedRuntime // for new code; nil: there is none yet
}

// maxSpare bounds how many codes are kept unused.
const maxSpare = 64

func newCodeCache(cache wazero.CompilationCache, funcs imports, spareBytes int, foundOnly bool) *codeCache {
	return &codeCache{
		cache: cache, funcs: funcs, spareBytes: spareBytes, noCompile: foundOnly,
		known:   make(map[[sha256.Size]byte]*code),
		pending: make(map[[sha256.Size]byte]chan struct{}),
	}
}

// context returns the context for wazero's compiler.
func (k *codeCache) context(ctx context.Context) context.Context {
	if k.noCompile {
		return noCompileContext{ctx}
	}
	return ctx
}

// acquire returns the code of known bytes; the caller releases it. Where it
// returns none, and no error, the caller makes the code, and calls finish. Whatever
// waits for another caller is called by idly, which may release a turn meanwhile.
func (k *codeCache) acquire(ctx context.Context, key [sha256.Size]byte, idly func(wait func()) error) (*code, error) {
	for {
		c, other := k.find(key)
		if other == nil {
			return c, nil
		}
		err := idly(func() {
			select {
			case <-other:
			case <-ctx.Done():
			}
		})
		if err = cmp.Or(err, ctx.Err()); err != nil {
			return nil, err
		}
	}
}

// find returns the code, or a channel that closes when another caller has made it.
// Where it returns neither, the caller is the one who makes it.
func (k *codeCache) find(key [sha256.Size]byte) (*code, <-chan struct{}) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if c := k.known[key]; c != nil {
		if c.users == 0 {
			k.unspareLocked(c)
		}
		c.users++
		return c, nil
	}
	if other, ok := k.pending[key]; ok {
		return nil, other
	}
	k.pending[key] = make(chan struct{})
	return nil, nil
}

// finish ends the making of code, of which the caller is the first user; nil: it
// has failed.
func (k *codeCache) finish(key [sha256.Size]byte, c *code) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if c != nil {
		c.users = 1
		k.known[key] = c
	}
	close(k.pending[key])
	delete(k.pending, key)
}

// acquireRuntime returns the shared runtime for code with so many types of
// functions; the caller calls releaseRuntime when the code is gone.
func (k *codeCache) acquireRuntime(types int) (*sharedRuntime, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.shared != nil && k.shared.types > sharedTypes {
		full := k.shared
		k.shared = nil
		if full.users == 0 {
			if err := full.close(); err != nil {
				return nil, err
			}
		}
	}
	if k.shared == nil {
		s, err := newSharedRuntime(k.context(context.Background()), k.cache, k.funcs)
		if err != nil {
			return nil, err
		}
		k.shared = s
	}
	k.shared.users++
	k.shared.types += types
	return k.shared, nil
}

func (k *codeCache) releaseRuntime(s *sharedRuntime) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.releaseRuntimeLocked(s)
}

func (k *codeCache) releaseRuntimeLocked(s *sharedRuntime) error {
	s.users--
	if s.users > 0 || s == k.shared {
		return nil
	}
	return s.close()
}

// release ends a use. Code without users stays for a while, if there is room.
func (k *codeCache) release(c *code) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	c.users--
	if c.users > 0 {
		return nil
	}
	k.spare = append(k.spare, c)
	k.unused += c.bytes
	var errs []error
	for len(k.spare) > maxSpare || k.unused > k.spareBytes {
		errs = append(errs, k.dropLocked(k.spare[0]))
	}
	return errors.Join(errs...)
}

// unspareLocked removes code from the unused ones.
func (k *codeCache) unspareLocked(c *code) {
	for i, s := range k.spare {
		if s == c {
			k.spare = append(k.spare[:i], k.spare[i+1:]...)
			break
		}
	}
	k.unused -= c.bytes
}

func (k *codeCache) dropLocked(c *code) error {
	k.unspareLocked(c)
	delete(k.known, c.key)
	return errors.Join(c.module.Close(context.Background()), k.releaseRuntimeLocked(c.shared))
}

// dropSpare drops the code that nobody uses.
func (k *codeCache) dropSpare() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.dropSpareLocked()
}

func (k *codeCache) dropSpareLocked() error {
	var errs []error
	for len(k.spare) > 0 {
		errs = append(errs, k.dropLocked(k.spare[0]))
	}
	return errors.Join(errs...)
}

// close drops all code. None is in use.
func (k *codeCache) close() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	errs := []error{k.dropSpareLocked()}
	if k.shared != nil {
		errs = append(errs, k.shared.close())
		k.shared = nil
	}
	return errors.Join(errs...)
}
