// Package control is what the host and a worker say to each other beside
// questions and answers: that a policy is to be loaded and unloaded, what it has
// learned, and what it says for the log. Frames go over a stream socket. The host
// believes nothing that a worker says: a frame that makes no sense is an error,
// which ends the worker.
package control

import (
	"errors"
	"time"

	"idlehost/host/internal/sandbox/engine"
)

// Loaded is what a worker tells of a policy that it has loaded.
type Loaded struct {
	Profile     engine.Profile
	MemoryBytes uint64 // of the guest
	Restored    bool   // the guest took over the learned state
	Fuel        uint64 // that start and configure took
	// Time is the processor time of the worker that the load took. It is told
	// beside an error, too.
	Time time.Duration
}

// kind is what a frame is about.
type kind uint8

const (
	kindLoad   kind = iota + 1 // to the worker
	kindUnload                 // to the worker
	kindState                  // to the worker, and its answer
	kindLoaded                 // to the host: load's answer
	kindLine                   // to the host: a line for the log
	kindFault                  // to the host: what a question has failed of
	kindReady                  // to the host: once, before all else
)

const (
	// maxReply bounds a frame to the host: learned state is the largest.
	maxReply = engine.MaxState + 4096
	// maxRequest bounds a frame to a worker, of which a metered module is the
	// largest part. The host keeps modules far below.
	maxRequest = 1 << 28
	// maxTime bounds the processor time that a worker says a load has taken, so
	// that sums do not overflow.
	maxTime = time.Hour
)

// ErrNonsense is in the chain of Host.Err where a worker has said what it should
// not have.
var ErrNonsense = errors.New("worker makes no sense")

// ErrGone is why a call fails whose worker has ended, or has said what makes no
// sense.
var ErrGone = errors.New("worker is gone")
