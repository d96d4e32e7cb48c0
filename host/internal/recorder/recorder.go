// Package recorder takes down the lives of connections while they are lived:
// it is the tape of any number of tenants' accounts, and writes what it is told
// to a file, or several, in the format of package trace. Traffic never waits
// for it: what does not fit into its memory is left out, and counted.
package recorder

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"idlehost/host/internal/trace"
)

// Everybody is the Sample that takes down every client.
const Everybody = 1 << 16

// Bounds and defaults of Config.MaxSize, in bytes.
const (
	MinSize     = 1 << 20
	DefaultSize = 1 << 30
)

// Config configures a Recorder.
type Config struct {
	// File is what is written. The next ones are called after it: "a.trace",
	// "a-2.trace". One that is there is not written over: the one after it is
	// begun. Required.
	File string
	// Start is the wall clock at time 0 of the idle layer, Unix nanoseconds, and
	// Granularity the step of its coarse clock, nanoseconds. Required.
	Start, Granularity int64
	// Begin is the time of the idle layer now, nanoseconds. Each file counts
	// from when it was begun: what connections have done before is negative.
	Begin int64
	// Host is what writes, such as "host v1.2.3".
	Host string
	// Sample is how many of Everybody clients are taken down, with all of their
	// connections. 0: all.
	Sample uint32
	// MaxSize bounds a file, in bytes. 0: DefaultSize; at least MinSize.
	MaxSize int64
	// Keep is how many complete files are left beside the current one, which
	// is followed by another when it is full. 0: the recording ends then.
	Keep int
	// Sync has what was written survive not only the process but the machine,
	// once a second.
	Sync bool
	// Claim is asked for room before bytes are written to a file; done is called
	// when they are there. An error ends the recording, which is Err then. nil:
	// there is room.
	Claim func(n int64) (done func(), err error)
	// Renew is called when another file was begun: it has to set the tapes of
	// accounts again, so that their connections are introduced in it. It must
	// not call Close. Required with Keep.
	Renew func()
	// Lost is told how many records of a tenant's were left out since the last
	// time. It must not call Close. nil: nobody is told.
	Lost func(tenant string, records uint64)
	// Ended is called once, where the recording ends before Close: ErrFull, or
	// what went wrong. It must not call Close. nil: nobody is told.
	Ended func(error)
}

// ErrFull is why a recording has ended that has got as large as it may.
var ErrFull = errors.New("the recording has got as large as it may")

// Times of the writing goroutine.
const (
	flushEvery = time.Second            // what a crash costs
	drainEvery = 100 * time.Millisecond // how long records wait in the ring
)

// Recorder writes a recording. Create it with New. Safe for concurrent use.
type Recorder struct {
	cfg   Config
	ring  *ring
	pick  key       // of who is sampled
	boxes sync.Pool // of *whole

	dropped  atomic.Uint64 // records that there was no room for
	shared   atomic.Bool   // there is more than one tape
	sleeping atomic.Bool   // the writer waits for the first record
	over     atomic.Bool   // nothing is taken down any more
	kick     chan struct{}
	stop     chan struct{}
	done     chan struct{}
	stopping sync.Once

	mu       sync.Mutex // guards the following
	tenants  []*state   // by number, from 1 on
	tapes    []*Tape    // the same
	files    []string   // series.names
	names    map[string]*Tape
	overflow []*whole // what has to be written, and did not fit into the ring
	stats    Stats
	err      error

	// the writer's
	known  []*Tape // tapes, or those of a while ago
	series series
	out    *trace.Writer
	pseudo key // of the current file
	lost   uint64
	latest int64 // time of the last record
	asked  asked
	base   int64 // time 0 of the current file
	before uint64
}

// Stats is what a recording has come to.
type Stats struct {
	File    string // the current one
	Files   int    // made so far
	Records uint64 // written
	Dropped uint64 // left out for want of room
	Bytes   int64  // written, to all files
	Over    bool   // it has ended: the file is complete, and Err says why
}

// New makes the file and begins to record.
func New(cfg Config) (*Recorder, error) {
	if cfg.MaxSize == 0 {
		cfg.MaxSize = DefaultSize
	}
	if cfg.Sample == 0 {
		cfg.Sample = Everybody
	}
	switch {
	case cfg.File == "":
		return nil, errors.New("recording: no file is named")
	case cfg.Granularity <= 0:
		return nil, errors.New("recording: no step of the clock")
	case cfg.MaxSize < MinSize:
		return nil, fmt.Errorf("recording: files of %d bytes: want at least %d", cfg.MaxSize, MinSize)
	case cfg.Sample > Everybody:
		return nil, fmt.Errorf("recording: %d of %d clients", cfg.Sample, Everybody)
	case cfg.Keep < 0 || cfg.Keep > 0 && cfg.Renew == nil:
		return nil, fmt.Errorf("recording: %d files kept", cfg.Keep)
	}
	r := &Recorder{
		cfg: cfg, ring: newRing(slots), pick: newKey(), names: map[string]*Tape{},
		kick: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}),
		series: series{name: cfg.File, keep: cfg.Keep, sync: cfg.Sync, claim: cfg.Claim}, latest: cfg.Begin,
	}
	r.boxes.New = func() any { return new(whole) }
	if err := r.series.resume(); err != nil {
		return nil, err
	}
	if err := r.begin(); err != nil {
		return nil, errors.Join(err, r.series.abandon())
	}
	go r.run()
	return r, nil
}

// Close writes what there is and completes the file. Nothing is taken down any
// more. Its error is that of Err. Idempotent.
func (r *Recorder) Close() error {
	r.stopping.Do(func() {
		r.over.Store(true)
		close(r.stop)
	})
	<-r.done
	return r.Err()
}

// Err is what has gone wrong; ErrFull where nothing has but the recording ended
// before it was closed; nil: it goes on, or was closed.
func (r *Recorder) Err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// Stats tells how far the recording is; its bytes are up to a second old.
func (r *Recorder) Stats() Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.stats
	s.Dropped = r.dropped.Load()
	return s
}

// tryPush hands the writer a record of the recording's own state, or w where
// that is not nil, if there is room.
func (r *Recorder) tryPush(rec *trace.Record, w *whole) bool {
	at, ok := r.ring.claim()
	if ok {
		r.fill(at, rec, 0, w)
	}
	return ok
}

// fill puts a record at the place claimed for it, and has the writer look.
func (r *Recorder) fill(at uint64, rec *trace.Record, tenant uint32, w *whole) {
	r.ring.fill(at, rec, tenant, w)
	// The writer looks often enough, unless it sleeps, or a burst comes.
	if at&(slots/2-1) == 0 || r.sleeping.Load() && r.sleeping.Swap(false) {
		select {
		case r.kick <- struct{}{}:
		default:
		}
	}
}
