package demand

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"

	"idlehost/host/internal/policy"
	"idlehost/host/internal/trace"
	"idlehost/sdk/abi"
)

// records is a Source of what is in it.
type records []trace.Record

func (*records) Header() trace.Header { return trace.Header{} }

func (s *records) Next(r *trace.Record) error {
	if len(*s) == 0 {
		return io.EOF
	}
	*r, *s = (*s)[0], (*s)[1:]
	return nil
}

func opened(conn, client uint64) trace.Record {
	return trace.Record{Kind: trace.KindOpen, Conn: conn, Client: client}
}

func closed(conn uint64, why policy.Reason) trace.Record {
	return trace.Record{Kind: trace.KindClose, Conn: conn, Reason: why}
}

func begun(conn uint64) trace.Record { return trace.Record{Kind: trace.KindBegin, Conn: conn} }

// lanes reads all records and writes them as kind and lane.
func lanes(t *testing.T, cfg Config, all ...trace.Record) (told []string) {
	t.Helper()
	src := records(all)
	s := New(&src, cfg)
	for {
		var r trace.Record
		switch err := s.Next(&r); {
		case errors.Is(err, io.EOF):
			return told
		case err != nil:
			t.Fatal(err)
		}
		told = append(told, fmt.Sprint(map[trace.Kind]string{
			trace.KindOpen: "open", trace.KindBegin: "begin", trace.KindClose: "close", trace.KindTenant: "tenant",
			trace.KindAsk: "ask", trace.KindAnswer: "answer",
		}[r.Kind], r.Conn))
	}
}

func TestLanes(t *testing.T) {
	dialled := opened(2, 7)
	dialled.Side = abi.SideDialled
	other := opened(2, 7)
	other.Tenant = 1
	for _, c := range []struct {
		name string
		in   []trace.Record
		want []string
	}{
		{"a cut one goes on", []trace.Record{opened(1, 7), closed(1, policy.ReasonPolicy), opened(2, 7), begun(2)},
			[]string{"open1", "close1", "open1", "begin1"}},
		{"one that the client closed does not", []trace.Record{opened(1, 7), closed(1, policy.ReasonPeer), opened(2, 7)},
			[]string{"open1", "close1", "open2"}},
		{"nor one that failed", []trace.Record{opened(1, 7), closed(1, policy.ReasonProgress), opened(2, 7)},
			[]string{"open1", "close1", "open2"}},
		{"another client has its own", []trace.Record{opened(1, 7), closed(1, policy.ReasonPolicy), opened(2, 8)},
			[]string{"open1", "close1", "open2"}},
		{"so has the other side", []trace.Record{opened(1, 7), closed(1, policy.ReasonPolicy), dialled},
			[]string{"open1", "close1", "open2"}},
		{"and another tenant", []trace.Record{opened(1, 7), closed(1, policy.ReasonPolicy), other},
			[]string{"open1", "close1", "open2"}},
		{"nobody in particular never comes back", []trace.Record{opened(1, 0), closed(1, policy.ReasonPolicy), opened(2, 0)},
			[]string{"open1", "close1", "open2"}},
		{"the last cut goes on first", []trace.Record{
			opened(1, 7), opened(2, 7), closed(1, policy.ReasonDefault), closed(2, policy.ReasonClamp), opened(3, 7), opened(4, 7), opened(5, 7)},
			[]string{"open1", "open2", "close1", "close2", "open2", "open1", "open3"}},
		{"strangers are left out", []trace.Record{begun(1), closed(1, policy.ReasonPeer), opened(1, 7), opened(1, 7), begun(1)},
			[]string{"open1", "begin1"}},
	} {
		if got := lanes(t, Config{}, c.in...); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// TestAnAnswerMayComeAfterTheEnd of its connection, once, also where the lane has
// another one since.
func TestAnAnswerMayComeAfterTheEnd(t *testing.T) {
	ask := trace.Record{Kind: trace.KindAsk, Conn: 1, Ask: new(policy.Event)}
	answer := trace.Record{Kind: trace.KindAnswer, Conn: 1, Answer: new(trace.Answer)}
	shadow := trace.Record{Kind: trace.KindAnswer, Conn: 1, Answer: &trace.Answer{Verdict: policy.Verdict{Role: policy.RoleShadow}}}
	for _, c := range []struct {
		name string
		in   []trace.Record
		want []string
	}{
		{"one is awaited", []trace.Record{opened(1, 7), ask, closed(1, policy.ReasonPeer), shadow, answer, answer},
			[]string{"open1", "ask1", "close1", "answer1"}},
		{"the client is back", []trace.Record{opened(1, 7), ask, shadow, closed(1, policy.ReasonPolicy), opened(2, 7), answer},
			[]string{"open1", "ask1", "answer1", "close1", "open1", "answer1"}},
		{"none is", []trace.Record{opened(1, 7), ask, answer, closed(1, policy.ReasonPeer), answer},
			[]string{"open1", "ask1", "answer1", "close1"}},
	} {
		if got := lanes(t, Config{}, c.in...); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestOnlyOneTenant(t *testing.T) {
	a := trace.Record{Kind: trace.KindTenant, Tenant: 1, Name: "a"}
	b := trace.Record{Kind: trace.KindTenant, Tenant: 2, Name: "b"}
	mine, theirs := opened(1, 7), opened(2, 7)
	mine.Tenant, theirs.Tenant = 1, 2
	got := lanes(t, Config{Tenant: "a"}, a, b, theirs, mine, begun(2), begun(1))
	if want := []string{"tenant0", "open1", "begin1"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestWhoHasWaitedLongestIsForgotten(t *testing.T) {
	var in []trace.Record
	for i := range uint64(4) {
		in = append(in, opened(i+1, i+1), closed(i+1, policy.ReasonPolicy))
	}
	in = append(in, opened(11, 1), opened(14, 4))
	src := records(in)
	s := New(&src, Config{Lanes: 3})
	var last [2]uint64
	for r := new(trace.Record); s.Next(r) == nil; {
		last[0], last[1] = last[1], r.Conn
	}
	if last != [2]uint64{5, 4} || s.Forgotten() != 1 {
		t.Errorf("lanes %v, %d forgotten; want 5 and 4, and one", last, s.Forgotten())
	}
	if n := len(s.waiting.parties); n != 4 {
		t.Errorf("%d parties are kept, want 4", n)
	}
}

func TestTimesWithinReason(t *testing.T) {
	for _, at := range []int64{1 << 61, -1 << 61} {
		src := records{{Kind: trace.KindOpen, Conn: 1, Time: at}}
		if err := New(&src, Config{}).Next(new(trace.Record)); err == nil {
			t.Errorf("time %d is taken", at)
		}
	}
	src := records{opened(1, 1), {Kind: trace.KindBegin, Conn: 1, Since: -5}}
	s, r := New(&src, Config{}), new(trace.Record)
	for s.Next(r) == nil {
		if r.Since < 0 {
			t.Error("a request began after it was told of")
		}
	}
}
