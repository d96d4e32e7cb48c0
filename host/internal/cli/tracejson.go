package cli

import (
	"io"

	"idlehost/host/internal/trace"
)

// traceJSON prints a recording for programs, an object a line.
type traceJSON struct{ w io.Writer }

func (p traceJSON) header(h trace.Header) error {
	return writeLine(p.w, map[string]any{"header": map[string]any{
		"start_unix_ns": h.Start, "granularity_ns": h.Granularity, "sample": h.Sample,
		"host": h.Host, "origin": h.Origin,
	}})
}

func (p traceJSON) record(r *trace.Record) error { return writeLine(p.w, r) }

func (p traceJSON) totals(t *traceTotals) error {
	kinds := t.kinds
	if kinds == nil {
		kinds = map[string]uint64{}
	}
	all := map[string]any{
		"records": t.records, "kinds": kinds, "missing": t.lost, "first_ns": t.first, "last_ns": t.last,
		"damaged_places": t.places, "damaged_bytes": t.skipped,
	}
	if t.why != nil {
		all["torn_at"], all["torn_why"] = t.torn, t.why.Error()
	}
	return writeLine(p.w, map[string]any{"totals": all})
}
