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
	asks    map[uint64][]question // by lane, in their order
	matched *question             // by the question that is being asked
	agrees  study.Agreement
}

// question is a recorded question and its answer.
type question struct {
	at  int64
	ask *trace.Ask
}

// enforced reports whether an answer was obeyed.
func enforced(a *trace.Ask) bool { return a != nil && a.Verdict.Role != policy.RoleShadow }

func (x *exact) add(r *trace.Record) {
	if x.asks == nil {
		x.asks = map[uint64][]question{}
	}
	x.asks[r.Conn] = append(x.asks[r.Conn], question{r.Time, r.Ask})
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
		e := &q[0].ask.Event
		x.differs(lane, &q[0], fmt.Sprintf("not asked, in phase %v, after %d ms", policy.Phase(e.Phase), e.IdleMs))
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
		if q.ask == nil || q.ask.Event.Kind != uint8(abi.KindTimeout) {
			continue
		}
		if e := &q.ask.Event; l.tunnel() {
			w.Touch(l.conn, q.at-int64(e.ReadMs)*1e6, q.at-int64(e.WriteMs)*1e6)
		}
		return idle.OnCall
	}
	return now
}

// complete finds the recorded question that is being asked again and puts into
// the event what came from outside.
func (x *exact) complete(lane uint64, now int64, e *policy.Event) {
	x.matched = nil
	for i := range x.asks[lane] {
		q := &x.asks[lane][i]
		if q.ask == nil || q.ask.Event.Kind != e.Kind || e.Kind == uint8(abi.KindTimeout) && q.at != now {
			continue
		}
		x.matched = q
		was := &q.ask.Event
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
	if x == nil || x.matched == nil {
		return policy.Verdict{}, false
	}
	v := x.matched.ask.Verdict
	return v, v.Fault == policy.FaultBusy || v.Fault == policy.FaultNotLoaded
}

// compare holds an answer against the recorded one, and reports whether it is
// the same.
func (x *exact) compare(lane uint64, ask *policy.Ask, v policy.Verdict) (same bool) {
	q := x.matched
	x.matched = nil
	if q == nil {
		return false
	}
	x.agrees.Recorded++
	was := &q.ask.Verdict
	same = v.Action == was.Action && v.Deadline == was.Deadline && v.Reason == was.Reason &&
		v.Log == was.Log && v.Leases == was.Leases && v.Fault == was.Fault &&
		ask.Event.Leases == q.ask.Event.Leases && ask.Event.State == q.ask.Event.State
	if same {
		x.agrees.Same++
	} else {
		x.differs(lane, q, fmt.Sprintf("%v %v reason %d, replayed %v %v reason %d, asked with other values of %s",
			was.Action, was.Deadline, was.Reason, v.Action, v.Deadline, v.Reason, unlike(&q.ask.Event, &ask.Event)))
	}
	q.ask = nil
	return same
}

// differs notes the first difference.
func (x *exact) differs(lane uint64, q *question, how string) {
	if x.agrees.First == "" {
		x.agrees.First = fmt.Sprintf("connection %d, %v after the start, question %d: %s",
			lane, time.Duration(q.at), q.ask.Event.Asks, how)
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
