package app

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"idlehost/host/internal/config"
	"idlehost/host/internal/idle"
	"idlehost/host/internal/observe"
	"idlehost/host/internal/recorder"
	"idlehost/host/internal/space"
)

// recordings are what is written down of connections' lives: the configured
// one, of all tenants or some, and one for each tenant that an operator has
// asked for.
type recordings struct {
	recordingsConfig
	all     atomic.Pointer[recorder.Recorder] // nil: none is configured
	started time.Time                         // when all was

	// mu is never held while a recording is made, for which a disk is waited
	// for, nor while one is closed: it may be about to tell how it ended.
	mu    sync.Mutex // guards the following
	solo  map[string]*solo
	begun map[string]bool // of tenants whose recording is about to begin
	past  recorder.Stats  // of those of tenants that nobody can ask about any more
}

// recordingsConfig is what recordings are made with.
type recordingsConfig struct {
	config.Record
	version  string // of the host
	tenants  *tenants
	governor *idle.Governor
	storage  *storage
	logger   *slog.Logger
	metrics  *observe.Metrics
}

// solo is the recording of one tenant.
type solo struct {
	*recorder.Recorder
	tenantRuntime *tenantRuntime
	tape          *recorder.Tape
	started       time.Time
	sample        float64
	size          int64
	by            string
}

func newRecordings(cfg recordingsConfig) *recordings {
	return &recordings{recordingsConfig: cfg, solo: map[string]*solo{}, begun: map[string]bool{}}
}

// start begins the configured recording, before there are connections.
func (rs *recordings) start(c *config.Config) error {
	rs.metrics.WatchRecordings(rs.sums)
	if c.Record.File == "" {
		return nil
	}
	cfg := rs.configOf(c.Record.File, 0, c.Record.Sample, int64(c.Record.MaxSize))
	cfg.Keep, cfg.Renew = c.Record.Keep, rs.renew
	disk := space.NewDisk(filepath.Dir(c.Record.File), rs.tenants.reserveBytes)
	cfg.Claim = func(n int64) (func(), error) { return func() {}, disk.Room(n) }
	cfg.Ended = func(err error) {
		file := c.Record.File
		if all := rs.all.Load(); all != nil { // nil: it has ended before it is known here
			file = all.Stats().File
		}
		rs.over(file, err)
		for _, m := range rs.tenants.all() {
			m.dropOver()
		}
	}
	all, err := recorder.New(cfg)
	if err != nil {
		return c.Problem("record.file", err.Error(), "")
	}
	rs.started = time.Now()
	rs.all.Store(all)
	file := all.Stats().File
	if file != c.Record.File {
		rs.logger.Warn("an earlier recording is there and left alone", "file", c.Record.File, "next", file)
	}
	rs.logger.Info("recording", "file", file, "sample", c.Record.Sample, "max_size", c.Record.MaxSize.String())
	return nil
}

// configOf is what recordings have in common. begin is the idle layer's time.
func (rs *recordings) configOf(file string, begin int64, sample float64, size int64) recorder.Config {
	g := rs.governor
	return recorder.Config{
		File: file, Start: g.Epoch().UnixNano(), Begin: begin, Granularity: int64(g.Granularity()), Host: "host " + rs.version,
		Sample: uint32(max(sample*recorder.Everybody, 1)), MaxSize: size, Sync: rs.Record.Sync,
		Lost: func(tenant string, records uint64) {
			if rs.tenants.get(tenant) != nil {
				rs.metrics.Unrecorded(tenant, records)
			}
		},
	}
}

// join has a new tenant recorded, if it is to be.
func (rs *recordings) join(m *tenantRuntime) {
	if all := rs.all.Load(); all != nil && (len(rs.Record.Tenants) == 0 || slices.Contains(rs.Record.Tenants, m.name)) {
		m.setTape(all.Tenant(m.name))
	}
}

// renew introduces all connections to the file that has just been begun.
func (rs *recordings) renew() {
	all := rs.all.Load()
	for _, m := range rs.tenants.all() {
		if t := m.taping.tape.Load(); t != nil && t.Of(all) {
			m.renewTape(t)
		}
	}
}

// over says how a recording has ended that nobody has stopped.
func (rs *recordings) over(file string, err error) {
	if sayOver(err) != unknownEnd {
		rs.logger.Warn("recording has ended", "file", file, "reason", err)
	} else {
		rs.logger.Error("recording has failed, traffic goes on", "file", file, "error", err)
	}
}

// sums is what all recordings together have come to.
func (rs *recordings) sums() (records, dropped uint64, bytes int64) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	records, dropped, bytes = rs.past.Records, rs.past.Dropped, rs.past.Bytes
	add := func(r *recorder.Recorder) {
		s := r.Stats()
		records, dropped, bytes = records+s.Records, dropped+s.Dropped, bytes+s.Bytes
	}
	if all := rs.all.Load(); all != nil {
		add(all)
	}
	for _, s := range rs.solo {
		add(s.Recorder)
	}
	return records, dropped, bytes
}

var (
	errNoDir  = errors.New("no directory for recordings is configured")
	errTaped  = errors.New("it is recorded already")
	errNoTape = errors.New("there is no recording of it that was begun over the API")
)

// begin records one tenant, of which sample is the part of its clients and size
// the bound of the file; what is more than the configuration allows is less.
func (rs *recordings) begin(m *tenantRuntime, by string, sample float64, size int64) error {
	if rs.Record.Dir == "" {
		return errNoDir
	}
	if err := os.MkdirAll(rs.Record.Dir, 0o700); err != nil {
		return fmt.Errorf("recording: %w", err)
	}
	if !rs.reserve(m) {
		return errTaped
	}
	defer rs.release(m.name)
	s := &solo{tenantRuntime: m, started: time.Now(), by: by, sample: sample, size: size}
	if s.sample = min(sample, rs.Record.Sample); sample == 0 {
		s.sample = rs.Record.Sample
	}
	if s.size = min(size, int64(rs.Record.MaxSize)); size == 0 {
		s.size = int64(rs.Record.MaxSize)
	}
	// The name is the host's choice: nothing of it comes from a request but
	// the name of a tenant that there is.
	file := filepath.Join(rs.Record.Dir, tapeName(m.name, s.started))
	cfg := rs.configOf(file, rs.governor.Now(), s.sample, s.size)
	cfg.Claim = rs.storage.claimTape(m.name, space.NewDisk(rs.Record.Dir, rs.tenants.reserveBytes))
	cfg.Ended = func(err error) {
		rs.over(file, err)
		m.dropOver()
	}
	if old := rs.of(m.name); old != nil {
		old.Close() // it is over, and has told why; now nothing of it runs any more
	}
	var err error
	if s.Recorder, err = recorder.New(cfg); err != nil {
		return err
	}
	s.tape = s.Recorder.Tenant(m.name)
	rs.mu.Lock()
	if old := rs.solo[m.name]; old != nil {
		rs.buryLocked(old)
	}
	rs.solo[m.name] = s
	rs.mu.Unlock()
	m.setTape(s.tape)
	m.dropOver() // it may have been stopped meanwhile
	rs.logger.Info("recording", "tenant", m.name, "file", file, "sample", s.sample, "by", by)
	select {
	case <-m.gone: // it may have been forgotten before its recording was known
		return rs.forget(m)
	default:
		return nil
	}
}

// reserve has nobody else begin a recording of a tenant, until release. It
// returns false if there is one, or is about to be.
func (rs *recordings) reserve(m *tenantRuntime) bool {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if rs.begun[m.name] || m.taped() {
		return false
	}
	rs.begun[m.name] = true
	return true
}

func (rs *recordings) release(name string) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	delete(rs.begun, name)
}

// buryLocked keeps the numbers of a recording that has ended.
func (rs *recordings) buryLocked(s *solo) {
	n := s.Stats()
	rs.past.Records += n.Records
	rs.past.Dropped += n.Dropped
	rs.past.Bytes += n.Bytes
}

// stop ends the recording of a tenant; errNoTape where there is none that an
// operator has begun.
func (rs *recordings) stop(name, by string) error {
	s := rs.of(name)
	if s == nil {
		return errNoTape
	}
	s.tenantRuntime.dropTape(s.tape)
	err := s.Close()
	rs.logger.Info("recording stopped", "tenant", name, "file", s.Stats().File, "by", by)
	if sayOver(err) != unknownEnd { // it had ended before, and Recording tells why
		return nil
	}
	return err
}

// of is the last recording of a tenant that an operator has begun; nil: none.
func (rs *recordings) of(name string) *solo {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	return rs.solo[name]
}

// forget ends the recording of a tenant that is no more. Its file stays.
func (rs *recordings) forget(m *tenantRuntime) error {
	name := m.name
	s := rs.of(name)
	if s == nil || s.tenantRuntime != m {
		return nil
	}
	s.tenantRuntime.dropTape(s.tape)
	err := s.Close()
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if rs.solo[name] == s {
		rs.buryLocked(s)
		delete(rs.solo, name)
	}
	return err
}

// close ends all recordings.
func (rs *recordings) close() error {
	rs.mu.Lock()
	list := make([]*recorder.Recorder, 0, len(rs.solo)+1)
	for _, s := range rs.solo {
		list = append(list, s.Recorder)
	}
	rs.mu.Unlock()
	if all := rs.all.Load(); all != nil {
		list = append(list, all)
	}
	var errs []error
	for _, r := range list {
		ended := r.Stats().Over // what it was has been told already
		if err := r.Close(); err != nil && !ended {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
