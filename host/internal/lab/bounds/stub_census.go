package bounds

import (
	"idlehost/host/internal/lab/study"
	"idlehost/host/internal/policy"
	"idlehost/host/internal/trace"
)

// Census STUB
type Census struct {
	n, span int64
	t       study.Trace
	clients map[uint64]bool
}

func NewCensus() *Census { return &Census{clients: map[uint64]bool{}} }
func (c *Census) Add(r *trace.Record) {
	c.n++
	c.span = max(c.span, r.Time)
	switch r.Kind {
	case trace.KindOpen:
		c.clients[r.Client] = true
		c.t.Connections++
	case trace.KindBegin:
		c.t.Requests++
	}
}
func (c *Census) Finish()        {}
func (c *Census) Span() int64    { return c.span }
func (c *Census) Records() int64 { return c.n }
func (c *Census) Trace() study.Trace {
	c.t.SpanMs = c.span / 1e6
	c.t.Clients = int64(len(c.clients))
	return c.t
}
func (c *Census) Gaps() []study.Bin { return []study.Bin{} }
func (c *Census) Kind(uint64, policy.Side, policy.Protocol) string {
	return "people"
}
func (c *Census) Period(uint64) int64        { return 0 }
func (c *Census) Length() func(int64) uint32 { return nil }
