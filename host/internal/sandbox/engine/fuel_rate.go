package engine

import (
	"sync"
	"sync/atomic"
)

// fuelRate is how much fuel an owner's policies may use as time goes by: a token
// bucket. Times are event times in Unix milliseconds, so that a replay is
// limited as production was. What is used may exceed what is left by one call
// or one start of each policy; it is paid back before the next.
//
// Questions of several policies come at once, so neither open nor use locks, except
// for the first caller of a new millisecond, which earns.
type fuelRate struct {
	perSecond atomic.Int64 // units
	left      atomic.Int64 // thousandths of a unit, what perSecond earns in a ms

	earning sync.Mutex    // held to write atMs
	atMs    atomic.Uint64 // when left was counted
}

// burstMs is the time whose fuel can be saved up.
const burstMs = 2000

func newFuelRate(perSecond int64) *fuelRate {
	r := new(fuelRate)
	r.perSecond.Store(perSecond)
	r.left.Store(perSecond * burstMs)
	return r
}

// setRate changes the rate from now on. What is saved up stays, as far as it can be
// saved at the new rate.
func (r *fuelRate) setRate(perSecond int64) {
	r.perSecond.Store(perSecond)
	r.add(0)
}

// open reports whether there is fuel left at now.
func (r *fuelRate) open(now uint64) bool {
	if now != r.atMs.Load() {
		r.earn(now)
	}
	return r.left.Load() > 0
}

// earn adds what has been earned since the last time. A question that was
// asked a little before the last one earns nothing, and a clock that was set
// back starts anew.
func (r *fuelRate) earn(now uint64) {
	r.earning.Lock()
	defer r.earning.Unlock()
	switch at := r.atMs.Load(); {
	case now > at:
		r.add(int64(min(now-at, burstMs)) * r.perSecond.Load())
	case at-now < burstMs:
		return
	}
	r.atMs.Store(now)
}

// add gives thousandths of a unit, up to what can be saved.
func (r *fuelRate) add(earned int64) {
	for {
		left := r.left.Load()
		if r.left.CompareAndSwap(left, min(left+earned, r.perSecond.Load()*burstMs)) {
			return
		}
	}
}

func (r *fuelRate) use(units uint64) { r.left.Add(int64(units) * -1000) }
