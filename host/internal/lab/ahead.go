package lab

import (
	"errors"
	"io"
	"slices"

	"idlehost/host/internal/trace"
	"idlehost/sdk/abi"
)

// kindStir is made by ahead: the first byte of a request that a later record
// tells of has come.
const kindStir = trace.Kind(255)

// live is the origin of what a host has recorded: only there are decisions.
const live = "live"

// window is how far ahead, in nanoseconds, a live recording is looked into, and
// most the records that takes: a look that was so late on the host, for want of
// a processor, is late in the replay.
const (
	window = int64(1e9)
	most   = 1 << 16
)

// ahead reads a live recording a little ahead, for what a record tells of the
// time before it: when a request's first byte came, and when exactly the host
// asked. Records keep their order, which is that of what happened; their times
// may step back.
type ahead struct {
	src   trace.Source
	exact *exact
	live  bool
	ended error
	last  taken
	queue []trace.Record
	head  int
}

// taken is the record that was read last.
type taken struct {
	kind trace.Kind
	conn uint64
}

func newAhead(src trace.Source, x *exact) *ahead {
	return &ahead{src: src, exact: x, live: src.Header().Origin == live}
}

// Next is as a trace.Source has it.
func (a *ahead) Next(r *trace.Record) error {
	if !a.live {
		return a.src.Next(r)
	}
	if err := a.fill(); err != nil {
		return err
	}
	if a.head == len(a.queue) {
		return io.EOF
	}
	next := &a.queue[a.head]
	*r = *next
	*next = trace.Record{}
	if a.head++; a.head > most && a.head > len(a.queue)/2 {
		a.queue = append(a.queue[:0], a.queue[a.head:]...)
		a.head = 0
	}
	return nil
}

func (a *ahead) fill() error {
	for a.ended == nil && a.wants() {
		var r trace.Record
		if a.ended = a.src.Next(&r); a.ended != nil {
			break
		}
		a.take(&r)
	}
	if a.ended != nil && !errors.Is(a.ended, io.EOF) {
		return a.ended
	}
	return nil
}

func (a *ahead) wants() bool {
	n := len(a.queue) - a.head
	return n == 0 || a.queue[len(a.queue)-1].Kind == trace.KindAsk || n < most && a.queue[len(a.queue)-1].Time-a.queue[a.head].Time < window
}

func (a *ahead) take(r *trace.Record) {
	r.Own()
	switch {
	case r.Kind == trace.KindBegin && r.Since > 0:
		a.stir(r.Conn, r.Time-r.Since)
	case r.Kind == trace.KindAsk && r.Ask != nil && r.Ask.Kind != uint8(abi.KindClose):
		a.exact.add(r)
	case r.Kind == trace.KindAnswer && enforced(r.Answer):
		last := &a.last
		a.exact.answered(r, last.kind == trace.KindAsk && last.conn == r.Conn)
	}
	a.last = taken{r.Kind, r.Conn}
	a.queue = append(a.queue, *r)
}

// furthest is how many records a stir is put back at most.
const furthest = 1 << 12

// stir puts the first byte of a request among the records before it: by its
// time, but behind all of the same lane. Times of others may step back. An answer
// that was dropped behind which nothing has happened to the lane was dropped for
// that byte.
func (a *ahead) stir(lane uint64, at int64) {
	i := len(a.queue)
	for least := max(a.head, i-furthest); i > least && a.passes(i-1, lane, at); {
		i--
	}
	a.queue = slices.Insert(a.queue, i, trace.Record{Kind: kindStir, Time: at, Conn: lane})
}

// passes reports whether the first byte of a request belongs before a record.
func (a *ahead) passes(i int, lane uint64, at int64) bool {
	r := &a.queue[i]
	if r.Conn == lane {
		return r.Kind == trace.KindAnswer && r.Answer.Dropped
	}
	return r.Time > at
}
