package tenant

import (
	"time"

	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

// coldWait is what a connection is given at a timeout while its policy is
// being loaded, to be asked again.
const coldWait = time.Second / 4

// coldPatience is for how long, of event time, connections are put off so,
// and for how long not, where a load takes longer.
const coldPatience = 10 * time.Second

// cold answers where a version has no guest: it was let go, has never been
// loaded, or could not be.
func (t *Tenant) cold(p *plan, l *lane, ask *policy.Ask, reply policy.Replier) policy.Verdict {
	r := l.resident
	if ask.Event.Kind != uint8(abi.KindClose) { // that is not worth a load
		t.tryStartLoad(r)
		l.record.asks.Add(1)
		if lost := r.loss.Load(); lost != nil {
			return t.fallback(p, l, ask, lost.fault, reply)
		}
		if t.loader == nil {
			return t.fallback(p, l, ask, policy.FaultNotLoaded, reply)
		}
	}
	return t.absent(p, l, ask, reply)
}

// absent answers where a version has no guest to ask, but may have one soon:
// nobody is to blame for that, unless it takes too long.
func (t *Tenant) absent(p *plan, l *lane, ask *policy.Ask, reply policy.Replier) policy.Verdict {
	e := &ask.Event
	if e.Kind == uint8(abi.KindClose) {
		return policy.Verdict{Source: policy.SourceFallback, Fault: policy.FaultNotLoaded, Role: l.role}
	}
	if !l.resident.patient(e.NowMs) {
		return t.fallback(p, l, ask, policy.FaultNotLoaded, reply)
	}
	l.record.fault(policy.FaultNotLoaded)
	v := policy.Verdict{Action: abi.ActionExtend, Deadline: coldWait}
	if e.Kind != uint8(abi.KindTimeout) {
		v = t.native.Decide(ask)
	}
	v.Source, v.Fault, v.Role = policy.SourceFallback, policy.FaultNotLoaded, l.role
	return v
}

// patient reports whether a question may be put off, and notes the first.
func (r *resident) patient(nowMs uint64) bool {
	const patience = uint64(coldPatience / time.Millisecond)
	r.coldMs.CompareAndSwap(0, nowMs)
	first := r.coldMs.Load()
	switch since := nowMs - first; { // a clock that was set back has gone far
	case since <= patience:
		return true
	case since <= 2*patience:
		return false
	}
	r.coldMs.CompareAndSwap(first, nowMs)
	return true
}

// warmed notes that a guest was there.
func (r *resident) warmed() {
	if r.coldMs.Load() != 0 {
		r.coldMs.Store(0)
	}
}
