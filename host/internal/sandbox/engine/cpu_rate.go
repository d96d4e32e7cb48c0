package engine

import (
	"sync"
	"time"

	"idlehost/host/internal/fair"
)

// cpuRate bounds the processor time that an owner's policies use in worker
// processes, by real time. That of two seconds can be saved up. The questions that
// are asked at one time may exceed what is left; the next ones wait until that is
// earned again.
type cpuRate struct {
	mu        sync.Mutex // guards the following fields
	perSecond time.Duration
	allowance fair.Allowance
	spent     time.Duration // in all
}

// cpuSaved is for how many seconds processor time can be saved up.
const cpuSaved = 2

func newCPURate(perSecond time.Duration) *cpuRate {
	return &cpuRate{perSecond: perSecond, allowance: fair.NewAllowance(cpuSaved*perSecond, perSecond)}
}

// setRate changes the rate from now on. What is saved up stays, as far as it can be
// saved at the new rate.
func (r *cpuRate) setRate(perSecond time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if perSecond == r.perSecond {
		return
	}
	r.allowance = r.allowance.Change(time.Now(), cpuSaved*perSecond, perSecond)
	r.perSecond = perSecond
}

func (r *cpuRate) open() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.allowance.Overdrawn(time.Now()) == 0
}

func (r *cpuRate) use(cpu time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.allowance.Use(time.Now(), cpu)
	r.spent += max(cpu, 0)
}

// MayAsk reports whether a policy of the owner's may be asked in a worker: whether
// fuel and processor time are left. nowMs is the event's time, by which fuel is
// earned; processor time is earned by real time.
func (q *Quota) MayAsk(nowMs uint64) bool {
	return q == nil || q.fuelRate.open(nowMs) && q.cpuRate.open()
}

// Asked charges what questions have used in a worker.
func (q *Quota) Asked(fuel uint64, cpu time.Duration) {
	if q == nil {
		return
	}
	q.fuelRate.use(fuel)
	q.cpuRate.use(cpu)
}

// SetCPUPerSecond changes the rate from now on, as QuotaConfig has it; what is
// saved up beyond two seconds of the new rate is lost. Nil has no rate.
func (q *Quota) SetCPUPerSecond(cpu time.Duration) {
	if q != nil {
		q.cpuRate.setRate(QuotaConfig{CPUPerSecond: cpu}.cpuPerSecond())
	}
}

// CPUPerSecond returns the rate in force; 0 where nothing is bounded.
func (q *Quota) CPUPerSecond() time.Duration {
	if q == nil {
		return 0
	}
	q.cpuRate.mu.Lock()
	defer q.cpuRate.mu.Unlock()
	return q.cpuRate.perSecond
}

// CPUSpent returns all processor time that the owner's policies have used in
// workers.
func (q *Quota) CPUSpent() time.Duration {
	if q == nil {
		return 0
	}
	q.cpuRate.mu.Lock()
	defer q.cpuRate.mu.Unlock()
	return q.cpuRate.spent
}
