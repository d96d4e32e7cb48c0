package control

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"idlehost/host/internal/sandbox/engine"
)

// Conn is one end of a stream socket.
type Conn interface {
	io.ReadWriteCloser
	SetWriteDeadline(t time.Time) error
}

// Host is the host's end for one worker. Safe for concurrent use.
type Host struct {
	conn    Conn
	log     func(guest uint32, level int, msg string)
	loading chan struct{} // holds one for each load in flight
	ready   chan struct{} // closed when warning is set
	gone    chan struct{} // closed when nothing is read any more

	writing sync.Mutex // held to write a frame; taken before mu

	mu      sync.Mutex // guards the following fields
	err     error      // why the worker is gone; nil: it is not
	warning string
	next    uint32 // number of a request
	open    map[uint32]*request
	guests  map[uint32]*guest
	codes   map[[sha256.Size]byte]int // loaded guests that have it
	stray   lineRate                  // what is told of guests that are not there
}

// request is what the worker owes an answer to.
type request struct {
	kind     kind
	guest    uint32
	prepared *engine.Prepared
	done     chan struct{} // closed when the following fields are set
	loaded   Loaded
	state    engine.State
	err      error
}

// guest is a policy that the worker has, or loads.
type guest struct {
	digest [sha256.Size]byte
	name   string
	loaded bool
	lines  lineRate
	fault  error // the last; nil: there was none
}

const (
	// loadsAtOnce is how many loads are on their way to a worker: it loads one
	// after the other, and may have the next one's module already.
	loadsAtOnce = 2
	// writeWait is how long a worker may take to read: it does nothing else.
	writeWait = 2 * time.Second
)

// NewHost speaks with the worker at the other end of conn, which is closed with
// the Host. log takes what guests say; it is called by one goroutine, which reads
// all that the worker says. level and msg are those of engine.Config.Log.
func NewHost(conn Conn, log func(guest uint32, level int, msg string)) *Host {
	h := &Host{
		conn: conn, log: log,
		loading: make(chan struct{}, loadsAtOnce), ready: make(chan struct{}), gone: make(chan struct{}),
		open: make(map[uint32]*request), guests: make(map[uint32]*guest), codes: make(map[[sha256.Size]byte]int),
	}
	go h.read()
	return h
}

// Gone is closed when the worker has closed its end, or makes no sense: Err says
// which. All calls fail with ErrGone then.
func (h *Host) Gone() <-chan struct{} { return h.gone }

// Err returns why the worker is gone; nil while it is there.
func (h *Host) Err() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.err
}

// Ready waits until the worker has taken from itself what it does not need, and
// returns what that lacks, as confine.Report.Warning has it.
func (h *Host) Ready(ctx context.Context) (warning string, err error) {
	select {
	case <-h.ready:
	case <-h.gone:
		return "", ErrGone
	case <-ctx.Done():
		return "", ctx.Err()
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.warning, nil
}

// GuestErr returns what the last fault of guest n was, a *engine.FaultError; nil
// if there was none.
func (h *Host) GuestErr(n uint32) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if g := h.guests[n]; g != nil {
		return g.fault
	}
	return nil
}

// Close closes the connection, which the worker ends of, and waits for the last
// call of log. Idempotent.
func (h *Host) Close() error {
	err := h.conn.Close()
	<-h.gone
	return err
}

// Load has the worker load p as guest n, a number that no guest
// has had, with what it has learned. Where the worker has no such code, and p is not on loan, or the
// code is not where the worker looks, engine.ErrNoCode is in the chain of the
// error. It is a *engine.FaultError, ErrGone, or that of ctx; then the guest is
// unloaded once it is there. Loaded.Time is set beside a FaultError, too.
func (h *Host) Load(ctx context.Context, n uint32, p *engine.Prepared, s engine.State) (Loaded, error) {
	select {
	case h.loading <- struct{}{}:
	case <-h.gone:
		return Loaded{}, ErrGone
	case <-ctx.Done():
		return Loaded{}, ctx.Err()
	}
	r, err := h.askLoad(n, p, s)
	if err != nil {
		return Loaded{}, err
	}
	if err := h.wait(ctx, r); err != nil {
		return Loaded{}, errors.Join(err, h.Unload(n))
	}
	return r.loaded, r.err
}

// askLoad sends the request. Its answer gives up the place among the loads, and
// so does an error.
func (h *Host) askLoad(n uint32, p *engine.Prepared, s engine.State) (*request, error) {
	h.writing.Lock()
	defer h.writing.Unlock()
	r := &request{kind: kindLoad, guest: n, prepared: p, done: make(chan struct{})}
	id, known, err := h.register(r)
	if err != nil {
		<-h.loading
		return nil, err
	}
	if !known && !p.OnLoan() {
		h.forget(id)
		return nil, &engine.FaultError{Policy: p.Name, Step: "code", Fault: faultBusy, Err: engine.ErrNoCode}
	}
	b := put32(put32(newFrame(kindLoad), id), n)
	return r, h.write(finish(putPrepared(putState(b, s), p, !known)))
}

// register counts a load, and reports whether the worker has its code.
func (h *Host) register(r *request) (id uint32, known bool, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err != nil {
		return 0, false, ErrGone
	}
	if h.guests[r.guest] != nil {
		return 0, false, fmt.Errorf("BUG: worker has a guest %d", r.guest)
	}
	digest := r.prepared.Metered.Digest
	h.guests[r.guest] = &guest{digest: digest, name: r.prepared.Name}
	return h.addLocked(r), h.codes[digest] > 0, nil
}

func (h *Host) addLocked(r *request) (id uint32) {
	h.next++
	h.open[h.next] = r
	return h.next
}

// forget ends a load that was not sent.
func (h *Host) forget(id uint32) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if r := h.open[id]; r != nil { // else the worker has gone, and it is answered
		delete(h.guests, r.guest)
		h.answeredLocked(id, r)
	}
}

// wait waits for the answer.
func (h *Host) wait(ctx context.Context, r *request) error {
	select {
	case <-r.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Unload has the worker close guest n, if it is there, and does not wait for it.
func (h *Host) Unload(n uint32) error {
	h.writing.Lock()
	defer h.writing.Unlock()
	h.mu.Lock()
	g, err := h.guests[n], h.err
	if g != nil && g.loaded {
		h.dropLocked(g)
	}
	delete(h.guests, n)
	h.mu.Unlock()
	if g == nil || err != nil {
		return nil
	}
	return h.write(finish(put32(newFrame(kindUnload), n)))
}

// dropLocked says that a guest does not use its code any more.
func (h *Host) dropLocked(g *guest) {
	if h.codes[g.digest]--; h.codes[g.digest] == 0 {
		delete(h.codes, g.digest)
	}
}

// State returns what guest n has learned. The error is ErrGone, that of ctx, or
// says that there is no such guest.
func (h *Host) State(ctx context.Context, n uint32) (engine.State, error) {
	r := &request{kind: kindState, guest: n, done: make(chan struct{})}
	if err := h.askState(r); err != nil {
		return engine.State{}, err
	}
	if err := h.wait(ctx, r); err != nil {
		return engine.State{}, err
	}
	return r.state, r.err
}

func (h *Host) askState(r *request) error {
	h.writing.Lock()
	defer h.writing.Unlock()
	h.mu.Lock()
	if h.err != nil {
		h.mu.Unlock()
		return ErrGone
	}
	id := h.addLocked(r)
	h.mu.Unlock()
	return h.write(finish(put32(put32(newFrame(kindState), id), r.guest)))
}

// write sends a frame. A worker that does not read is gone.
func (h *Host) write(frame []byte) error {
	if len(frame)-4 > maxRequest {
		return fmt.Errorf("BUG: frame of %d bytes for a worker", len(frame))
	}
	err := h.conn.SetWriteDeadline(time.Now().Add(writeWait))
	if err == nil {
		_, err = h.conn.Write(frame)
	}
	if err == nil {
		return nil
	}
	h.fail(fmt.Errorf("worker does not read: %w", err))
	_ = h.conn.Close() // nobody reads on where half a frame was written
	return ErrGone
}

// fail notes why the worker is gone, and answers what it owes.
func (h *Host) fail(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err == nil {
		h.err = err
	}
	for id, r := range h.open {
		r.err = ErrGone
		h.answeredLocked(id, r)
	}
}

// answeredLocked ends a request.
func (h *Host) answeredLocked(id uint32, r *request) {
	delete(h.open, id)
	close(r.done)
	if r.kind == kindLoad {
		<-h.loading
	}
}
