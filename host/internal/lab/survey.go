package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"idlehost/host/internal/lab/bounds"
	"idlehost/host/internal/lab/demand"
	"idlehost/host/internal/lab/study"
	"idlehost/host/internal/trace"
)

// survey is what is known of a recording before a policy has seen it.
type survey struct {
	header  trace.Header
	census  *bounds.Census
	bounds  study.Bounds
	records int64
	span    int64
	notes   []string
}

// survey reads the recording twice: for what there is in it, and, now that is
// known, for the bounds.
func (x *Experiment) survey(ctx context.Context) (*survey, error) {
	s := &survey{census: bounds.NewCensus()}
	if err := x.pass(ctx, "reading", 0, s, s.census.Add); err != nil {
		return nil, err
	}
	s.census.Finish()
	s.records, s.span = s.census.Records(), s.census.Span()
	switch {
	case s.records > 0:
	case x.Tenant != "":
		return nil, fmt.Errorf("there are no connections of tenant %q in it", x.Tenant)
	default:
		return nil, errors.New("there are no connections in it")
	}
	end := s.span
	if x.Span.To > 0 {
		end = min(end, x.Span.To)
	}
	cfg := bounds.Config{WorthMs: x.Setting.WorthMs, From: x.Span.CountFrom, To: end}
	if x.Span.CountFrom >= end {
		return nil, fmt.Errorf("it ends after %v, before anything is counted", time.Duration(end).Round(time.Millisecond))
	}
	b := bounds.New(cfg)
	if err := x.pass(ctx, "surveying", s.records, nil, b.Add); err != nil {
		return nil, err
	}
	s.bounds = b.Finish()
	return s, nil
}

// pass reads the recording once, by lanes.
func (x *Experiment) pass(ctx context.Context, step string, total int64, s *survey, add func(*trace.Record)) error {
	recording, err := x.Open()
	if err != nil {
		return err
	}
	defer recording.Close()
	src := demand.New(recording, demand.Config{Tenant: x.Tenant})
	if s != nil {
		s.header = src.Header()
	}
	const often = 1 << 16
	var r trace.Record
	for n := int64(0); ; n++ {
		if n%often == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
			if x.Progress != nil {
				x.Progress(step, n, total)
			}
		}
		switch err := src.Next(&r); {
		case errors.Is(err, io.EOF):
			if s != nil {
				s.warn(recording, src)
			}
			return nil
		case err != nil:
			return err
		}
		add(&r)
	}
}

// warn notes what is missing.
func (s *survey) warn(r Recording, d *demand.Source) {
	if n := d.Forgotten(); n > 0 {
		s.notes = append(s.notes, fmt.Sprintf("%d connections waited for their clients for too long and were forgotten", n))
	}
	if w, ok := r.(interface{ Notes() []string }); ok {
		s.notes = append(s.notes, w.Notes()...)
	}
	if t, ok := r.(interface {
		Torn() (int64, error)
		Skipped() (int, int64)
	}); ok {
		if at, why := t.Torn(); why != nil {
			s.notes = append(s.notes, fmt.Sprintf("the recording breaks off at byte %d: %v", at, why))
		}
		if places, bytes := t.Skipped(); places > 0 {
			s.notes = append(s.notes, fmt.Sprintf("the recording is damaged in %d places: %d bytes could not be read", places, bytes))
		}
	}
}

// study begins the study with what the survey knows.
func (s *survey) study(x *Experiment) *study.Study {
	t := s.census.Trace()
	t.Name, t.Origin, t.StartMs, t.Sample = x.Name, s.header.Origin, s.header.Start/1e6, float64(s.header.Sample)/65536
	if s.header.Sample == 0 {
		t.Sample = 1
	}
	notes := s.notes
	if n := s.census.Before(); n > 0 {
		notes = append(notes, fmt.Sprintf("it begins with %d connections open: what was known of their clients then is not in it, so that replays begin with less", n))
	}
	if t.Lost > 0 {
		notes = append(notes, fmt.Sprintf("%d records were lost while it was recorded", t.Lost))
	}
	return &study.Study{
		Version: study.Version, Trace: t, Setting: x.Setting, Policies: []study.Outcome{}, Bounds: s.bounds,
		Gaps: s.census.Gaps(), Cliffs: []study.Cliff{}, Spikes: []study.Spike{}, Differences: []study.Difference{},
		Notes: append([]string{}, notes...),
	}
}
