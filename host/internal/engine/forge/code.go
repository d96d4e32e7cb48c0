package forge

import (
	"context"
	"errors"
	"sync"

	"idlehost/host/internal/policy"
)

// Code is compiled code on loan: it lies in the Forge's Dir until Close.
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
	key  string
	done chan struct{} // closed when the following fields are set
	made made
	err  error

	// Guarded by Forge.mu.
	refs     int
	finished bool
}

// made is what came of an order.
type made struct {
	report Report
	name   string // of the file below Dir
}

// errAbandoned ends a piece that nobody waits for any longer.
var errAbandoned = errors.New("forge: abandoned")

// Compile sees to it that Dir holds the code for o. A module that is being
// compiled already is not compiled twice. ctx bounds the waiting; a child that
// has begun runs on, within its limits, for whoever asks next. The error is an
// *Error unless ctx ended, the Forge is closed, or the disk failed.
func (f *Forge) Compile(ctx context.Context, o Order) (*Code, error) {
	if f.shop == nil {
		return f.inProcess(o)
	}
	p, err := f.join(o)
	if err != nil {
		return nil, err
	}
	select {
	case <-p.done:
	case <-ctx.Done():
		f.leave(p)
		return nil, ctx.Err()
	}
	if p.err != nil {
		f.leave(p)
		return nil, p.err
	}
	return &Code{Report: p.made.report, back: sync.OnceFunc(func() { f.leave(p) })}, nil
}

// inProcess lets a small module pass: the runtime that finds no code of it
// compiles it.
func (f *Forge) inProcess(o Order) (*Code, error) {
	if n, limit := len(o.Wasm), f.cfg.inProcessBytes(); n > limit {
		return nil, limited("size", Usage{}, "module has %s, and without a child process the limit is %s (%v)",
			size(int64(n)), size(int64(limit)), f.why)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.pieces == nil {
		return nil, ErrClosed
	}
	return &Code{Report: Report{ModuleBytes: len(o.Wasm)}}, nil
}

// join returns the piece for o, which somebody makes.
func (f *Forge) join(o Order) (*piece, error) {
	key := o.key(f.shop.maker)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.pieces == nil {
		return nil, ErrClosed
	}
	p := f.pieces[key]
	if p == nil {
		p = &piece{key: key, done: make(chan struct{})}
		f.pieces[key] = p
		f.flying.Go(func() { f.fly(p, o) })
	}
	p.refs++
	return p, nil
}

// leave drops one interest in p, and with the last one its code.
func (f *Forge) leave(p *piece) {
	f.mu.Lock()
	defer f.mu.Unlock()
	p.refs--
	f.dropLocked(p)
}

// dropLocked forgets a finished piece that nobody holds. What failed is
// forgotten at once: the next one tries anew.
func (f *Forge) dropLocked(p *piece) {
	if !p.finished || f.pieces == nil || f.pieces[p.key] != p || p.refs > 0 && p.err == nil {
		return
	}
	delete(f.pieces, p.key)
	if p.err == nil {
		f.shop.discard(p.made.name)
	}
}

// fly makes p, and ends with it.
func (f *Forge) fly(p *piece, o Order) {
	p.made, p.err = f.make(p, o)
	f.mu.Lock()
	p.finished = true
	f.dropLocked(p)
	f.mu.Unlock()
	close(p.done)
}

func (f *Forge) make(p *piece, o Order) (made, error) {
	if m, ok := f.shop.fetch(p.key); ok {
		m.report.ModuleBytes = len(o.Wasm)
		return m, nil
	}
	if err := f.acquire(p); err != nil {
		return made{}, err
	}
	defer func() { <-f.slots }()
	return f.shop.compile(f.ctx, p.key, o)
}

// acquire waits for a slot.
func (f *Forge) acquire(p *piece) error {
	if err := f.queue(); err != nil {
		return err
	}
	defer f.unqueue()
	select {
	case f.slots <- struct{}{}:
	case <-f.ctx.Done():
		return ErrClosed
	}
	if f.abandoned(p) {
		<-f.slots
		return errAbandoned
	}
	return nil
}

// abandoned reports whether nobody waits for p, and if so forgets it, so that
// nobody begins to.
func (f *Forge) abandoned(p *piece) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if p.refs > 0 {
		return false
	}
	delete(f.pieces, p.key)
	return true
}

func (f *Forge) queue() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if limit := f.cfg.queue(); f.waiting >= limit {
		return &Error{Fault: policy.FaultCompile, Limit: "queue", Text: "too many modules wait to be compiled, try again later"}
	}
	f.waiting++
	return nil
}

func (f *Forge) unqueue() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.waiting--
}
