package lab

import (
	"container/heap"
	"io"
	"math/rand/v2"
	"testing"

	"idlehost/host/internal/policy"
	"idlehost/host/internal/trace"
)

// town is a recording that is made up while it is read: of so many people with
// habits of their own, who make requests until there were enough of them. It
// takes memory for its people only.
type town struct {
	random *rand.Rand
	people people
	left   int    // records
	conns  uint64 // so far
}

// person makes requests, one after the other.
type person struct {
	at     int64 // the next record's time
	number uint64
	habit  int64 // the usual gap, nanoseconds
	conn   uint64
	state  state
	leaves bool // closes the connection next
	sent   uint64
}

// state is what a person does next.
type state int

const (
	opens state = iota
	begins
	ends
)

func newTown(people, records int) *town {
	t := &town{random: rand.New(rand.NewPCG(1, 2)), left: records}
	for i := range people {
		habit := int64(50e6) << (i % 12) // 50 ms to 100 s
		t.people = append(t.people, &person{number: uint64(i + 1), habit: habit, at: t.random.Int64N(habit)})
	}
	heap.Init(&t.people)
	return t
}

func (t *town) Header() trace.Header {
	return trace.Header{Start: 1_700_000_000e9, Granularity: 10e6, Sample: 65536}
}

func (t *town) Close() error { return nil }

// Next is as a trace.Source has it.
func (t *town) Next(r *trace.Record) error {
	if t.left == 0 {
		return io.EOF
	}
	t.left--
	p := t.people[0]
	*r = trace.Record{Time: p.at, Conn: p.conn}
	switch {
	case p.leaves:
		p.leaves, p.state = false, opens
		r.Kind, r.Reason = trace.KindClose, policy.ReasonPeer
		p.at += t.random.Int64N(600e9)
	case p.state == opens:
		t.conns++
		p.state, p.conn, p.sent = begins, t.conns, 0
		r.Kind, r.Conn, r.Client = trace.KindOpen, p.conn, p.number
		return nil // its first request begins at once
	case p.state == begins:
		p.state = ends
		r.Kind = trace.KindBegin
		p.at += 1e6 + t.random.Int64N(20e6)
	default:
		p.state, p.sent = begins, p.sent+4096
		r.Kind, r.BytesIn, r.BytesOut = trace.KindEnd, p.sent/16, p.sent
		p.at += p.habit/2 + t.random.Int64N(p.habit)
		if t.random.IntN(20) == 0 { // lunch
			p.at += t.random.Int64N(1000e9)
			p.leaves = t.random.IntN(3) == 0
		}
	}
	heap.Fix(&t.people, 0)
	return nil
}

type people []*person

func (p people) Len() int { return len(p) }
func (p people) Less(i, j int) bool {
	return p[i].at < p[j].at || p[i].at == p[j].at && p[i].number < p[j].number
}
func (p people) Swap(i, j int) { p[i], p[j] = p[j], p[i] }
func (p *people) Push(x any)   { *p = append(*p, x.(*person)) }
func (p *people) Pop() any     { panic("nobody leaves") }

// townConfig is a replay of a town.
func townConfig(tb testing.TB, people, records int) Config {
	tb.Helper()
	return Config{
		Open:   func() (Recording, error) { return newTown(people, records), nil },
		Engine: newEngine(tb), Setting: DefaultSetting(),
	}
}
