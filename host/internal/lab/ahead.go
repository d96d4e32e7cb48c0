package lab

import (
	"container/heap"
	"errors"
	"io"

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
	queue []trace.Record
	head  int
	stirs stirs
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
	if len(a.stirs) > 0 && a.stirs[0].at < next.Time {
		s := heap.Pop(&a.stirs).(stir)
		*r = trace.Record{Kind: kindStir, Time: s.at, Conn: s.lane}
		return nil
	}
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
	return n == 0 || n < most && a.queue[len(a.queue)-1].Time-a.queue[a.head].Time < window
}

// take keeps a copy of what the record points to: it is the Source's.
func (a *ahead) take(r *trace.Record) {
	if r.Ask != nil {
		ask := *r.Ask
		r.Ask = &ask
	}
	if r.Rules != nil {
		rules := *r.Rules
		r.Rules = &rules
	}
	switch {
	case r.Kind == trace.KindBegin && r.Since > 0:
		heap.Push(&a.stirs, stir{r.Time - r.Since, r.Conn})
	case r.Kind == trace.KindAsk && enforced(r.Ask) && r.Ask.Event.Kind != uint8(abi.KindClose):
		a.exact.add(r)
	}
	a.queue = append(a.queue, *r)
}

// stir is the first byte of a request.
type stir struct {
	at   int64
	lane uint64
}

type stirs []stir

func (s stirs) Len() int { return len(s) }
func (s stirs) Less(i, j int) bool {
	return s[i].at < s[j].at || s[i].at == s[j].at && s[i].lane < s[j].lane
}
func (s stirs) Swap(i, j int) { s[i], s[j] = s[j], s[i] }
func (s *stirs) Push(x any)   { *s = append(*s, x.(stir)) }
func (s *stirs) Pop() any {
	last := len(*s) - 1
	x := (*s)[last]
	*s = (*s)[:last]
	return x
}
