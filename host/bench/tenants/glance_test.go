package tenants

import (
	"maps"
	"slices"
	"testing"

	"idlehost/host/e2e/neighbour"
	"idlehost/host/internal/engine/hostile"
)

// glances is what short looks have shown beside attacks, and without any.
type glances struct{ beside, still glanced }

// glanced is what the looks of a kind have shown together.
type glanced struct {
	looks int
	seen  neighbour.Seen
}

func (g *glanced) add(v view) {
	g.looks++
	g.merge(v.seen)
}

func (g *glanced) merge(s neighbour.Seen) {
	g.seen.Took = append(g.seen.Took, s.Took...)
	g.seen.Late = append(g.seen.Late, s.Late...)
	g.seen.Closed += s.Closed
}

// stillEvery is how many looks beside attacks of a class there are for one
// without any.
const stillEvery = 4

func (s *attackBench) class(name hostile.Class) *glances {
	c := s.classes[name]
	if c == nil {
		c = new(glances)
		s.classes[name] = c
	}
	return c
}

// looksBad takes a short look, and reports whether it should be a longer one.
func (s *attackBench) looksBad(b *testing.B, m *attacker) bool {
	if s.glances++; s.glances%8 == 1 {
		s.usual = s.look(b, s.sound(m.shape), glanceTime)
	}
	c := s.class(m.attack.Class)
	if stillEvery*c.still.looks <= c.beside.looks {
		c.still.add(s.look(b, s.quiet(), glanceTime))
	}
	g, usual := s.look(b, s.attack(m), glanceTime), s.usual
	c.beside.add(g)
	bad := g.p99() > 2*usual.p99()+5 || g.late99() > 2*usual.late99()+10 || g.seen.Failed > 0 || g.cpu > 1.5*usual.cpu+0.1
	b.Logf("%-10s %-36s p50 %6.2f p99 %7.2f of %6.2f ms, late %6.1f of %5.1f ms, %.2f of %.2f processors, %s, bad %v",
		m.attack.Class, m.attack.Name, g.p50(), g.p99(), usual.p99(), g.late99(), usual.late99(), g.cpu, usual.cpu, s.record(b, m), bad)
	return bad
}

// reportClasses tells what a tenant has seen beside the attacks of each class, and
// of all of them.
func (s *attackBench) reportClasses(b *testing.B) {
	var all glances
	for _, name := range slices.Sorted(maps.Keys(s.classes)) {
		c := s.classes[name]
		for _, sum := range []struct{ to, of *glanced }{{&all.beside, &c.beside}, {&all.still, &c.still}} {
			sum.to.looks += sum.of.looks
			sum.to.merge(sum.of.seen)
		}
		b.Run("class="+string(name), c.report)
	}
	if len(s.classes) > 0 {
		b.Run("class=all", all.report)
	}
}

func (c *glances) report(b *testing.B) {
	beside, still := c.beside.view(), c.still.view()
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(c.beside.looks), "looks")
	b.ReportMetric(still.p99(), "quiet-p99-ms")
	b.ReportMetric(beside.p99(), "p99-ms")
	b.ReportMetric(beside.p99()/still.p99(), "p99-of-quiet")
	b.ReportMetric(float64(beside.seen.Closed), "closed")
	b.ReportMetric(beside.inTime(), "in-time-%")
	b.ReportMetric(still.inTime(), "quiet-in-time-%")
	b.ReportMetric(beside.late99(), "late-p99-ms")
	b.ReportMetric(still.late99(), "quiet-late-p99-ms")
	b.ReportMetric(beside.lateMax(), "late-max-ms")
	b.ReportMetric(still.lateMax(), "quiet-late-max-ms")
}

// view is the looks as one.
func (g *glanced) view() *view {
	slices.Sort(g.seen.Took)
	slices.Sort(g.seen.Late)
	return &view{seen: g.seen}
}
