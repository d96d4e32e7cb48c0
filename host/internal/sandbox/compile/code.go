package compile

import (
	"context"
	"errors"
	"sync"

	"idlehost/host/internal/fair"
)

// Code is compiled code on loan: it lies in the Compiler's Dir until Close.
type Code struct {
	Report  Report
	release func()
}

// Report says how the code was made.
type Report struct {
	Apart  bool // compiled by a child; false: this process has yet to compile it
	Cached bool // compiled by an earlier child, and found in the cache
	// Usage is that of the child; zero beside Cached.
	Usage       Usage
	ModuleBytes int
	CodeBytes   int64
	// NotKept is why the code is not in the cache, and compiled again after a
	// restart.
	NotKept error
}

// Close ends the loan, once a runtime has loaded the code. Idempotent.
func (c *Code) Close() {
	if c.release != nil {
		c.release()
	}
}

// compilation is code that is being compiled, or on loan. All callers that want
// the same code share it.
type compilation struct {
	key string
	// ctx ends with the Compiler, and when nobody waits any longer.
	ctx    context.Context
	cancel context.CancelFunc
	done   chan struct{} // closed when the following fields are set
	result result
	err    error

	// Guarded by Compiler.mu.
	refs     int
	finished bool
}

// result is what compiling an order led to.
type result struct {
	report Report
	name   string // of the file below Dir
	// outlined is where the same code lies for the module's outline; "": nowhere.
	outlined string
}

// errAbandoned ends a compilation that nobody waits for any longer.
var errAbandoned = errors.New("compile: abandoned")

// Compile returns once Dir holds the code for o. Callers with equal orders share
// one child. ctx bounds the waiting; a child that nobody waits for any longer is
// ended. The error is an *Error unless ctx ended, the Compiler is closed, or the
// disk failed.
func (c *Compiler) Compile(ctx context.Context, o Order) (*Code, error) {
	code, _, err := c.compile(ctx, o)
	return code, err
}

// compile also returns what the child has used, if the caller waited for its end,
// even beside an error.
func (c *Compiler) compile(ctx context.Context, o Order) (*Code, Usage, error) {
	if c.child == nil {
		code, err := c.inProcess(o)
		return code, Usage{}, err
	}
	for {
		if err := ctx.Err(); err != nil {
			return nil, Usage{}, err
		}
		p, err := c.join(o)
		if err != nil {
			return nil, Usage{}, err
		}
		// A caller that arrives while the last user leaves may join a compilation
		// that is ending: it tries again.
		if code, used, err := c.await(ctx, p); !errors.Is(err, errAbandoned) {
			return code, used, err
		}
	}
}

// await waits for p. The last user to give up also waits for the child's end, and
// so knows what it has used.
func (c *Compiler) await(ctx context.Context, p *compilation) (*Code, Usage, error) {
	select {
	case <-p.done:
	case <-ctx.Done():
		if !c.release(p) {
			return nil, Usage{}, ctx.Err()
		}
		<-p.done
		return nil, p.result.report.Usage, ctx.Err()
	}
	used := p.result.report.Usage
	if p.err != nil {
		c.release(p)
		return nil, used, p.err
	}
	return &Code{Report: p.result.report, release: sync.OnceFunc(func() { c.release(p) })}, used, nil
}

// inProcess accepts a small module: the runtime that finds no code for it compiles
// it.
func (c *Compiler) inProcess(o Order) (*Code, error) {
	if n, limit := len(o.Wasm), c.cfg.inProcessBytes(); n > limit {
		return nil, compileError("size", Usage{}, "module has %s, and without a child process the limit is %s (%v)",
			size(int64(n)), size(int64(limit)), c.why)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.compilations == nil {
		return nil, ErrClosed
	}
	return &Code{Report: Report{ModuleBytes: len(o.Wasm)}}, nil
}

// join returns the compilation for o, and starts it if there is none.
func (c *Compiler) join(o Order) (*compilation, error) {
	key := o.key(c.child.maker)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.compilations == nil {
		return nil, ErrClosed
	}
	p := c.compilations[key]
	if p == nil {
		p = &compilation{key: key, done: make(chan struct{})}
		p.ctx, p.cancel = context.WithCancel(c.ctx)
		c.compilations[key] = p
		c.making.Go(func() { c.complete(p, o) })
	}
	p.refs++
	return p, nil
}

// leave drops one interest in p, and with the last one its code, or the child
// that would have compiled it. It reports whether the caller was the last user.
func (c *Compiler) release(p *compilation) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	p.refs--
	if p.refs == 0 && !p.finished {
		p.cancel()
	}
	c.dropLocked(p)
	return p.refs == 0
}

// dropLocked forgets a finished compilation without users. A failed one is
// forgotten at once, so that the next caller tries again.
func (c *Compiler) dropLocked(p *compilation) {
	if !p.finished || c.compilations == nil || c.compilations[p.key] != p || p.refs > 0 && p.err == nil {
		return
	}
	delete(c.compilations, p.key)
	if p.err == nil {
		c.child.discard(p.result.name)
		if p.result.outlined != "" {
			c.child.discard(p.result.outlined)
		}
	}
}

// complete compiles p, and wakes those who wait for it.
func (c *Compiler) complete(p *compilation, o Order) {
	p.result, p.err = c.produce(p, o)
	if p.err != nil && p.ctx.Err() != nil && c.ctx.Err() == nil {
		p.err = errAbandoned
	}
	p.cancel()
	c.mu.Lock()
	p.finished = true
	c.dropLocked(p)
	c.mu.Unlock()
	close(p.done)
}

func (c *Compiler) produce(p *compilation, o Order) (result, error) {
	if m, ok := c.child.fetch(p.key, o); ok {
		m.report.ModuleBytes = len(o.Wasm)
		return m, nil
	}
	turn, err := c.waitForTurn(p, o)
	if err != nil {
		return result{}, err
	}
	m, err := c.child.compile(p.ctx, p.key, o, c.lowPriority.Load())
	turn.Leave(m.report.Usage.CPU)
	return m, err
}

// waitForTurn waits for a turn to start a child. A compilation that several owners
// wait for takes the turn of the first.
func (c *Compiler) waitForTurn(p *compilation, o Order) (*fair.Turn, error) {
	if o.Owner != fair.Operator {
		if err := c.enqueue(); err != nil {
			return nil, err
		}
		defer c.dequeue()
	}
	turn, err := c.turns.Enter(p.ctx, o.Owner, o.cpuEstimate())
	switch {
	case err == nil:
		return turn, nil
	case c.ctx.Err() != nil:
		return nil, ErrClosed
	}
	return nil, errAbandoned
}

func (c *Compiler) enqueue() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if limit := c.cfg.queue(); c.waiting >= limit {
		return busyError("queue", Usage{}, "too many modules wait to be compiled")
	}
	c.waiting++
	return nil
}

func (c *Compiler) dequeue() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting--
}
