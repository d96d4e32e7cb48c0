package control

import (
	"errors"
	"fmt"
	"io"
	"time"

	"idlehost/host/internal/policy"
	"idlehost/host/internal/sandbox/engine"
)

const faultBusy = policy.FaultBusy

// errNoGuest is why a worker has no learned state of a guest.
var errNoGuest = errors.New("worker has no such guest")

// read takes what the worker says until it is gone.
func (h *Host) read() {
	defer close(h.gone)
	in := newReader(h.conn, maxReply)
	for {
		k, f, err := in.next(false)
		if err == nil {
			err = h.take(k, &f)
		}
		if err != nil {
			if err == io.EOF {
				err = errors.New("worker has ended")
			}
			h.fail(err)
			_ = h.conn.Close()
			return
		}
	}
}

// take takes one frame. The error ends the worker.
func (h *Host) take(k kind, f *fields) error {
	switch k {
	case kindLoaded:
		return h.takeLoaded(f)
	case kindState:
		return h.takeState(f)
	case kindLine:
		return h.takeLine(f)
	case kindFault:
		return h.takeFault(f)
	case kindReady:
		return h.takeReady(f)
	}
	return fmt.Errorf("%w: frame of kind %d", ErrNonsense, k)
}

// request finds what the worker answers.
func (h *Host) request(id uint32, k kind) (*request, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.open[id]
	if r == nil || r.kind != k {
		return nil, fmt.Errorf("%w: answers %d, which nobody asks", ErrNonsense, id)
	}
	return r, nil
}

func (h *Host) takeLoaded(f *fields) error {
	id := f.u32()
	r, err := h.request(id, kindLoad)
	if err != nil {
		return err
	}
	failed, err := takeError(f, r.prepared.Name)
	if err != nil {
		return err
	}
	loaded, err := takeLoaded(f, r.prepared)
	if err != nil {
		return err
	}
	if !f.done() {
		return fmt.Errorf("%w: length of an answer to a load", ErrNonsense)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	r.loaded, r.err = loaded, failed
	if failed != nil {
		r.loaded = Loaded{Time: loaded.Time}
		delete(h.guests, r.guest)
	} else if g := h.guests[r.guest]; g != nil { // else it was unloaded meanwhile
		g.loaded = true
		h.codes[g.digest]++
	}
	if h.open[id] == r {
		h.answeredLocked(id, r)
	}
	return nil
}

func (h *Host) takeState(f *fields) error {
	id := f.u32()
	r, err := h.request(id, kindState)
	if err != nil {
		return err
	}
	there := f.bool()
	state, err := takeState(f)
	if err != nil {
		return err
	}
	if !f.done() {
		return fmt.Errorf("%w: length of learned state", ErrNonsense)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if r.state = state; !there {
		r.state, r.err = engine.State{}, errNoGuest
	}
	if h.open[id] == r {
		h.answeredLocked(id, r)
	}
	return nil
}

// takeReady takes what a worker says first.
func (h *Host) takeReady(f *fields) error {
	warning := engine.CleanLine(string(f.bytes()))
	h.mu.Lock()
	defer h.mu.Unlock()
	select {
	case <-h.ready:
		return fmt.Errorf("%w: is ready twice", ErrNonsense)
	default:
	}
	if !f.done() {
		return fmt.Errorf("%w: length of what it lacks", ErrNonsense)
	}
	h.warning = warning
	close(h.ready)
	return nil
}

// takeFault keeps what a question has failed of.
func (h *Host) takeFault(f *fields) error {
	n := f.u32()
	h.mu.Lock()
	defer h.mu.Unlock()
	g := h.guests[n]
	if g == nil {
		return h.strayLocked()
	}
	fault, err := takeError(f, g.name)
	if err == nil && (fault == nil || !f.done()) {
		err = fmt.Errorf("%w: no fault of guest %d", ErrNonsense, n)
	}
	if err == nil {
		g.fault = fault
	}
	return err
}

// strayLocked counts what is told of a guest that is not there, any more. A right
// worker tells little of one that has just gone, as long as it lives.
func (h *Host) strayLocked() error {
	if h.stray.pass(time.Now()); h.stray.dropped > mostDropped {
		return fmt.Errorf("%w: lines of guests that are not there", ErrNonsense)
	}
	return nil
}

// takeLine passes a line on, unless there are too many.
func (h *Host) takeLine(f *fields) error {
	n, level, text := f.u32(), f.u8(), f.bytes()
	if !f.done() || level > 3 {
		return fmt.Errorf("%w: line of level %d", ErrNonsense, level)
	}
	passes, dropped, err := h.passes(n)
	if err != nil || !passes || h.log == nil {
		return err
	}
	if dropped > 0 {
		h.log(n, 2, fmt.Sprintf("%d lines dropped", dropped))
	}
	h.log(n, int(level), engine.CleanLine(string(text)))
	return nil
}

// passes counts a line of guest n.
func (h *Host) passes(n uint32) (passes bool, dropped int, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	g := h.guests[n]
	if g == nil {
		return false, 0, h.strayLocked()
	}
	passes, dropped = g.lines.pass(time.Now())
	if g.lines.dropped > mostDropped {
		return false, 0, fmt.Errorf("%w: more than %d lines of guest %d are too many", ErrNonsense, mostDropped, n)
	}
	return passes, dropped, nil
}

// lineRate bounds the lines of one guest by the host's own clock. A right worker
// keeps to the engine's rate, which is a quarter of this one.
type lineRate struct {
	full    time.Time // when no more can be saved up; before now: that is so
	dropped int       // since the last that passed
}

const (
	lineEvery = time.Second / 4
	lineBurst = 128
	// mostDropped is how many lines of a guest in a row may be too many.
	mostDropped = 10_000
)

// pass counts a line, and reports whether it passes, and how many did not before
// it.
func (r *lineRate) pass(now time.Time) (passes bool, dropped int) {
	if r.full.Before(now) {
		r.full = now
	}
	if r.full.Sub(now) > (lineBurst-1)*lineEvery {
		r.dropped++
		return false, 0
	}
	r.full = r.full.Add(lineEvery)
	dropped, r.dropped = r.dropped, 0
	return true, dropped
}
