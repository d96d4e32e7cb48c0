package compile

import (
	"context"
	"errors"
	"sync"

	"idlehost/host/internal/fair"
)

// Code is compiled code on loan: it lies in the Compiler's Dir until Close.
type Code struct {
	Report Report
	back   func()
}

// Report says how code came to be.
type Report struct {
	Apart  bool // not in this process, which has yet to do it
	Cached bool // by an earlier child
	// Usage is that of the child; zero beside Cached.
	Usage       Usage
	ModuleBytes int
	CodeBytes   int64
	// NotKept is why the code is not in the cache, and compiled again after a
	// restart.
	NotKept error
}

// Close gives the code back, once a runtime has loaded it. Idempotent.
func (c *Code) Close() {
	if c.back != nil {
		c.back()
	}
}

// piece is code that is being made, or on loan.
type piece struct {
	key string
	// ctx ends with the Compiler, and when nobody waits any longer.
	ctx    context.Context
	cancel context.CancelFunc
	done   chan struct{} // closed when the following fields are set
	made   made
	err    error

	// Guarded by Compiler.mu.
	refs     int
	finished bool
}

// made is what came of an order.
type made struct {
	report Report
	name   string // of the file below Dir
	// outlined is where the same code lies for the module's outline; "": nowhere.
	outlined string
}

// errAbandoned ends a piece that nobody waits for any longer.
var errAbandoned = errors.New("compile: abandoned")

// Compile sees to it that Dir holds the code for o. A module that is being
// compiled already is not compiled twice. ctx bounds the waiting; a child that
// nobody waits for any longer is ended. The error is an *Error unless ctx
// ended, the Compiler is closed, or the disk failed.
func (c *Compiler) Compile(ctx context.Context, o Order) (*Code, error) {
	code, _, err := c.compile(ctx, o)
	return code, err
}

// compile returns, also beside an error, what the child has taken that was
// waited for to its end.
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
		// Who comes just when everybody else has gone finds a piece that ends.
		if code, used, err := c.await(ctx, p); !errors.Is(err, errAbandoned) {
			return code, used, err
		}
	}
}

// await waits for p. Who leaves it last also waits for its child to be gone,
// and so knows what it has taken.
func (c *Compiler) await(ctx context.Context, p *piece) (*Code, Usage, error) {
	select {
	case <-p.done:
	case <-ctx.Done():
		if !c.leave(p) {
			return nil, Usage{}, ctx.Err()
		}
		<-p.done
		return nil, p.made.report.Usage, ctx.Err()
	}
	used := p.made.report.Usage
	if p.err != nil {
		c.leave(p)
		return nil, used, p.err
	}
	return &Code{Report: p.made.report, back: sync.OnceFunc(func() { c.leave(p) })}, used, nil
}

// inProcess lets a small module pass: the runtime that finds no code of it
// compiles it.
func (c *Compiler) inProcess(o Order) (*Code, error) {
	if n, limit := len(o.Wasm), c.cfg.inProcessBytes(); n > limit {
		return nil, compileError("size", Usage{}, "module has %s, and without a child process the limit is %s (%v)",
			size(int64(n)), size(int64(limit)), c.why)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pieces == nil {
		return nil, ErrClosed
	}
	return &Code{Report: Report{ModuleBytes: len(o.Wasm)}}, nil
}

// join returns the piece for o, which somebody makes.
func (c *Compiler) join(o Order) (*piece, error) {
	key := o.key(c.child.maker)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pieces == nil {
		return nil, ErrClosed
	}
	p := c.pieces[key]
	if p == nil {
		p = &piece{key: key, done: make(chan struct{})}
		p.ctx, p.cancel = context.WithCancel(c.ctx)
		c.pieces[key] = p
		c.making.Go(func() { c.complete(p, o) })
	}
	p.refs++
	return p, nil
}

// leave drops one interest in p, and with the last one its code, or the child
// that would have made it. It reports whether it was the last.
func (c *Compiler) leave(p *piece) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	p.refs--
	if p.refs == 0 && !p.finished {
		p.cancel()
	}
	c.dropLocked(p)
	return p.refs == 0
}

// dropLocked forgets a finished piece that nobody holds. What failed is
// forgotten at once: the next one tries anew.
func (c *Compiler) dropLocked(p *piece) {
	if !p.finished || c.pieces == nil || c.pieces[p.key] != p || p.refs > 0 && p.err == nil {
		return
	}
	delete(c.pieces, p.key)
	if p.err == nil {
		c.child.discard(p.made.name)
		if p.made.outlined != "" {
			c.child.discard(p.made.outlined)
		}
	}
}

// complete makes p, and ends with it.
func (c *Compiler) complete(p *piece, o Order) {
	p.made, p.err = c.make(p, o)
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

func (c *Compiler) make(p *piece, o Order) (made, error) {
	if m, ok := c.child.fetch(p.key, o); ok {
		m.report.ModuleBytes = len(o.Wasm)
		return m, nil
	}
	turn, err := c.enter(p, o)
	if err != nil {
		return made{}, err
	}
	m, err := c.child.compile(p.ctx, p.key, o, c.lowPriority.Load())
	turn.Leave(m.report.Usage.CPU)
	return m, err
}

// enter waits for a turn. A piece that several owners wait for is in the line of
// the first.
func (c *Compiler) enter(p *piece, o Order) (*fair.Turn, error) {
	if o.Owner != fair.Operator {
		if err := c.queue(); err != nil {
			return nil, err
		}
		defer c.unqueue()
	}
	turn, err := c.turns.Enter(p.ctx, o.Owner, o.about())
	switch {
	case err == nil:
		return turn, nil
	case c.ctx.Err() != nil:
		return nil, ErrClosed
	}
	return nil, errAbandoned
}

func (c *Compiler) queue() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if limit := c.cfg.queue(); c.waiting >= limit {
		return busyError("queue", Usage{}, "too many modules wait to be compiled")
	}
	c.waiting++
	return nil
}

func (c *Compiler) unqueue() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting--
}
