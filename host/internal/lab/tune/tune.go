// Package tune searches for a policy's parameters that cost least under a
// price. It fits them to the first part of a recording and judges them by the
// rest, so that what it promises is not what it has looked at.
package tune

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"runtime"
	"slices"

	"idlehost/host/internal/lab"
)

// Config says what is tuned, and by what. Policy, Params, Play, Check and
// Length are required.
type Config struct {
	// Policy is what is tuned. Its parameters are those it has as it stands:
	// what it costs with them is what a fit has to beat.
	Policy lab.Policy
	// Params are searched, at most MaxParams.
	Params []*Param
	// Fixed, with FixedParam, is fitted in the same way to the same part: the
	// constant timeout that the policy is held against. A nil FixedParam: it
	// is not.
	Fixed      lab.Policy
	FixedParam *Param
	// Play plays the recording through a policy. It is called from several
	// goroutines at once.
	Play func(context.Context, lab.Policy, lab.Span) (*lab.Played, error)
	// Check reports why a policy is refused, in its own words. Called as Play.
	Check func(context.Context, lab.Policy) error
	// Length is that of the recording, nanoseconds.
	Length int64
	// Split is the part that is fitted to, between 0 and 1. 0: half.
	Split float64
	// WorthMs is what sparing a client one reconnect is worth in time of
	// holding: that of Play's setting.
	WorthMs int64
	// Trials is how many sets of parameters are tried at most. 0: 16, and 16
	// for each parameter.
	Trials int
	// Seed makes what is random. The same seed gives the same result, however
	// many workers there are.
	Seed uint64
	// Workers is how many replays run at once. 0: one for each processor.
	Workers int
	// Progress, if not nil, is told how many replays were done, of how many at
	// most; by one goroutine at a time.
	Progress func(done, most int)
}

// MaxParams is how many parameters can be searched at once.
const MaxParams = 8

// fixedTrials is how many constant timeouts are tried.
const fixedTrials = 24

// judged is how many replays of the whole recording there are.
const judged = 3

func (c *Config) trials() int {
	if c.Trials > 0 {
		return c.Trials
	}
	return 16 + 16*len(c.Params)
}

func (c *Config) workers() int {
	if c.Workers > 0 {
		return c.Workers
	}
	return runtime.GOMAXPROCS(0)
}

// splitAt is where the fitted part ends, nanoseconds.
func (c *Config) splitAt() int64 {
	split := c.Split
	if split == 0 {
		split = 0.5
	}
	return int64(float64(c.Length) * split)
}

func (c *Config) validate() error {
	switch {
	case len(c.Params) == 0:
		return errors.New("no parameter to search")
	case len(c.Params) > MaxParams:
		return fmt.Errorf("%d parameters to search: at most %d at once", len(c.Params), MaxParams)
	case c.Trials < 0:
		return fmt.Errorf("%d trials: want at least 1", c.Trials)
	case math.IsNaN(c.Split) || c.Split < 0 || c.Split >= 1:
		return fmt.Errorf("split %v: want a part between 0 and 1", c.Split)
	case c.Length <= 0 || c.splitAt() <= 0 || c.splitAt() >= c.Length:
		return errors.New("the recording is too short to be split")
	}
	seen := map[string]bool{}
	for _, p := range c.Params {
		if seen[p.Name] {
			return fmt.Errorf("parameter %s is given twice", p.Name)
		}
		seen[p.Name] = true
	}
	return nil
}

// Run searches and judges. Its error names the parameters that a policy
// refused or failed with.
func Run(ctx context.Context, cfg Config) (*Result, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	most := cfg.trials() + 1 + judged
	if cfg.FixedParam != nil {
		most += fixedTrials
	}
	r := &runner{cfg: &cfg, most: most, span: lab.Span{To: cfg.splitAt()}}
	if err := r.admits(ctx); err != nil {
		return nil, err
	}
	standard, err := r.run(ctx, []lab.Policy{cfg.Policy}, r.span)
	if err != nil {
		return nil, err
	}
	tuned, err := search(ctx, r, cfg.Policy, cfg.Params, cfg.trials())
	if err != nil {
		return nil, err
	}
	var fixed *found
	if cfg.FixedParam != nil {
		if fixed, err = search(ctx, r, cfg.Fixed, []*Param{cfg.FixedParam}, fixedTrials); err != nil {
			return nil, err
		}
	}
	return r.judge(ctx, standard[0], tuned, fixed)
}

// with is a policy with some of its parameters set.
func with(p lab.Policy, params []*Param, at point) lab.Policy {
	all := maps.Clone(p.Params)
	if all == nil {
		all = map[string]string{}
	}
	for i, q := range params {
		all[q.Name] = q.Values[at[i]]
	}
	p.Params = all
	return p
}

// admits refuses a value at an end of a range, or of a set, that the policy
// takes in no company of the others'.
func (r *runner) admits(ctx context.Context) error {
	if err := r.cfg.Check(ctx, r.cfg.Policy); err != nil {
		return fmt.Errorf("as it stands: %w", err)
	}
	params := r.cfg.Params
	for i, p := range params {
		for _, value := range p.ends() {
			if err := r.admitted(ctx, i, value); err != nil {
				return fmt.Errorf("%s=%s: %w", p.Name, p.Values[value], err)
			}
		}
	}
	return nil
}

// admitted tries one value alone, then with all ends of the other parameters;
// its error is what the policy says of the value alone.
func (r *runner) admitted(ctx context.Context, i, value int) error {
	params := r.cfg.Params
	refused := r.cfg.Check(ctx, with(r.cfg.Policy, params[i:i+1], point{value}))
	if refused == nil {
		return nil
	}
	for corner := range 1 << (len(params) - 1) {
		at := make(point, len(params))
		at[i] = value
		bits := corner
		for j, p := range params {
			if j == i {
				continue
			}
			if bits&1 == 1 {
				at[j] = len(p.Values) - 1
			}
			bits >>= 1
		}
		if r.cfg.Check(ctx, with(r.cfg.Policy, params, at)) == nil {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return refused
}

// values are the parameters of a point as a policy is given them.
func values(params []*Param, at point) map[string]string {
	return with(lab.Policy{}, params, at).Params
}

// point is a place in the search: the index of a value for each parameter.
type point []int

func (p point) moved(dim, to int) point {
	q := slices.Clone(p)
	q[dim] = to
	return q
}
