package worker

import (
	"context"
	"time"

	"idlehost/host/internal/sandbox/engine"
	"idlehost/host/internal/sandbox/worker/channel"
	"idlehost/host/internal/sandbox/worker/control"
)

// Process is a worker process as the Pool has it: a channel for questions, and
// whatever else concerns its instances. Exchange is called from one goroutine,
// the others from several. What waits ends with the process.
type Process interface {
	// Fit says how many of the questions, from the first, go into one batch.
	Fit([]*channel.Question) int
	// Exchange has a batch answered. After an error the process is of no use.
	Exchange(questions []*channel.Question, answers []channel.Answer, deadline time.Time) error
	// Running returns the question of the last batch that was being asked when the
	// process ended, by its own word.
	Running() (index int, ok bool)

	// Starting returns the instance that was being made when the process ended, by
	// its own word.
	Starting() (n uint32, ok bool)

	// Load has instance n made. The error is a *engine.FaultError, engine.ErrNoCode, that
	// of ctx, or that the process has ended.
	Load(ctx context.Context, n uint32, p *engine.Prepared, s engine.State) (control.Loaded, error)
	// Unload ends instance n.
	Unload(n uint32) error
	// State returns what instance n has learned.
	State(ctx context.Context, n uint32) (engine.State, error)
	// GuestErr returns what the last fault of instance n was, a *engine.FaultError;
	// nil: there was none. It does not wait.
	GuestErr(n uint32) error

	// Kill ends the process. Idempotent.
	Kill()
	// Ended is closed when it has ended, and nothing is left of it.
	Ended() <-chan struct{}
	// Ending says why; after Ended.
	Ending() Ending
	// Usage says what of the processors it has taken; after Ended.
	Usage() (user, system time.Duration)
	// Close gives back what the host has of it; after Ended. Idempotent.
	Close() error
}

// Ending is why a worker ended.
type Ending uint8

// The endings.
const (
	EndStopped  Ending = iota // the host had no use for it any more
	EndQuestion               // a question took more of the processor than it may
	EndLoad                   // an instance took more to be made than it may
	EndCrash                  // it failed by itself
	EndKilled                 // somebody else ended it
	EndProtocol               // it answered nonsense
	EndSilent                 // it did not answer
	EndMemory                 // there was no memory for it, or the kernel needed it
)

var endingNames = [...]string{"stopped", "question_time", "load_time", "crash", "killed", "protocol", "silent", "out_of_memory"}

// String returns the name used in logs and metrics.
func (e Ending) String() string { return endingNames[e] }
