package idle

import (
	"testing"
	"time"

	"idlehost/host/internal/books"
	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

const ms = int64(time.Millisecond)

// questions is a policy.Policy that remembers what it was asked when, and extends
// each timeout once.
type questions struct {
	asked  []policy.Event
	extend time.Duration
}

func (q *questions) Decide(a *policy.Ask) policy.Verdict {
	q.asked = append(q.asked, a.Event)
	if a.Event.Kind == uint8(abi.KindTimeout) && a.Event.Asks == 1 {
		return policy.Verdict{Action: abi.ActionExtend, Deadline: q.extend, Source: policy.SourcePolicy}
	}
	return policy.Verdict{Source: policy.SourcePolicy}
}

func TestVirtualAsksOnTimeAndClosesAtTheEnd(t *testing.T) {
	q, seen := &questions{extend: 50 * time.Second}, new(log)
	v := NewVirtual(Config{Observer: seen}, World{Start: time.UnixMilli(1_000_000)})
	defer v.Close()
	a := NewAccount("a", q, books.New(books.Config{}), policy.Timeouts{abi.PhaseIdle: {Idle: 30 * time.Second}}, policy.Limits{})
	c := v.Open(a, 7, abi.SideAccepted)
	if err := c.Admit(nil); err != nil {
		t.Fatal(err)
	}
	v.Set(1000 * ms)
	c.Begin(0, false)
	c.End()
	v.Advance(31_000*ms - 1)
	if len(q.asked) != 1 {
		t.Fatalf("%d questions before the deadline", len(q.asked))
	}
	v.Advance(31_000 * ms)
	if len(q.asked) != 2 || q.asked[1].NowMs != 1_031_000 || q.asked[1].IdleMs != 30_000 || q.asked[1].Client != 7 {
		t.Fatalf("asked %+v", q.asked)
	}
	v.Advance(81_000*ms - 1)
	if len(seen.ends) != 0 {
		t.Fatal("ended early")
	}
	v.Advance(200_000 * ms)
	if len(seen.ends) != 1 || seen.ends[0].Idle != 80*time.Second || seen.ends[0].Reason != policy.ReasonDefault || !seen.ends[0].Cut {
		t.Fatalf("ends %+v", seen.ends)
	}
	if v.Governor.Open() != 0 || v.Now() != 200_000*ms {
		t.Errorf("%d open at %d", v.Governor.Open(), v.Now())
	}
}

func TestVirtualLooksLateWhereTheWorldSays(t *testing.T) {
	q := &questions{extend: time.Second}
	v := NewVirtual(Config{}, World{Late: func(_ uint64, now int64) int64 {
		if now < 40*ms {
			return now + 3*ms
		}
		return 0
	}})
	a := NewAccount("a", q, nil, policy.Timeouts{abi.PhaseIdle: {Idle: 20 * time.Millisecond}}, policy.Limits{})
	c := v.Open(a, 1, abi.SideAccepted)
	if err := c.Admit(nil); err != nil {
		t.Fatal(err)
	}
	v.Advance(23*ms - 1)
	if len(q.asked) != 1 {
		t.Fatal("looked before it was to be late")
	}
	v.Advance(23 * ms)
	if len(q.asked) != 2 || q.asked[1].IdleMs != 23 {
		t.Fatalf("asked %+v", q.asked)
	}
}

// Two that are given the same seed give policies the same randomness, and
// evict the same connections.
func TestVirtualIsDeterministic(t *testing.T) {
	run := func(seed uint64) (all []uint64) {
		q, seen := new(questions), new(log)
		v := NewVirtual(Config{Limit: 100, Observer: seen}, World{Seed: seed})
		a := NewAccount("a", q, nil, policy.Timeouts{abi.PhaseIdle: {Idle: time.Minute}}, policy.Limits{})
		for i := range int64(300) {
			v.Advance(i * ms)
			if err := v.Admit(v.Open(a, uint64(i)+1, abi.SideAccepted)); err != nil {
				t.Fatal(err)
			}
		}
		for _, e := range q.asked {
			all = append(all, e.Random)
		}
		for _, e := range seen.ends {
			all = append(all, e.ID)
		}
		return all
	}
	one, same, other := run(1), run(1), run(2)
	if len(one) != 500 {
		t.Fatalf("%d questions and ends, want 300 and 200", len(one))
	}
	equal := func(a, b []uint64) bool {
		for i := range a {
			if a[i] != b[i] {
				return false
			}
		}
		return len(a) == len(b)
	}
	if !equal(one, same) || equal(one, other) {
		t.Errorf("same seed the same: %v; another the same: %v", equal(one, same), equal(one, other))
	}
}
