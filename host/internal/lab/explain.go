package lab

import (
	"cmp"
	"fmt"
	"reflect"
	"strings"
	"time"
	"unicode"

	"idlehost/host/internal/idle"
	"idlehost/host/internal/lab/study"
	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

// explained is how many decisions about one client are kept.
const explained = 24

// explanation keeps the decisions about some clients.
type explanation struct {
	clients   map[uint64]bool
	decisions map[uint64][]study.Decision // by client
	last      map[uint64]int              // by lane: the index of its last decision, plus 1
	kinds     map[uint64]string           // by client
}

func newExplanation(clients []uint64) *explanation {
	x := &explanation{
		clients: map[uint64]bool{}, decisions: map[uint64][]study.Decision{},
		last: map[uint64]int{}, kinds: map[uint64]string{},
	}
	for _, c := range clients {
		x.clients[c] = true
	}
	return x
}

func (x *explanation) asked(l *lane, ask *policy.Ask, v policy.Verdict, now int64) {
	if !x.clients[l.client] {
		return
	}
	x.last[l.number] = 0
	x.kinds[l.client] = l.tally.kind
	all := x.decisions[l.client]
	if len(all) == explained {
		return
	}
	e := &ask.Event
	deadline := v.Deadline.Milliseconds()
	if v.Leases && v.Action != abi.ActionExtend {
		deadline = int64(e.Leases[e.Phase%abi.Phases])
	}
	x.decisions[l.client] = append(all, study.Decision{
		AtMs: now / 1e6, Conn: l.number, Event: strings.ToLower(abi.Kind(e.Kind).String()),
		Phase: abi.Phase(e.Phase).String(), IdleMs: int64(e.IdleMs), Action: v.Action.String(), DeadlineMs: deadline,
		Reason: v.Reason, Source: v.Source.String(), Role: v.Role.String(), Log: v.Log, Asked: fields(e),
	})
	x.last[l.number] = len(all) + 1
}

// closed says that the host ended the connection by the last decision.
func (x *explanation) closed(l *lane, e *idle.End, _ int64) {
	if i := x.last[l.number]; i > 0 {
		x.decisions[l.client][i-1].Outcome = "closed, " + e.Reason.String()
	}
}

// told says what became of the idle time that the last decision was about.
func (p *player) told(l *lane, what string, after int64) {
	x := p.explain
	if x == nil {
		return
	}
	if i := x.last[l.number]; i > 0 {
		d := time.Duration(after).Round(time.Millisecond)
		x.decisions[l.client][i-1].Outcome = fmt.Sprintf("%s, after %v", what, d)
		x.last[l.number] = 0
	}
}

// fields returns the fields of an event that are not zero, by the names that
// sdk/ABI.md gives them; of arrays, the elements that are not.
func fields(e *policy.Event) map[string]int64 {
	all := map[string]int64{}
	v := reflect.ValueOf(e).Elem()
	for i := range v.NumField() {
		name, f := snake(v.Type().Field(i).Name), v.Field(i)
		if f.Kind() != reflect.Array {
			if n := int64(f.Uint()); n != 0 {
				all[name] = n
			}
			continue
		}
		for j := range f.Len() {
			if n := int64(f.Index(j).Uint()); n != 0 {
				all[fmt.Sprintf("%s[%d]", name, j)] = n
			}
		}
	}
	return all
}

// snake writes a Go name as the ABI's document does.
func snake(name string) string {
	var b strings.Builder
	for i, r := range name {
		if unicode.IsUpper(r) && i > 0 {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// byCost orders by cost, the greatest first.
func byCost(a, b study.Difference) int {
	return cmp.Compare(abs(b.CostMs[0]-b.CostMs[1]), abs(a.CostMs[0]-a.CostMs[1]))
}

func abs(n int64) int64 { return max(n, -n) }
