// Command adaptive-go is the adaptive policy in Go: it holds an idle
// connection for as long as that pays, going by the gaps of its client and,
// where they are few, of all clients of the tenant.
package main

import (
	"errors"
	"strconv"
	"time"

	policy "idlehost/sdk/go"
)

// The reasons that the decision log shows.
const (
	reasonHold  = 1 // the client is expected back while holding pays
	reasonClose = 2 // holding longer costs more than a reconnect
)

// adaptive decides afresh from the event each time and keeps nothing itself:
// the host's books outlive connections, instances and versions.
type adaptive struct {
	look   time.Duration // idle time before the first decision
	relief uint16        // pressure from which on holds shrink, 0 to 999
	fit    policy.Fit
}

func newAdaptive() *adaptive {
	return &adaptive{look: 250 * time.Millisecond, relief: 700}
}

// Configure reads look, worth (durations), prior (gaps) and relief (0 to 999).
func (a *adaptive) Configure(params map[string]string) error {
	for key, value := range params {
		if err := a.set(key, value); err != nil {
			// Not fmt: a guest that leaves it out is smaller and starts faster.
			return errors.New(key + "=" + strconv.Quote(value) + ": " + err.Error())
		}
	}
	return nil
}

func (a *adaptive) set(key, value string) (err error) {
	switch key {
	case "look":
		a.look, err = positive(value)
	case "worth":
		a.fit.Worth, err = positive(value)
	case "prior":
		a.fit.Prior, err = strconv.ParseFloat(value, 64)
		if err != nil || !(a.fit.Prior > 0 && a.fit.Prior <= 1e6) {
			return errors.New("want a number of gaps, above 0")
		}
	case "relief":
		n, err := strconv.ParseUint(value, 10, 16)
		if err != nil || n > 999 {
			return errors.New("want 0 to 999")
		}
		a.relief = uint16(n)
	default:
		return errors.New("no such parameter; there are look, worth, prior, relief")
	}
	return err
}

func positive(value string) (time.Duration, error) {
	d, err := time.ParseDuration(value)
	if err != nil || d <= 0 {
		return 0, errors.New("want a duration above 0, such as 500ms")
	}
	return d, nil
}

// Accept asks to be asked soon, so that a decision is made only for
// connections that are idle in earnest, and with the last gap in the books.
func (a *adaptive) Accept(e *policy.Event) policy.Verdict {
	e.SetLease(policy.PhaseIdle, a.look)
	e.SetLease(policy.PhaseStreamIdle, a.look)
	return policy.Default()
}

// Timeout leaves all phases but the idle ones to the host's law.
func (a *adaptive) Timeout(e *policy.Event) policy.Verdict {
	if !e.In(policy.PhaseIdle) && !e.In(policy.PhaseStreamIdle) {
		return policy.Default()
	}
	fit := a.fit
	fit.Worth = a.worth(e)
	if hold := fit.Hold(e); hold > e.Idle() {
		return policy.Extend(hold - e.Idle()).WithReason(reasonHold)
	}
	return policy.Close().WithReason(reasonClose)
}

// worth is what a reconnect is worth now: less as the host fills, for then
// memory is what is short. At least a millisecond, for 0 means the default.
func (a *adaptive) worth(e *policy.Event) time.Duration {
	worth := a.fit.Worth
	if worth == 0 {
		worth = max(e.Worth(), time.Millisecond)
	}
	if e.Pressure <= a.relief {
		return worth
	}
	left := time.Duration(max(1000-int(e.Pressure), 0))
	return max(worth*left/time.Duration(1000-int(a.relief)), time.Millisecond)
}
