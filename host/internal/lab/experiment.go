package lab

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"idlehost/host/internal/lab/study"
)

// Experiment plays a recording through several policies.
type Experiment struct {
	Config          // but for Kind, Period and Length, which the experiment finds out
	Name     string // of the recording
	Policies []Policy
	// Fixed is the module of fixed timeouts, by which the best of them is played
	// beside the policies; nil: it is not.
	Fixed []byte
	// Parallel is how many are played at once; 0: 1.
	Parallel int
	// Explain has the clients looked for that policies treat most differently,
	// which plays each policy twice.
	Explain bool
	// Progress is told how much of the work is done, of how much; nil: nobody
	// is. Calls do not overlap.
	Progress func(step string, done, total int64)
}

// Run runs the experiment. The same experiment gives the same study.
func (x *Experiment) Run(ctx context.Context) (*study.Study, error) {
	found, err := x.survey(ctx)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", x.Name, err)
	}
	x.Kind, x.Period, x.Length = found.census.Kind, found.census.Period, found.span
	policies := slices.Clone(x.Policies)
	best, compared := x.bestFixed(found.bounds.BestFixed.TimeoutMs)
	if compared {
		policies = append(policies, best)
	}
	Distinct(policies)
	played, err := x.playAll(ctx, policies, found.records)
	if err != nil {
		return nil, err
	}
	var against *Played
	if compared {
		against = played[len(played)-1]
	}
	var recorded []*Played
	if found.header.Origin == live {
		if recorded, err = PlayRecorded(ctx, x.Config); err != nil {
			return nil, err
		}
	}
	s := found.study(x)
	for _, p := range append(slices.Clone(played), recorded...) {
		p.Outcome.Interval = bootstrap(p, against, x.Setting.WorthMs, x.Setting.Seed)
		s.Policies = append(s.Policies, p.Outcome)
		s.Cliffs, s.Spikes = append(s.Cliffs, p.Cliffs...), append(s.Spikes, p.Spikes...)
	}
	if x.Explain {
		s.Differences, err = x.differences(ctx, policies, played)
	}
	return s, err
}

// playAll plays every policy, some at a time.
func (x *Experiment) playAll(ctx context.Context, policies []Policy, records int64) ([]*Played, error) {
	meter := x.meter("replaying", records*int64(len(policies)))
	all := make([]*Played, len(policies))
	return all, x.each(ctx, len(policies), func(ctx context.Context, i int) (err error) {
		all[i], err = Play(ctx, x.Config, policies[i], meter)
		return err
	})
}

// meter returns what is told of each step of a work of total.
func (x *Experiment) meter(step string, total int64) func(int64) {
	if x.Progress == nil {
		return nil
	}
	var mu sync.Mutex
	done := int64(0)
	x.Progress(step, 0, total)
	return func(n int64) {
		mu.Lock()
		defer mu.Unlock()
		done = min(done+n, total)
		x.Progress(step, done, total)
	}
}

// each calls f for 0 to n-1, some at a time, until one fails.
func (x *Experiment) each(ctx context.Context, n int, f func(context.Context, int) error) error {
	if err := Each(ctx, x.Parallel, n, f); err != nil {
		return fmt.Errorf("replay: %w", err)
	}
	return nil
}
