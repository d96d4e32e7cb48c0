package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"idlehost/host/internal/fair"
	"idlehost/host/internal/policy"
)

// QuotaConfig configures a Quota. The zero value works.
type QuotaConfig struct {
	// Owner is the name of the owner: owners of different names take turns. "":
	// a name that no other Quota has.
	Owner string
	// FuelPerSecond is what the owner's policies together may use in the long
	// run, in units, new instances included; the fuel of two seconds can be
	// saved up. Seconds are of event time. 0: 50 million, 15 to 50 ms, 250 at most.
	FuelPerSecond int64
	// CPUPerSecond is the processor time that the owner's policies together may
	// use in a second of real time in worker processes; that of two seconds can
	// be saved up. 0: 20 ms, a fiftieth of one processor.
	CPUPerSecond time.Duration
	// LoadPerSecond is the processor time that the owner's jobs may take in a second
	// in the long run, at least 1 us: gate, meter, compiler, start, configure and the
	// questions of a check, also of modules that are refused. 0: 2.5 ms, a quarter of
	// a percent of one processor.
	LoadPerSecond time.Duration
	// LoadSaved is how much of this time can be saved up, and how much there is at
	// first. 0: 10 s.
	LoadSaved time.Duration
	// Charged is called with the processor time of each charge. nil: not called.
	Charged func(cpu time.Duration)
	// LoadQueue is how many jobs may wait for the one that runs. 0: 4.
	LoadQueue int
}

func (c QuotaConfig) fuelPerSecond() int64 {
	return fuelOrDefault(c.FuelPerSecond, standardFuelPerSecond)
}
func (c QuotaConfig) cpuPerSecond() time.Duration {
	return orDefault(c.CPUPerSecond, 20*time.Millisecond)
}
func (c QuotaConfig) loadPerSecond() time.Duration {
	return orDefault(c.LoadPerSecond, 2500*time.Microsecond)
}
func (c QuotaConfig) loadSaved() time.Duration { return orDefault(c.LoadSaved, 10*time.Second) }
func (c QuotaConfig) loadQueue() int           { return orDefault(c.LoadQueue, 4) }

// Quota bounds what one owner, a tenant, uses over all its policies: fuel, which a
// reload does not refill, and processor time for loading and checking. Of an owner's
// jobs one runs at a time. Safe for concurrent use; NewQuota makes one. It may serve
// several engines, and nil bounds nothing.
type Quota struct {
	owner    string
	fuelRate *fuelRate
	cpuRate  *cpuRate
	queue    int
	saved    time.Duration // that loading can have saved up
	charged  func(cpu time.Duration)
	loading  chan struct{} // holds one while a job runs

	mu    sync.Mutex // guards the following fields
	users int        // jobs that run or wait
	load  fair.Allowance
	spent time.Duration // in all
}

// NewQuota returns an unused quota.
func NewQuota(cfg QuotaConfig) *Quota {
	q := &Quota{
		owner:    cfg.Owner,
		fuelRate: newFuelRate(cfg.fuelPerSecond()),
		cpuRate:  newCPURate(cfg.cpuPerSecond()),
		queue:    cfg.loadQueue(),
		saved:    cfg.loadSaved(),
		charged:  cfg.Charged,
		loading:  make(chan struct{}, 1),
		load:     fair.NewAllowance(cfg.loadSaved(), cfg.loadPerSecond()),
	}
	if q.owner == "" {
		q.owner = fmt.Sprintf("%p", q)
	}
	return q
}

// name returns the owner whose turns the jobs take: the operator if there is no
// Quota.
func (q *Quota) name() string {
	if q == nil {
		return fair.Operator
	}
	return q.owner
}

// SetFuelPerSecond changes the rate from now on, as QuotaConfig has it; what is
// saved up beyond two seconds of the new rate is lost. Nil has no rate.
func (q *Quota) SetFuelPerSecond(units int64) {
	if q != nil {
		q.fuelRate.setRate(QuotaConfig{FuelPerSecond: units}.fuelPerSecond())
	}
}

// FuelPerSecond returns the rate in force, in units; 0 where nothing is bounded.
func (q *Quota) FuelPerSecond() int64 {
	if q == nil {
		return 0
	}
	return q.fuelRate.perSecond.Load()
}

// LoadSaved returns how much processor time for loading can be saved up; 0
// where nothing is bounded.
func (q *Quota) LoadSaved() time.Duration {
	if q == nil {
		return 0
	}
	return q.saved
}

// LoadRateError says that an owner has used up its processor time for loading.
type LoadRateError struct {
	// After is the time after which another load may be tried, at least 1 ns.
	After time.Duration
}

// Error returns one line.
func (e *LoadRateError) Error() string {
	up := (e.After + time.Second - 1).Truncate(time.Second)
	return fmt.Sprintf("loading policies has used up its processor time, try again in %v", up)
}

// errQueue refuses a load if QuotaConfig.LoadQueue are waiting.
var errQueue = errors.New("too many loads of this owner wait for one another")

// overQuota turns an error of enter into a FaultError, unless it is a context's.
func overQuota(name string, err error) error {
	fault := policy.FaultRate
	if errors.Is(err, errQueue) {
		fault = policy.FaultBusy
	} else if !errors.As(err, new(*LoadRateError)) {
		return err
	}
	return &FaultError{Policy: name, Step: "quota", Fault: fault, Err: err}
}

// RetryAfter returns the time after which a load may be tried; 0: now. A server asks
// before it reads an upload.
func (q *Quota) RetryAfter() time.Duration {
	if q == nil {
		return 0
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.load.Overdrawn(time.Now())
}

// Charge subtracts processor time that was used for the owner outside of Load, such
// as receiving an upload, from what is left for loading. It may overdraw.
func (q *Quota) Charge(cpu time.Duration) {
	if q == nil {
		return
	}
	q.mu.Lock()
	q.useLocked(cpu)
	q.mu.Unlock()
	q.notifyCharged(cpu)
}

func (q *Quota) useLocked(cpu time.Duration) {
	q.load.Use(time.Now(), cpu)
	q.spent += max(cpu, 0)
}

func (q *Quota) notifyCharged(cpu time.Duration) {
	if q.charged != nil && cpu > 0 {
		q.charged(cpu)
	}
}

// Spent returns the processor time that the owner was charged in all. Nil is
// charged nothing.
func (q *Quota) Spent() time.Duration {
	if q == nil {
		return 0
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.spent
}

// Left returns the processor time that is saved up; 0 where there is a debt.
func (q *Quota) Left() time.Duration {
	if q == nil {
		return 0
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.load.Left(time.Now())
}

// enter waits until no other job of the owner runs. The error is that of ctx,
// errQueue, or a *LoadRateError; without one, leave is due.
func (q *Quota) enter(ctx context.Context) error {
	if q == nil {
		return nil
	}
	if err := q.enqueue(); err != nil {
		return err
	}
	select {
	case q.loading <- struct{}{}:
	case <-ctx.Done():
		q.dequeue(0)
		return ctx.Err()
	}
	// The job before may have used what was left.
	if after := q.RetryAfter(); after > 0 {
		q.leave(0)
		return &LoadRateError{after}
	}
	return nil
}

// enqueue counts a job that wants to run.
func (q *Quota) enqueue() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if after := q.load.Overdrawn(time.Now()); after > 0 {
		return &LoadRateError{after}
	}
	if q.users > q.queue {
		return errQueue
	}
	q.users++
	return nil
}

// leave charges a job that took cpu, and lets the next one run.
func (q *Quota) leave(cpu time.Duration) {
	if q == nil {
		return
	}
	q.dequeue(cpu)
	<-q.loading
	q.notifyCharged(cpu)
}

func (q *Quota) dequeue(cpu time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.users--
	q.useLocked(cpu)
}

// fuelRate returns the owner's fuel rate, or where there is no owner a new one.
func (s *Source) fuelRate(perSecond int64) *fuelRate {
	if s.Quota == nil || s.OwnFuel {
		return newFuelRate(perSecond)
	}
	return s.Quota.fuelRate
}
