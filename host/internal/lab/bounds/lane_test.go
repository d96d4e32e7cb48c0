package bounds

import (
	"fmt"
	"slices"
	"testing"

	"idlehost/host/internal/policy"
	"idlehost/host/internal/trace"
	"idlehost/sdk/abi"
)

// diary writes down what a watcher is told, in seconds.
type diary []string

func (d *diary) rested(l *lane) { *d = append(*d, fmt.Sprintf("rests %d", l.since/1e9)) }

func (d *diary) returned(_ *lane, from, to int64, gap bool) {
	*d = append(*d, fmt.Sprintf("back %d-%d %v", from/1e9, to/1e9, gap))
}

func (d *diary) left(_ *lane, from, to int64) {
	*d = append(*d, fmt.Sprintf("left %d-%d", from/1e9, to/1e9))
}

func (d *diary) dropped(*lane) { *d = append(*d, "dropped") }

// at makes a record of lane 1 at a second.
func at(s int64, r trace.Record) trace.Record {
	r.Time, r.Conn = s*1e9, 1
	return r
}

func TestRests(t *testing.T) {
	opening := trace.Record{Kind: trace.KindOpen, Phase: abi.PhaseIdle}
	begin, end := trace.Record{Kind: trace.KindBegin}, trace.Record{Kind: trace.KindEnd}
	tunnel := trace.Record{Kind: trace.KindPhase, Phase: abi.PhaseTunnel, Protocol: abi.ProtocolWebSocket}
	burst := func(silence int64) trace.Record { return trace.Record{Kind: trace.KindBurst, Since: silence * 1e9} }
	closing := func(why policy.Reason) trace.Record { return trace.Record{Kind: trace.KindClose, Reason: why} }
	early := trace.Record{Kind: trace.KindBegin, Since: 2e9}
	for _, c := range []struct {
		name string
		in   recording
		want diary
	}{
		{"a request that comes with the connection ends no gap",
			recording{at(0, opening), at(0, begin), at(1, end), at(9, closing(policy.ReasonPeer))},
			diary{"rests 0", "back 0-0 false", "rests 1", "left 1-9"}},
		{"one that comes later does, with its first byte",
			recording{at(0, opening), at(5, early), at(6, end)},
			diary{"rests 0", "back 0-3 true", "rests 6", "left 6-20"}},
		{"streams end together",
			recording{at(0, opening), at(1, begin), at(2, begin), at(3, end), at(4, end), at(8, begin)},
			diary{"rests 0", "back 0-1 true", "rests 4", "back 4-8 true"}},
		{"what the host cuts goes on",
			recording{at(0, opening), at(0, begin), at(1, end), at(4, closing(policy.ReasonPolicy)), at(6, opening), at(7, begin), at(7, end)},
			diary{"rests 0", "back 0-0 false", "rests 1", "back 1-7 true", "rests 7", "left 7-20"}},
		{"a tunnel rests between bursts, since it fell silent",
			recording{at(0, opening), at(0, begin), at(1, tunnel), at(9, burst(3)), at(9, burst(0)), at(15, closing(policy.ReasonPeer))},
			diary{"rests 0", "back 0-0 false", "rests 1", "back 6-9 true", "rests 9", "back 9-9 false", "rests 9", "left 15-15"}},
		{"a tunnel may begin where nothing was under way",
			recording{at(0, opening), at(1, tunnel), at(4, burst(3))},
			diary{"rests 0", "dropped", "rests 1", "back 1-4 true", "rests 4", "left 4-20"}},
		{"a connection may be found in the middle of a request",
			recording{at(0, trace.Record{Kind: trace.KindOpen, Phase: abi.PhaseUpstream}), at(3, end), at(5, begin)},
			diary{"rests 3", "back 3-5 true"}},
		{"times may step back",
			recording{at(5, opening), at(5, begin), at(6, end), at(5, begin)},
			diary{"rests 5", "back 5-5 false", "rests 6", "back 6-6 true"}},
		{"nothing is seen past the end",
			recording{at(0, opening), at(21, begin), at(3, begin)},
			diary{"rests 0", "left 0-20"}},
		{"strangers say nothing", recording{at(1, begin), at(2, end), at(3, closing(policy.ReasonPeer))}, nil},
	} {
		var got diary
		w := newWalker(20e9)
		for i := range c.in {
			w.walk(&c.in[i], &got)
		}
		w.finish(&got)
		if !slices.Equal(got, c.want) {
			t.Errorf("%s:\n%q, want\n%q", c.name, got, c.want)
		}
	}
}
