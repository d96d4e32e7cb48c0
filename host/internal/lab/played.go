package lab

import (
	"cmp"
	"maps"
	"slices"

	"idlehost/host/internal/lab/study"
	"idlehost/host/internal/policy"
)

// Played is what one policy did with a recording.
type Played struct {
	// Outcome lacks what only a comparison can tell: intervals.
	Outcome study.Outcome
	// Groups are the clients, in the same order for every policy.
	Groups []Group
	// Cliffs and Spikes are those of this policy.
	Cliffs []study.Cliff
	Spikes []study.Spike
	// Records is how many were played.
	Records int64
}

// finish settles what is open and returns what was counted.
func (p *player) finish() *Played {
	for _, n := range slices.Sorted(maps.Keys(p.lanes)) {
		p.settle(p.lanes[n], p.end, true)
	}
	for _, name := range slices.Sorted(maps.Keys(p.kinds)) {
		p.total.add(p.kinds[name])
	}
	o := study.Outcome{
		Name: p.policy.Name, Module: p.policy.Module, Params: p.policy.Params, Source: "replay",
		WorthMs: p.cfg.Setting.WorthMs, Total: p.total.study(p.cfg.Setting.WorthMs),
		Open: p.series.samples, Closed: p.total.closings.study(), Deadlines: p.total.asked.study(), Faults: map[string]int64{},
	}
	exact := false
	for _, t := range p.tenants {
		if t.policy == nil {
			continue
		}
		o.Digest = t.policy.Digest()
		exact = exact || t.exact
		for _, n := range t.policy.Stats().FuelTotal {
			o.Total.Fuel += int64(n)
		}
	}
	if exact {
		o.Agreement = &p.exact.agrees
	}
	for f, n := range p.faults {
		if n > 0 {
			o.Faults[policy.Fault(f).String()] = n
		}
	}
	for _, t := range p.kinds {
		if t.kind != "" {
			o.Kinds = append(o.Kinds, study.KindTally{Kind: t.kind, Tally: t.study(p.cfg.Setting.WorthMs)})
		}
	}
	slices.SortFunc(o.Kinds, func(a, b study.KindTally) int { return cmp.Compare(a.Kind, b.Kind) })
	return &Played{Outcome: o, Groups: p.groups.all, Records: p.records, Cliffs: p.cliffList(), Spikes: p.spikeList()}
}
