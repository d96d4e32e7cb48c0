package recorder

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"idlehost/host/internal/policy"
	"idlehost/host/internal/trace"
)

// run is the goroutine that writes; Close ends it. It sleeps while there is
// nothing to record.
func (r *Recorder) run() {
	defer close(r.done)
	timer := time.NewTimer(drainEvery)
	defer timer.Stop()
	flushed := time.Now()
	for {
		stop := false
		select {
		case <-timer.C:
		case <-r.kick:
		case <-r.stop:
			stop = true
		}
		n, err := r.drain()
		if now := time.Now(); err == nil && (stop || now.Sub(flushed) >= flushEvery) {
			flushed = now
			err = r.flush()
			if n == 0 && !stop && r.sleep() {
				continue
			}
		}
		if err != nil || stop {
			r.end(err)
			return
		}
		timer.Reset(drainEvery)
	}
}

// sleep has the next record wake the writer, unless there is one already.
func (r *Recorder) sleep() bool {
	r.sleeping.Store(true)
	return r.ring.empty() || !r.sleeping.Swap(false)
}

// drain writes what is in the ring, and how many records were not.
func (r *Recorder) drain() (n int, err error) {
	var rec trace.Record
	for ; n < slots; n++ { // or it would never flush where records come as fast
		w, tenant, ok := r.ring.take(&rec)
		if !ok {
			break
		}
		if tenant > 0 {
			r.tape(tenant).queued.Add(-1)
		}
		if err := r.write(&rec); err != nil {
			return n, err
		}
		if err := r.release(w); err != nil {
			return n, err
		}
	}
	for _, w := range r.takeOverflow() {
		if err := r.write(&w.record); err != nil {
			return n, err
		}
		n++
	}
	if lost := r.dropped.Load() - r.lost; lost > 0 {
		r.lost += lost
		r.tellLost()
		if err := r.write(&trace.Record{Kind: trace.KindLost, Count: min(lost, trace.MaxCount)}); err != nil {
			return n, err
		}
	}
	r.count()
	return n, nil
}

// tape returns the tape of a number that there is.
func (r *Recorder) tape(number uint32) *Tape {
	if int(number) > len(r.known) {
		r.mu.Lock()
		r.known = r.tapes
		r.mu.Unlock()
	}
	return r.known[number-1]
}

// tellLost tells whose records were left out.
func (r *Recorder) tellLost() {
	if r.cfg.Lost == nil {
		return
	}
	r.mu.Lock()
	r.known = r.tapes
	r.mu.Unlock()
	for _, t := range r.known {
		if n := t.dropped.Load() - t.told; n > 0 {
			t.told += n
			r.cfg.Lost(t.state.name, n)
		}
	}
}

func (r *Recorder) takeOverflow() []*whole {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := r.overflow
	r.overflow = nil
	return list
}

// release writes the answer that a question was handed over with, if w is one
// that has been written, and keeps w for the next.
func (r *Recorder) release(w *whole) error {
	if w == nil || w.record.Ask == nil && w.record.Answer == nil {
		return nil
	}
	defer r.boxes.Put(w)
	if !w.answered {
		return nil
	}
	return r.put(&trace.Record{Kind: trace.KindAnswer, Time: w.record.Time, Conn: w.record.Conn, Answer: &w.answer})
}

// write writes one record, to the next file if it does not fit into this one.
func (r *Recorder) write(rec *trace.Record) error {
	switch rec.Kind {
	case trace.KindTenant, trace.KindPolicy, trace.KindRules, trace.KindLost:
		rec.Time = r.latest
	case trace.KindAnswer:
		r.exact(rec)
	case trace.KindAsk:
		r.asked = asked{rec.Conn, rec.Time}
	}
	r.latest = max(r.latest, rec.Time)
	const most = 2 << 10 // bytes of any record without its texts, and of an answer beside a question
	if r.out.Size()+most+int64(len(rec.Name)+len(rec.Params)) > r.cfg.MaxSize {
		if err := r.turn(); err != nil {
			return err
		}
	}
	return r.put(rec)
}

// asked is the last question that was written.
type asked struct {
	conn uint64
	time int64
}

// exact gives an answer the question's time where it is that to the millisecond,
// as a shadow's is.
func (r *Recorder) exact(rec *trace.Record) {
	if q := r.asked; rec.Answer.Verdict.Role == policy.RoleShadow && q.conn == rec.Conn && q.time > rec.Time && q.time-rec.Time < 1e6 {
		rec.Time = q.time
	}
}

// put writes one record with the file's times and pseudonyms.
func (r *Recorder) put(rec *trace.Record) error {
	rec.Time -= r.base
	rec.Client = r.pseudo.of(rec.Client)
	if rec.Ask != nil {
		rec.Ask.Client = r.pseudo.of(rec.Ask.Client)
	}
	if err := r.out.Write(rec); err != nil {
		r.dropped.Add(1) // the record is to blame, unless the file is
		return r.out.Flush()
	}
	return nil
}

// turn goes on with another file, if there is to be one.
func (r *Recorder) turn() error {
	if err := r.flush(); err != nil {
		return err
	}
	if r.cfg.Keep == 0 {
		return ErrFull
	}
	if err := r.begin(); err != nil {
		return err
	}
	r.cfg.Renew()
	return nil
}

// begin opens a file, under a new key, and says what it has to begin with.
func (r *Recorder) begin() error {
	if r.out != nil {
		r.before += r.out.Records()
	}
	r.base = r.latest - r.latest%r.cfg.Granularity // what is in steps stays so
	if err := r.series.next(); err != nil {        // without mu: a disk may be slow
		return err
	}
	r.mu.Lock()
	var list []trace.Record
	for _, s := range r.tenants {
		list = append(list, s.records(r.latest-r.base)...)
	}
	r.mu.Unlock()
	r.pseudo = newKey()
	var err error
	r.out, err = r.series.open(trace.Header{
		Start: r.cfg.Start + r.base, Granularity: r.cfg.Granularity, Sample: r.cfg.Sample, Host: r.cfg.Host, Origin: "live",
	})
	if err != nil {
		return err
	}
	for i := range list {
		if err := r.out.Write(&list[i]); err != nil {
			return err
		}
	}
	if r.out.Size() > r.cfg.MaxSize/2 {
		return fmt.Errorf("recording: files of %d bytes are too small for %d tenants", r.cfg.MaxSize, len(list))
	}
	if err := r.out.Flush(); err != nil { // the header is never without its tenants
		return err
	}
	r.count()
	return nil
}

func (r *Recorder) flush() error {
	if err := r.out.Flush(); err != nil {
		return err
	}
	r.count()
	return r.series.flushed()
}

// count tells Stats.
func (r *Recorder) count() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.files = slices.Clone(r.series.names)
	r.stats.File, r.stats.Files = r.files[len(r.files)-1], r.series.made
	r.stats.Records = r.before + r.out.Records()
	r.stats.Bytes = r.series.size + r.out.Size()
}

// end completes the file. err is why, if not Close.
func (r *Recorder) end(err error) {
	r.over.Store(true)
	if closed := r.series.close(); closed != nil && (err == nil || errors.Is(err, ErrFull)) {
		err = fmt.Errorf("recording: %w", closed)
	}
	r.mu.Lock()
	r.err, r.overflow, r.stats.Over = err, nil, true
	r.mu.Unlock()
	if err != nil && r.cfg.Ended != nil {
		r.cfg.Ended(err)
	}
}
