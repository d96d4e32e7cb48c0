package file

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync/atomic"

	"go.etcd.io/bbolt"
)

// groupSize bounds how many changes share a transaction, and queueSize how many
// wait; a caller beyond those waits for the queue.
const (
	groupSize = 512
	queueSize = 512
)

// writer is the one goroutine that changes the database. Changes that wait
// while it syncs share the next transaction, so that many writers pay for few
// syncs; one alone waits for nobody. It is ours and not bbolt's Batch because
// there a change that fails has all others of its transaction run again, and
// because a panic on a damaged page must not be met on a goroutine of bbolt's.
// Store.Close stops it.
type writer struct {
	store *Store
	queue chan *change
	done  chan struct{}

	// The following belong to the goroutine, and to stop after it.

	// broken refuses all further changes: what the last one has written is not
	// known.
	broken  error
	reserve reserve
	// locked says that a panic went through bbolt with its locks held.
	locked bool
}

// change is a function that a caller has run in a transaction.
type change struct {
	do    func(*txn) error
	taken atomic.Bool   // by the writer, or by the caller who has given up
	err   error         // of do
	names []string      // touched by do
	sized []tenantUsage // by do
	reply chan error    // of one element
}

var errNothing = errors.New("nothing to commit")

func (w *writer) start(s *Store) {
	w.store = s
	w.queue = make(chan *change, queueSize)
	w.done = make(chan struct{})
	w.reserve.keep(s.raw, s.db)
	go w.run()
}

// stop ends the writer when nobody uses the store any more, and reports whether
// bbolt's locks are held for ever.
func (w *writer) stop() bool {
	close(w.queue)
	<-w.done
	return w.locked
}

func (w *writer) run() {
	defer close(w.done)
	// A fault in the mapped file becomes a panic, which update recovers.
	debug.SetPanicOnFault(true)
	for c := range w.queue {
		w.commit(w.gather(c))
	}
}

// gather adds the changes that wait to a first one.
func (w *writer) gather(first *change) []*change {
	group := []*change{first}
	for len(group) < groupSize {
		select {
		case c, ok := <-w.queue:
			if !ok {
				return group
			}
			group = append(group, c)
		default:
			return group
		}
	}
	return group
}

// commit writes the changes of a group, notifies the watches, and replies.
func (w *writer) commit(group []*change) {
	live := group[:0]
	for _, c := range group {
		if c.taken.CompareAndSwap(false, true) {
			live = append(live, c)
		}
	}
	err := w.broken
	if err == nil {
		err = w.update(live)
	}
	for _, c := range live {
		if c.err == nil && err != nil {
			c.err = err
		}
		if c.err == nil {
			w.store.counts.setTenants(c.sized)
			w.store.watches.tell(c.names)
		}
		c.reply <- c.err
	}
}

// update runs the changes in one transaction. One that fails before it has
// written anything fails alone.
func (w *writer) update(group []*change) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%s: damaged: %v", w.store.path(dbName), r)
			w.broken, w.locked = err, true
		}
	}()
	var id int
	err = w.store.db.Update(func(tx *bbolt.Tx) error {
		id = tx.ID()
		return runAll(&txn{tx: tx}, group)
	})
	switch {
	case err == nil:
		w.reserve.keep(w.store.raw, w.store.db)
		return nil
	case errors.Is(err, errNothing):
		return nil
	}
	err = w.store.failed(fmt.Errorf("%s: writing: %w", w.store.path(dbName), err))
	if w.reached(id) {
		// The change may be there although it failed, and what bbolt holds in
		// memory is older: going on would use pages twice.
		w.broken = fmt.Errorf("an earlier change failed half-way, start the program anew: %w", err)
	}
	return err
}

func runAll(t *txn, group []*change) error {
	some := false
	for _, c := range group {
		t.dirty, t.touched, t.sized = false, nil, nil
		c.err = c.do(t)
		if c.err != nil && t.dirty {
			return c.err
		}
		some = some || t.dirty
		c.names, c.sized = t.touched, t.sized
	}
	if !some {
		return errNothing
	}
	return nil
}

// reached reports whether readers see the transaction, or whether that cannot
// be told.
func (w *writer) reached(id int) bool {
	tx, err := w.store.db.Begin(false)
	if err != nil {
		return true
	}
	seen := tx.ID()
	return tx.Rollback() != nil || seen >= id
}

// change has do run in a transaction by the writer, and returns when it lasts.
// do must check everything before it writes anything.
func (s *Store) change(ctx context.Context, do func(*txn) error) error {
	c := &change{do: do, reply: make(chan error, 1)}
	select {
	case s.writer.queue <- c:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-c.reply:
		return rethrow(err)
	case <-ctx.Done():
		if c.taken.CompareAndSwap(false, true) {
			return ctx.Err() // the writer will not touch it
		}
		return rethrow(<-c.reply)
	}
}

// callerPanic is a panic of a caller's function on its way back to the caller.
type callerPanic struct {
	value any
	stack []byte
}

func (p *callerPanic) Error() string { return fmt.Sprintf("%v\n\n%s", p.value, p.stack) }

// rethrow panics with the panic of a caller's function: the writer must go on, and
// the caller must see its bug.
func rethrow(err error) error {
	if p, ok := errors.AsType[*callerPanic](err); ok {
		panic(p)
	}
	return err
}

// catchPanic runs a function of a caller, and returns its panic as an error.
func catchPanic(f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = &callerPanic{r, debug.Stack()}
		}
	}()
	return f()
}
