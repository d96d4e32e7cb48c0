package lab

import (
	"context"

	"idlehost/host/internal/trace"
)

// Overview is what there is to know of a recording before it is played.
type Overview struct {
	Records int64
	Length  int64    // nanoseconds, to the last record
	Notes   []string // what is missing in it
}

// Look reads a recording once. progress, if not nil, is told how many records
// were read.
func Look(ctx context.Context, cfg Config, progress func(step string, done, total int64)) (*Overview, error) {
	o := &Overview{}
	s := &survey{}
	x := Experiment{Config: cfg, Progress: progress}
	err := x.pass(ctx, "reading", 0, s, func(r *trace.Record) {
		if o.Records++; r.Kind != trace.KindTenant && r.Kind != trace.KindLost {
			o.Length = max(o.Length, r.Time)
		}
	})
	if err != nil {
		return nil, err
	}
	o.Notes = s.notes
	return o, nil
}
