package tenant

import (
	"math"
	"sync/atomic"
	"time"

	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

// Comparison counts the answers of a shadow beside those that were enforced.
// Of the answers without a fault each is one of Same, WouldClose, WouldKeep,
// Shorter and Longer.
type Comparison struct {
	Asks   uint64
	Faults uint64 // the shadow's
	// Same: both end the connection, or both keep it for as long, within a
	// tenth.
	Same       uint64
	WouldClose uint64 // the shadow ends it, what was enforced keeps it
	WouldKeep  uint64 // the opposite
	Shorter    uint64 // both keep it, the shadow for less long
	Longer     uint64
	// Ratios is how often both kept it for a time that ends, and LogRatio the
	// sum of the natural logarithms of the shadow's time over the enforced.
	Ratios   uint64
	LogRatio float64
}

// Ratio is the geometric mean of the shadow's time over the enforced one; 0
// where there was none.
func (c *Comparison) Ratio() float64 {
	if c.Ratios == 0 {
		return 0
	}
	return math.Exp(c.LogRatio / float64(c.Ratios))
}

// comparison is a Comparison that is counted.
type comparison struct {
	asks, faults, same, wouldClose, wouldKeep, shorter, longer, ratios atomic.Uint64

	micros atomic.Int64 // the logarithms, in millionths
}

func (c *comparison) now() Comparison {
	return Comparison{
		Asks: c.asks.Load(), Faults: c.faults.Load(), Same: c.same.Load(),
		WouldClose: c.wouldClose.Load(), WouldKeep: c.wouldKeep.Load(),
		Shorter: c.shorter.Load(), Longer: c.longer.Load(),
		Ratios: c.ratios.Load(), LogRatio: float64(c.micros.Load()) / 1e6,
	}
}

// effect is what an answer comes to.
type effect struct {
	ends bool
	time time.Duration // until the next question, at least 1 ms; 0: for ever
}

// effectOf reads an answer. One that leaves it to the host ends a connection
// at a timeout, which is what the native policy says then; at accept it leaves
// the phase its lease.
func effectOf(v policy.Verdict, e *policy.Event) effect {
	switch {
	case v.Action == abi.ActionClose:
		return effect{ends: true}
	case v.Action == abi.ActionExtend:
		return effect{time: max(v.Deadline, time.Millisecond)}
	case e.Kind == uint8(abi.KindTimeout):
		return effect{ends: true}
	}
	return effect{time: time.Duration(e.Leases[min(int(e.Phase), abi.Phases-1)]) * time.Millisecond}
}

// count adds an answer of the shadow, s, beside the enforced one.
func (c *comparison) count(enforced, s effect) {
	c.asks.Add(1)
	switch {
	case enforced.ends && s.ends:
		c.same.Add(1)
	case s.ends:
		c.wouldClose.Add(1)
	case enforced.ends:
		c.wouldKeep.Add(1)
	case s.time == 0 || enforced.time == 0:
		c.forever(enforced, s)
	default:
		c.times(math.Log(float64(s.time) / float64(enforced.time)))
	}
}

func (c *comparison) forever(enforced, s effect) {
	switch {
	case s.time == enforced.time:
		c.same.Add(1)
	case s.time == 0:
		c.longer.Add(1)
	default:
		c.shorter.Add(1)
	}
}

// tenth is the natural logarithm of 1.1, up to which two times are the same,
// with a little for rounding.
const tenth = 0.09531018 + 1e-7

func (c *comparison) times(logRatio float64) {
	c.ratios.Add(1)
	c.micros.Add(int64(math.Round(logRatio * 1e6)))
	switch {
	case math.Abs(logRatio) <= tenth:
		c.same.Add(1)
	case logRatio < 0:
		c.shorter.Add(1)
	default:
		c.longer.Add(1)
	}
}
