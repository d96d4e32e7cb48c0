package app

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"idlehost/host/internal/api"
	"idlehost/host/internal/config"
	"idlehost/host/internal/control"
	"idlehost/host/internal/observe"
	"idlehost/host/internal/space"
	"idlehost/host/internal/store"
)

// storage keeps what tenants have on the disks within bounds: the store, and
// recordings that were begun over the API.
type storage struct {
	tenants *tenants
	logger  *slog.Logger
	store   store.Store // nil: none is configured
	tapes   *tapes      // nil: no directory for recordings is configured
	ledger  *space.Ledger
	disk    *space.Disk // of the store; nil: none is configured

	mu    sync.Mutex // guards the following
	lack  int64      // bytes that were refused for want of room, at most
	short string     // why uploads are refused, as it was logged last
}

// newStorage counts what is there.
func newStorage(c *config.Config, st store.Store, ms *tenants, logger *slog.Logger, metrics *observe.Metrics) *storage {
	s := &storage{tenants: ms, logger: logger, store: st}
	var counters []space.Counter
	if s.store != nil {
		s.disk = space.NewDisk(c.Store.Dir, ms.reserveBytes)
		counters = append(counters, stored{s.store})
	}
	if c.Record.Dir != "" {
		s.tapes = newTapes(c.Record.Dir)
		counters = append(counters, s.tapes)
	}
	s.ledger = space.NewLedger(s.limit, func() int64 { return int64(ms.configured().Store.MaxBytes) }, counters...)
	metrics.WatchStorage(s.look)
	return s
}

// stored is the store as a ledger counts it.
type stored struct{ store.Store }

// Used is what a tenant has in the store.
func (s stored) Used(tenant string) int64 {
	u := s.Usage(tenant)
	return u.Policies + u.States
}

// reserveBytes are left free on every disk.
func (ms *tenants) reserveBytes() int64 { return int64(ms.configured().Store.ReserveBytes) }

// limit is what a tenant may have; 0: any number.
func (s *storage) limit(tenant string) int64 {
	own := int64(0)
	if m := s.tenants.get(tenant); m != nil {
		own = int64(m.snapshot.Load().spec.Limits.StoreBytes)
	}
	if own > 0 {
		return own
	}
	return int64(s.tenants.configured().Store.TenantBytes)
}

// Claim sets bytes aside in the store.
func (s *storage) Claim(tenant string, own, all int64) (release func(), err error) {
	if s.disk != nil && all > 0 {
		err = s.disk.Room(all)
	}
	if err == nil {
		release, err = s.claim(tenant, own, all)
	}
	var full *space.LimitError
	if err != nil && (!errors.As(err, &full) || full.Owner == "") {
		s.mu.Lock()
		s.lack = max(s.lack, all)
		s.mu.Unlock()
	}
	return release, err
}

// claim sets bytes aside on whatever disk. Recordings may have been removed by
// hand since they were counted.
func (s *storage) claim(tenant string, own, all int64) (release func(), err error) {
	release, err = s.ledger.Claim(tenant, own, all)
	if err != nil && s.tapes != nil && s.tapes.recount() {
		release, err = s.ledger.Claim(tenant, own, all)
	}
	return release, err
}

// claimTape returns what a recording of a tenant asks before it writes to a
// disk.
func (s *storage) claimTape(tenant string, disk *space.Disk) func(n int64) (done func(), err error) {
	return func(n int64) (func(), error) {
		if err := disk.Room(n); err != nil {
			return nil, err
		}
		release, err := s.claim(tenant, n, n)
		if err != nil {
			return nil, err
		}
		return func() { s.tapes.grow(tenant, n); release() }, nil
	}
}

// writeFailed is told of what could not be written to the store.
func (a *App) writeFailed(err error) {
	if a.storage != nil && a.storage.disk != nil {
		a.storage.disk.Failed(err)
	}
}

// reasons says why the uploads of every tenant are refused, if they are, and logs
// when that changes.
func (s *storage) reasons() (reasons []string) {
	why := s.full()
	s.mu.Lock()
	was := s.short
	s.short = why
	s.mu.Unlock()
	switch {
	case why != "" && was == "":
		s.logger.Error("uploads are refused until there is room again", "reason", why)
	case why == "" && was != "":
		s.logger.Info("there is room again, uploads go on")
	}
	if why != "" {
		reasons = append(reasons, "store: "+why+": uploads are refused")
	}
	return reasons
}

// full is why there is no room, for anything or for what was refused last; "":
// there is.
func (s *storage) full() string {
	if s.disk == nil {
		return ""
	}
	s.mu.Lock()
	lack := s.lack
	s.mu.Unlock()
	if err := s.disk.Room(lack); err != nil {
		return err.Error()
	}
	limit := int64(s.tenants.configured().Store.MaxBytes)
	if used := s.ledger.Size(); limit > 0 && used+max(lack, 1) > limit {
		return fmt.Sprintf("tenants have %s of at most %s", space.Text(used), space.Text(limit))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lack == lack {
		s.lack = 0
	}
	return ""
}

// of tells what a tenant has, and may have.
func (s *storage) of(tenant string) (has api.Storage, limit int64) {
	if s.store != nil {
		u := s.store.Usage(tenant)
		has.Policies, has.Unswept, has.Learned = u.Policies, u.Unnamed, u.States
	}
	if s.tapes != nil {
		s.tapes.recount()
		has.Recordings = s.tapes.Used(tenant)
	}
	has.Used = has.Policies + has.Learned + has.Recordings
	return has, s.limit(tenant)
}

// look is for the metrics.
func (s *storage) look() observe.Storage {
	if s.tapes != nil {
		s.tapes.recount()
	}
	o := observe.Storage{Free: -1, Used: s.ledger.Size(), Limit: int64(s.tenants.configured().Store.MaxBytes)}
	if s.disk != nil {
		if free, ok := s.disk.Free(); ok {
			o.Free = free
		}
	}
	for _, m := range s.tenants.all() {
		if used := s.ledger.Used(m.name); used > 0 {
			o.Tenants = append(o.Tenants, observe.TenantStorage{Name: m.name, Used: used, Limit: s.limit(m.name)})
		}
	}
	return o
}

var _ control.Space = (*storage)(nil)
