package lab

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"idlehost/host/internal/idle"
	"idlehost/host/internal/lab/study"
	"idlehost/host/internal/policy"
	"idlehost/host/internal/trace"
	"idlehost/sdk/abi"
)

// exact has a replay of the very policy that was recorded ask when the host
// did, tell it what the host told that no replay could know, and compares the
// answers. Of the recorded questions it holds those that are a little ahead.
type exact struct {
	asks    map[uint64][]*question // by lane, in their order
	open    map[uint64][]*question // the same, as far as their answers were not read
	matched *question              // by the question that is being asked
	asker   *lane                  // whose question that is
	held    map[uint64][]*held     // by lane, answers that the host got later
	agrees  study.Agreement
}

// question is a recorded question and its answer.
type question struct {
	at     int64
	ask    *policy.Event // nil: it has been asked
	answer *trace.Answer // nil: it was not read, or is missing
	inside bool          // the answer was given inside the call, and applied
}

// enforced reports whether an answer was obeyed.
func enforced(a *trace.Answer) bool { return a != nil && a.Verdict.Role != policy.RoleShadow }

// mostOpen bounds the questions of a lane whose answers may follow. A connection
// has one, and there are those of the lane's earlier ones; the answers of others
// are missing.
const mostOpen = 4

func (x *exact) add(r *trace.Record) {
	if x.asks == nil {
		x.asks, x.open, x.held = map[uint64][]*question{}, map[uint64][]*question{}, map[uint64][]*held{}
	}
	q := &question{at: r.Time, ask: r.Ask}
	x.asks[r.Conn] = append(x.asks[r.Conn], q)
	open := append(x.open[r.Conn], q)
	x.open[r.Conn] = open[max(len(open)-mostOpen, 0):]
}

// answered adds an answer to its question: the lane's last, unless it was dropped,
// which may be because the lane's connection is another one since. next says that
// it is the record behind the question.
func (x *exact) answered(r *trace.Record, next bool) {
	open := x.open[r.Conn]
	if len(open) == 0 {
		return
	}
	i := len(open) - 1
	if r.Answer.Dropped && !next {
		i = 0
	}
	open[i].answer, open[i].inside = r.Answer, next && !r.Answer.Dropped && open[i].at == r.Time
	if open = slices.Delete(open, i, i+1); len(open) == 0 {
		delete(x.open, r.Conn)
	} else {
		x.open[r.Conn] = open
	}
}

// pending reports whether the lane's next recorded question has not been asked.
func (x *exact) pending(lane uint64) bool {
	q := x.asks[lane]
	return len(q) > 0 && q[0].ask != nil
}

// passed says that the lane's next recorded question lies behind.
func (x *exact) passed(lane uint64, count bool) {
	q := x.asks[lane]
	if len(q) == 0 {
		return
	}
	if q[0].ask != nil && count { // nobody has asked it
		x.agrees.Recorded++
		e := q[0].ask
		x.differs(lane, q[0], e.Asks, fmt.Sprintf("not asked, in phase %v, after %d ms", policy.Phase(e.Phase), e.IdleMs))
	}
	if q = q[1:]; len(q) == 0 {
		delete(x.asks, lane)
	} else {
		x.asks[lane] = q
	}
}

// late has a look that is due wait for the record of the question that the host
// is about to ask: what other connections do meanwhile comes before or after
// it as the recording has it, whose times may step back by a step of a coarse
// clock. It tells how quiet a tunnel had been then.
func (x *exact) late(l *lane, w *idle.Virtual, now int64) int64 {
	for _, q := range x.asks[l.number] {
		if q.ask == nil || q.ask.Kind != uint8(abi.KindTimeout) {
			continue
		}
		if e := q.ask; l.tunnel() {
			w.Touch(l.conn, q.at-int64(e.ReadMs)*1e6, q.at-int64(e.WriteMs)*1e6)
		}
		return idle.OnCall
	}
	return now
}

// complete finds the recorded question that is being asked again and puts into
// the event what came from outside.
func (x *exact) complete(l *lane, now int64, e *policy.Event) {
	x.matched, x.asker = nil, l
	for _, q := range x.asks[l.number] {
		if q.ask == nil || q.ask.Kind != e.Kind || e.Kind == uint8(abi.KindTimeout) && q.at != now {
			continue
		}
		x.matched = q
		was := q.ask
		e.NowMs, e.Conn, e.Random = was.NowMs, was.Conn, was.Random
		e.BytesIn, e.BytesOut, e.Rate = was.BytesIn, was.BytesOut, was.Rate
		e.ReadMs, e.WriteMs, e.ControlMs, e.AgeMs = was.ReadMs, was.WriteMs, was.ControlMs, was.AgeMs
		e.RttUs, e.RttVarUs, e.RecvMs, e.Unacked, e.NotSent = was.RttUs, was.RttVarUs, was.RecvMs, was.Unacked, was.NotSent
		e.HoldBytes, e.ReconnectUs = was.HoldBytes, was.ReconnectUs
		e.Pressure, e.PressureConns, e.PressureFds, e.PressureMemory = was.Pressure, was.PressureConns, was.PressureFds, was.PressureMemory
		e.TenantOpen, e.TenantLimit, e.HostOpen, e.HostLimit = was.TenantOpen, was.TenantLimit, was.HostOpen, was.HostLimit
		return
	}
}

// unasked returns the recorded answer to the question that is being asked, if
// the policy was not asked it on the host, for a reason that lies outside: it
// was busy with another question, or not there.
func (x *exact) unasked() (policy.Verdict, bool) {
	if x == nil || x.matched == nil || x.matched.answer == nil {
		return policy.Verdict{}, false
	}
	v := x.matched.answer.Verdict
	return v, v.Fault == policy.FaultBusy || v.Fault == policy.FaultNotLoaded
}

// compare holds an answer against the recorded one, and reports whether it is
// the same.
func (x *exact) compare(lane uint64, ask *policy.Ask, v policy.Verdict) (same bool) {
	q := x.matched
	x.matched = nil
	if q == nil || q.answer == nil {
		return false
	}
	x.agrees.Recorded++
	was, asked := &q.answer.Verdict, *q.ask
	asked.State, asked.Leases = q.answer.State, q.answer.Leases
	same = v.Action == was.Action && v.Deadline == was.Deadline && v.Reason == was.Reason &&
		v.Log == was.Log && v.Leases == was.Leases && v.Fault == was.Fault &&
		ask.Event.Leases == asked.Leases && ask.Event.State == asked.State
	if same {
		x.agrees.Same++
	} else {
		x.differs(lane, q, asked.Asks, fmt.Sprintf("%v %v reason %d, replayed %v %v reason %d, asked with other values of %s",
			was.Action, was.Deadline, was.Reason, v.Action, v.Deadline, v.Reason, unlike(&asked, &ask.Event)))
	}
	q.ask = nil
	return same
}

// differs notes the first difference.
func (x *exact) differs(lane uint64, q *question, asks uint32, how string) {
	if x.agrees.First == "" {
		x.agrees.First = fmt.Sprintf("connection %d, %v after the start, question %d: %s",
			lane, time.Duration(q.at), asks, how)
	}
}

// unlike names the fields in which two events differ.
func unlike(a, b *policy.Event) string {
	x, y := fields(a), fields(b)
	var names []string
	for _, name := range slices.Sorted(maps.Keys(x)) {
		if x[name] != y[name] {
			names = append(names, fmt.Sprintf("%s (%d, %d)", name, x[name], y[name]))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(y)) {
		if _, ok := x[name]; !ok {
			names = append(names, fmt.Sprintf("%s (0, %d)", name, y[name]))
		}
	}
	const few = 6
	switch n := len(names); {
	case n == 0:
		return "nothing"
	case n > few:
		names = append(names[:few-1], fmt.Sprintf("%d more", n-few+1))
	}
	return strings.Join(names, ", ")
}

// paramLines writes parameters as a recording has them.
func paramLines(params map[string]string) string {
	var b strings.Builder
	for _, key := range slices.Sorted(maps.Keys(params)) {
		fmt.Fprintf(&b, "%s=%s\n", key, params[key])
	}
	return b.String()
}
