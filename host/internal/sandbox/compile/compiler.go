// Package compile compiles modules in child processes. A child is the same program
// with limits on memory, processor time and files, so a hostile module can harm
// only the child. The code passes through a private, authenticated cache on disk
// to a folder from which wazero loads it; this process compiles no module but its
// own.
package compile

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"idlehost/host/internal/fair"
	"idlehost/host/internal/sandbox/confine"
)

// Config configures a Compiler. The zero value works, in process only: see Argv.
type Config struct {
	// Argv starts this very program in such a way that it calls Child, its
	// own name first. nil: the program has no such entry, and compiles in
	// process.
	Argv []string
	// Dir is where the cache lies. It must belong to this user, alone (0700),
	// and be no symbolic link. "": idlehost/code in the user's cache folder,
	// or else a folder that ends with the Compiler.
	Dir string
	// Version names whatever made the modules; another finds nothing in the
	// cache.
	Version string
	// Margin is how many times as much processor time and memory as is expected
	// for an Order its child may take before it is ended: Allowance. 0: 5.
	Margin int
	// Wall bounds the time that a child takes by the clock, so that one that makes
	// no progress does not keep its place for ever. 0: 10 minutes. Where other
	// processes leave a child a hundredth of a processor, a policy built by Go
	// takes one and a half.
	Wall time.Duration
	// CodeBytes bounds the compiled code of one module. 0: 64 MiB; that of a
	// policy built by Go has 9, the most that is known of a module which the
	// gate lets in is 52.
	CodeBytes int64
	// CacheBytes bounds the cache; what was not used for longest goes first.
	// 0: 512 MiB.
	CacheBytes int64
	// Parallel is how many children run at once for owners, who take turns, and
	// how many for the operator beside them. 0: 1.
	Parallel int
	// Queue is how many modules of owners may wait for a child. 0: 64.
	Queue int
	// InProcessBytes is the largest module that is compiled in this process,
	// where no child can be had. 0: 64 KiB.
	InProcessBytes int
}

func (c Config) margin() int64       { return int64(or(c.Margin, 5)) }
func (c Config) wall() time.Duration { return or(c.Wall, 10*time.Minute) }
func (c Config) codeBytes() int64    { return or(c.CodeBytes, 64<<20) }
func (c Config) cacheBytes() int64   { return or(c.CacheBytes, 512<<20) }
func (c Config) parallel() int       { return or(c.Parallel, 1) }
func (c Config) queue() int          { return or(c.Queue, 64) }
func (c Config) inProcessBytes() int { return or(c.InProcessBytes, 64<<10) }

func or[T ~int | ~int64](v, standard T) T {
	if v <= 0 {
		return standard
	}
	return v
}

// ErrClosed is returned by Compile after Close.
var ErrClosed = errors.New("compile: closed")

// Compiler compiles modules. Safe for concurrent use.
type Compiler struct {
	cfg   Config
	child *childCompiler // nil: in process
	why   error          // there is no child compiler

	// ctx ends with Close, and with it every child.
	ctx         context.Context
	cancel      context.CancelFunc
	making      sync.WaitGroup // one for each compilation that runs
	turns       *fair.Queue    // a turn for each child
	lowPriority atomic.Bool    // children run at nice 10

	mu sync.Mutex // guards the following fields
	// compilations holds code that is being compiled or is on loan, by key; nil once
	// closed.
	compilations map[string]*compilation
	waiting      int // compilations of owners that want a turn
}

// New opens the cache and lets a child compile a small module. If the platform
// cannot run children, the Compiler compiles in this process, and Capability says
// why. The error is that of a configured Dir that cannot be trusted.
func New(ctx context.Context, cfg Config) (*Compiler, error) {
	c := &Compiler{cfg: cfg, turns: fair.New(cfg.parallel()), compilations: make(map[string]*compilation)}
	c.ctx, c.cancel = context.WithCancel(context.WithoutCancel(ctx))
	c.child, c.why = openChildCompiler(ctx, cfg)
	if err := ctx.Err(); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	var dir *dirError
	if errors.As(c.why, &dir) && cfg.Dir != "" {
		return nil, errors.Join(c.why, c.Close())
	}
	return c, nil
}

// Dir is the folder for wazero.NewCompilationCacheWithDir, "" where modules are
// compiled in process. Nothing else may write there.
func (c *Compiler) Dir() string {
	if c.child == nil {
		return ""
	}
	return c.child.codeDir()
}

// Outlines reports whether the code of a module in Dir is also that of its outline:
// package outline.
func (c *Compiler) Outlines() bool { return c.child != nil && c.child.namer != nil }

// LowerPriority has children run at nice 10 from now on: whoever calls it begins
// to serve requests beside them.
func (c *Compiler) LowerPriority() { c.lowPriority.Store(true) }

// Capability says what a Compiler can do on this platform.
type Capability struct {
	Apart bool  // modules are compiled by a child
	Why   error // they are not, or the cache does not outlive the process
	Cache string
	Keeps bool // the cache outlives the process
	// Unit is the processor time that a unit of effort is expected to take.
	Unit time.Duration
	// Confined says which measures hold for a child.
	Confined confine.Report

	cfg Config
}

// Capability returns what New has found out.
func (c *Compiler) Capability() Capability {
	can := Capability{Why: c.why, cfg: c.cfg}
	if c.child != nil {
		can.Apart, can.Cache, can.Keeps, can.Why, can.Unit = true, c.child.path, c.child.keeps, c.child.why, c.child.unit
		can.Confined = c.child.confined
	}
	return can
}

// String returns one line for the log.
func (c Capability) String() string {
	switch {
	case !c.Apart:
		return fmt.Sprintf("policies of at most %s are compiled in this process, larger ones not at all: %v",
			size(int64(c.cfg.inProcessBytes())), c.Why)
	case !c.Keeps:
		return fmt.Sprintf("policies are compiled apart, at %v a unit of effort, and again after a restart: %v", c.Unit, c.Why)
	}
	return fmt.Sprintf("policies are compiled apart, at %v a unit of effort, and kept in %s", c.Unit, c.Cache)
}

// Warning returns one line for the log where a child is less confined than it
// could be; "": it is not.
func (c Capability) Warning() string {
	w := c.Confined.Warning()
	if !c.Apart || w == "" {
		return ""
	}
	return "of the child that compiles policies, " + w
}

// Close ends the children, waits for them, and removes what is on loan.
// Idempotent.
func (c *Compiler) Close() error {
	c.mu.Lock()
	open := c.compilations != nil
	c.compilations = nil
	c.mu.Unlock()
	c.cancel()
	c.making.Wait()
	if !open || c.child == nil {
		return nil
	}
	return c.child.close()
}

// size prints a number of bytes for people.
func size(n int64) string {
	switch {
	case n >= 10<<20:
		return fmt.Sprintf("%d MiB", n>>20)
	case n >= 10<<10:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d bytes", n)
}
