package report

import (
	"fmt"
	"slices"

	"idlehost/host/internal/lab/study"
)

// whole returns the study with what decided about a part of the requests only,
// as a canary does, extrapolated to all of them: clients fall to the arms of a
// rollout by chance, so that the sums can be compared. Names say so.
func whole(s *study.Study) *study.Study {
	if !slices.ContainsFunc(s.Policies, partial) {
		return s
	}
	all := *s
	all.Policies = slices.Clone(s.Policies)
	for i := range all.Policies {
		if p := &all.Policies[i]; partial(*p) {
			extrapolate(p)
		}
	}
	return &all
}

func partial(p study.Outcome) bool { return p.Share > 0 && p.Share < 1 }

func extrapolate(p *study.Outcome) {
	share := p.Share
	p.Share = 1 // so that it is done once, whoever asks again
	p.Name = fmt.Sprintf("%s, %.0f%%", p.Name, 100*share)
	grow := func(n int64) int64 { return int64(float64(n) / share) }
	t := &p.Total
	for _, n := range []*int64{
		&t.Requests, &t.Gaps, &t.Reused, &t.Premature, &t.Broken, &t.Late, &t.Closed, &t.Refused,
		&t.HeldMs, &t.UsefulMs, &t.ShortMs, &t.NeverMs, &t.CensoredMs, &t.HeldByteSeconds,
		&t.LatencyMs, &t.HandshakeUs, &t.Asks, &t.Fuel, &t.CostMs,
	} {
		*n = grow(*n)
	}
	i := &p.Interval
	for _, v := range []*study.Interval{&i.HeldMs, &i.Premature, &i.CostMs} {
		v.Low, v.High = v.Low/share, v.High/share
	}
	i.Ratio = study.Interval{}
}
