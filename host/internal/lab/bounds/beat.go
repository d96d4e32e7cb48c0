package bounds

import (
	"cmp"
	"slices"
)

// Beat is a heartbeat that clients share.
type Beat struct {
	PeriodMs int64
	Clients  int64
	Gaps     int64 // of theirs, of 1.5 s and more
}

// Beats returns the heartbeats that clients have, those of most clients first:
// periods that differ by less than 5 % are one, their mean.
func (c *Census) Beats() []Beat {
	var all []Beat
	for _, who := range c.clients {
		if who.period > 0 {
			all = append(all, Beat{who.period, 1, total(who.tempo.long())})
		}
	}
	slices.SortFunc(all, func(a, b Beat) int { return cmp.Compare(a.PeriodMs, b.PeriodMs) })
	list := []Beat{}
	for len(all) > 0 {
		n, sum := 0, Beat{}
		for n < len(all) && all[n].PeriodMs*20 <= all[0].PeriodMs*21 {
			sum.PeriodMs, sum.Clients, sum.Gaps = sum.PeriodMs+all[n].PeriodMs, sum.Clients+1, sum.Gaps+all[n].Gaps
			n++
		}
		sum.PeriodMs /= sum.Clients
		list = append(list, sum)
		all = all[n:]
	}
	slices.SortFunc(list, func(a, b Beat) int {
		return cmp.Or(cmp.Compare(b.Clients, a.Clients), cmp.Compare(b.Gaps, a.Gaps), cmp.Compare(a.PeriodMs, b.PeriodMs))
	})
	return list
}
