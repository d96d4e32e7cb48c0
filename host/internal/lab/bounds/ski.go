package bounds

import "idlehost/host/internal/lab/study"

// ski counts what somebody who knows the future, and what the two ski rentals
// would have cost (Karlin, Manasse, McGeoch and
// Owicki 1990).
type ski struct {
	worth               int64 // nanoseconds
	knows, rents, draws study.Point
	knowsUs, rentsUs    int64
	heldSum, backSum    int64 // expectations of the randomised rule, as in drawn
}

// lots is how finely the expectations of the randomised rule are tabled.
const lots = 4096

// drawn[i] are, for a gap of i/lots of the worth: how long it is held on
// average, and how likely it is to be cut, in units of 1<<20.
var drawn = func() (table [lots + 1]struct{ held, cut int64 }) {
	const e = 2.718281828459045
	x := 1.0 // e^(i/lots), by its own steps: a product is rounded the same everywhere
	step := 1.0002441704297478
	for i := range table {
		share := float64(i) / lots
		table[i].held = int64(float64(float64(e*share)-(x-1)) / (e - 1) * (1 << 20))
		table[i].cut = int64((x - 1) / (e - 1) * (1 << 20))
		x = float64(x * step)
	}
	return table
}()

func (s *ski) add(length int64, returned bool) {
	at := int64(lots)
	if length < s.worth {
		at = length / 1000 * lots / max(s.worth/1000, 1)
	}
	s.rentsUs += min(length, s.worth) / 1000
	s.heldSum += drawn[at].held
	if !returned {
		return
	}
	s.backSum += drawn[at].cut
	if length <= s.worth {
		s.knowsUs += length / 1000
	} else {
		s.knows.Premature++
		s.rents.Premature++
	}
}

// points are the optimum, the deterministic and the randomised rule.
func (s *ski) points() (knows, rents, draws study.Point) {
	worthMs := s.worth / 1e6
	s.knows.HeldMs, s.rents.HeldMs = s.knowsUs/1000, s.rentsUs/1000
	s.rents.TimeoutMs = worthMs
	s.draws.HeldMs, s.draws.Premature = s.heldSum>>20*worthMs+s.heldSum&(1<<20-1)*worthMs>>20, s.backSum>>20
	for _, p := range []*study.Point{&s.knows, &s.rents, &s.draws} {
		p.CostMs = p.HeldMs + worthMs*p.Premature
	}
	return s.knows, s.rents, s.draws
}
