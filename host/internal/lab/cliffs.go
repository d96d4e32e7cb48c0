package lab

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"idlehost/host/internal/lab/study"
	"idlehost/sdk/abi"
)

// cliff is what a policy did just under one heartbeat.
type cliff struct {
	closes  int64
	underUs int64 // how long before the beats, altogether
	clients map[uint64]bool
}

// spike is what came just after the closes of one bin.
type spike struct {
	late    int64
	delayUs int64 // how long after, altogether
}

// near is how soon after a close a request is late, nanoseconds.
const near = int64(time.Second)

// missed notes a premature close, of a connection that had been idle for held
// and was wanted after gap.
func (p *player) missed(l *lane, held, gap int64) {
	t := l.tally
	if gap-held <= near {
		t.late++
		s := &p.spikes[abi.Bin(uint32(min(held/1e6, abi.Never-1)))]
		s.late++
		s.delayUs += (gap - held) / 1000
	}
	if p.cfg.Period == nil {
		return
	}
	beat := p.cfg.Period(l.client)
	if beat <= 0 || gap < beat-beat/10 || gap > beat+beat/10 || held < beat-beat/4 {
		return
	}
	beat = rounded(beat)
	c := p.cliffs[beat]
	if c == nil {
		c = &cliff{clients: map[uint64]bool{}}
		p.cliffs[beat] = c
	}
	c.closes++
	c.underUs += (gap - held) / 1000
	if len(c.clients) < Groups {
		c.clients[l.client] = true
	}
}

// rounded makes periods that people would call the same one: whole seconds, or
// tenths below two.
func rounded(beat int64) int64 {
	step := int64(time.Second)
	if beat < 2*step {
		step /= 10
	}
	return (beat + step/2) / step * step
}

// cliffList tells of the heartbeats that the policy closes just under, the one
// that costs most first.
func (p *player) cliffList() (list []study.Cliff) {
	for _, beat := range slices.Sorted(maps.Keys(p.cliffs)) {
		c := p.cliffs[beat]
		if c.closes < 10 {
			continue
		}
		under := c.underUs / c.closes * 1000
		s := study.Cliff{
			Policy: p.policy.Name, BeatMs: beat / 1e6, CloseMs: (beat - under) / 1e6,
			Clients: int64(len(c.clients)), Closes: c.closes,
		}
		s.Text = fmt.Sprintf("closes %s under the %s beat of %s, %d times",
			spoken(under), spoken(beat), plural(s.Clients, "client"), c.closes)
		list = append(list, s)
	}
	slices.SortStableFunc(list, func(a, b study.Cliff) int { return int(b.Closes - a.Closes) })
	return list[:min(len(list), 8)]
}

// spikeList tells of the deadlines that many requests come just after.
func (p *player) spikeList() (list []study.Spike) {
	for i := range p.spikes {
		late, closes := p.spikes[i].late, p.total.closings[i]
		if late < 10 || late*10 < closes || late*100 < p.total.premature {
			continue
		}
		s := study.Spike{
			Policy: p.policy.Name, CloseMs: int64(abi.BinLow(i)), Late: late, MoreMs: near / 1e6, Spared: late,
			HeldMs: (closes-late)*(near/1e6) + p.spikes[i].delayUs/1000,
		}
		held := (p.total.useful + p.total.short + p.total.never + p.total.censored) / 1000
		s.Text = fmt.Sprintf("finds the client back within a second of %d of its %s after about %s: holding 1 s longer spares them, for %s more time held",
			late, plural(closes, "close"), spoken(s.CloseMs*1e6), percent(s.HeldMs, held))
		list = append(list, s)
	}
	slices.SortStableFunc(list, func(a, b study.Spike) int { return int(b.Late - a.Late) })
	return list[:min(len(list), 8)]
}

// spoken writes nanoseconds as people say them.
func spoken(ns int64) string {
	d := time.Duration(ns)
	switch {
	case d >= time.Hour:
		d = d.Round(time.Minute)
	case d >= 10*time.Second:
		d = d.Round(time.Second)
	case d >= time.Second:
		d = d.Round(100 * time.Millisecond)
	default:
		d = d.Round(time.Millisecond)
	}
	switch {
	case d == 0:
		return "0 s"
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < 2*time.Minute && d%time.Second == 0:
		return fmt.Sprintf("%d s", int64(d/time.Second))
	case d < 10*time.Second:
		return fmt.Sprintf("%d.%d s", d/time.Second, d%time.Second/(100*time.Millisecond))
	}
	return d.String()
}

func plural(n int64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// percent is a share in tenths of a percent, in integers.
func percent(n, of int64) string {
	if of <= 0 {
		return "0 %"
	}
	tenths := n * 1000 / of
	return fmt.Sprintf("%d.%d %%", tenths/10, tenths%10)
}
