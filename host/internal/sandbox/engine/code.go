package engine

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"sync"

	"github.com/tetratelabs/wazero"
)

// code is what became of a module: all policies of equal bytes share it.
type code struct {
	key    [sha256.Size]byte // of the module's bytes
	digest string            // the same, in hexadecimal
	shared *sharedRuntime
	module wazero.CompiledModule
	has    opSet
	pages  uint32 // that the memory begins with
	grows  bool   // the memory may grow
	bytes  int    // of metered Wasm: the code itself has some five times as many

	users int // policies, and loads on their way to one; guarded by the codes' lock
}

// codes knows the code that policies use, and a little that none uses for the
// moment. Equal bytes are admitted one after the other: the first finds them
// nowhere, the others find its code. Other bytes do not wait for them.
type codes struct {
	cache      wazero.CompilationCache
	funcs      imports
	spareBytes int  // may be kept
	foundOnly  bool // code is found in the cache, and none is compiled

	mu    sync.Mutex // guards the following fields
	known map[[sha256.Size]byte]*code
	// making holds a channel for the bytes that are being admitted. It is
	// closed at the end.
	making map[[sha256.Size]byte]chan struct{}
	spare  []*code        // without users, the longest unused first
	unused int            // bytes of spare
	shared *sharedRuntime // for new code; nil: there is none yet
}

// mostSpare bounds the number of codes that are kept unused.
const mostSpare = 64

func newCodes(cache wazero.CompilationCache, funcs imports, spareBytes int, foundOnly bool) *codes {
	return &codes{
		cache: cache, funcs: funcs, spareBytes: spareBytes, foundOnly: foundOnly,
		known:  make(map[[sha256.Size]byte]*code),
		making: make(map[[sha256.Size]byte]chan struct{}),
	}
}

// context returns that with which modules become code.
func (k *codes) context(ctx context.Context) context.Context {
	if k.foundOnly {
		return codeOnly{ctx}
	}
	return ctx
}

// use returns the code of known bytes, for which release is due. Where it
// returns none, and no error, the caller admits the bytes; made is due. Whatever
// waits for another caller is called by idly, which may give up a turn meanwhile.
func (k *codes) use(ctx context.Context, key [sha256.Size]byte, idly func(wait func()) error) (*code, error) {
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

// find returns the code, or what somebody closes who makes it. Where it returns
// neither, nobody else makes it from now on.
func (k *codes) find(key [sha256.Size]byte) (*code, <-chan struct{}) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if c := k.known[key]; c != nil {
		if c.users == 0 {
			k.unspareLocked(c)
		}
		c.users++
		return c, nil
	}
	if other, ok := k.making[key]; ok {
		return nil, other
	}
	k.making[key] = make(chan struct{})
	return nil, nil
}

// made ends the making of code; nil: it has failed. The maker uses it.
func (k *codes) made(key [sha256.Size]byte, c *code) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if c != nil {
		c.users = 1
		k.known[key] = c
	}
	close(k.making[key])
	delete(k.making, key)
}

// enter returns the shared runtime in which code with so many types of functions
// is to live; leave is due when it has gone.
func (k *codes) enter(types int) (*sharedRuntime, error) {
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

func (k *codes) leave(s *sharedRuntime) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.leaveLocked(s)
}

func (k *codes) leaveLocked(s *sharedRuntime) error {
	s.users--
	if s.users > 0 || s == k.shared {
		return nil
	}
	return s.close()
}

// release ends a use. The code stays for a while, if there is room.
func (k *codes) release(c *code) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	c.users--
	if c.users > 0 {
		return nil
	}
	k.spare = append(k.spare, c)
	k.unused += c.bytes
	var errs []error
	for len(k.spare) > mostSpare || k.unused > k.spareBytes {
		errs = append(errs, k.dropLocked(k.spare[0]))
	}
	return errors.Join(errs...)
}

// unspareLocked takes code out of those that nobody uses.
func (k *codes) unspareLocked(c *code) {
	for i, s := range k.spare {
		if s == c {
			k.spare = append(k.spare[:i], k.spare[i+1:]...)
			break
		}
	}
	k.unused -= c.bytes
}

func (k *codes) dropLocked(c *code) error {
	k.unspareLocked(c)
	delete(k.known, c.key)
	return errors.Join(c.module.Close(context.Background()), k.leaveLocked(c.shared))
}

// dropSpare gives back the code that nobody uses.
func (k *codes) dropSpare() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.dropSpareLocked()
}

func (k *codes) dropSpareLocked() error {
	var errs []error
	for len(k.spare) > 0 {
		errs = append(errs, k.dropLocked(k.spare[0]))
	}
	return errors.Join(errs...)
}

// close gives back all code. Nobody uses any.
func (k *codes) close() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	errs := []error{k.dropSpareLocked()}
	if k.shared != nil {
		errs = append(errs, k.shared.close())
		k.shared = nil
	}
	return errors.Join(errs...)
}

func hexDigest(key [sha256.Size]byte) string { return hex.EncodeToString(key[:]) }
