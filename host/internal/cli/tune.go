package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"idlehost/host/internal/lab"
	"idlehost/host/internal/lab/tune"
	"idlehost/host/internal/sandbox/engine"
)

const aboutTune = `Search a policy's parameters for those that cost least under a price (--worth),
by replaying recorded traffic as host replay does.

They are fitted to the first part of the recording (--split) and judged by the
rest, with all that was learned in the first part: what is told at the end is not
what they were fitted to. Beside them stand the policy as it is and the best
constant timeout, fitted to the same part. Where the gain after the split could
be chance, the advice is to keep what there is.

A PARAM is NAME=LOW..HIGH or NAME={A,B,C}:
  quantile=0.5..0.99   numbers, to three decimals or as many as are written
  prior=1..50          whole numbers, since both ends are: 1.0..50 has fractions
  look=100ms..5s       times
  mode={a,b}           one of some words
Ends that are 20 times apart or more make a logarithmic scale; log: or lin:
before LOW says otherwise. The same command prints the same result.`

type tuneFlags struct {
	assumptions
	policy string
	params []string
	split  float64
	trials int
	out    string
	force  bool
}

func newTune() *cobra.Command {
	f := new(tuneFlags)
	cmd := &cobra.Command{
		Use:   "tune --trace FILE --policy POLICY --param PARAM...",
		Short: "Search a policy's parameters for those that cost least on recorded traffic",
		Long:  aboutTune,
		Example: "  host tune --trace host.trace --policy quantile --param quantile=0.5..0.99\n" +
			"  host tune --trace access.log.gz --policy adaptive:worth=2m --param prior=1..50 --param look=50ms..5s\n" +
			"  host tune --trace host.trace --policy ./mine.wasm --param floor=1s..5m --worth 10m --json",
		Args: exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error { return tunePolicy(cmd, f) },
	}
	f.flags(cmd.Flags())
	cmd.Flags().StringVar(&f.policy, "policy", "", "`policy` to tune, with the parameters it has: NAME[:key=value,...]")
	cmd.Flags().StringArrayVar(&f.params, "param", nil, "`param` to search: NAME=LOW..HIGH or NAME={A,B}; may be repeated")
	cmd.Flags().Float64Var(&f.split, "split", 0.5, "`part` of the recording that is fitted to; the rest judges")
	cmd.Flags().IntVar(&f.trials, "trials", 0, "sets of parameters that are tried at most (default 16, and 16 for each parameter)")
	cmd.Flags().StringVarP(&f.out, "out", "o", "", "write the result as JSON to this `file`")
	cmd.Flags().BoolVar(&f.force, "force", false, "replace it if it is there")
	return cmd
}

func tunePolicy(cmd *cobra.Command, f *tuneFlags) error {
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	c, err := f.search()
	if err != nil {
		return err
	}
	eng, closing, err := openEngine(ctx)
	if err != nil {
		return err
	}
	defer closing()
	replays, err := f.config(eng)
	if err != nil {
		return err
	}
	out, err := f.output()
	if err != nil {
		return err
	}
	if out != nil {
		defer out.drop()
	}
	bar := newMeter(cmd.ErrOrStderr(), f.quiet)
	defer bar.end()
	seen, err := lab.Look(ctx, replays, bar.tell)
	if err != nil {
		return fmt.Errorf("%s: %w", filepath.Base(f.trace), err)
	}
	bar.unit = "replays"
	c.Length, c.WorthMs, c.Workers = seen.Length, replays.Setting.WorthMs, f.parallel
	c.Play = func(ctx context.Context, p lab.Policy, s lab.Span) (*lab.Played, error) {
		replay := replays
		replay.Span = s
		return lab.Play(ctx, replay, p, nil)
	}
	c.Check = func(ctx context.Context, p lab.Policy) error { return loads(ctx, eng, p) }
	c.Progress = func(done, most int) { bar.tell("tuning", int64(done), int64(most)) }
	r, err := tune.Run(ctx, c)
	bar.end()
	switch {
	case ctx.Err() != nil:
		return errors.New("interrupted")
	case err != nil:
		return fmt.Errorf("tune: %w", err)
	}
	r.Notes = append(r.Notes, seen.Notes...)
	return f.write(cmd.OutOrStdout(), out, c.Policy.Module, r)
}

// search is what the flags say of it, checked; what a recording tells is left
// open.
func (f *tuneFlags) search() (c tune.Config, err error) {
	if f.policy == "" {
		return c, usagef("such as --policy adaptive", "--policy: no policy is named")
	}
	if len(f.params) == 0 {
		return c, usagef("such as --param prior=1..50; the policy's README names its parameters", "--param: nothing to search")
	}
	all, err := policies([]string{f.policy})
	switch {
	case err != nil:
		return c, err
	case len(all) != 1:
		return c, usagef("", "--policy: %d policies, want one", len(all))
	case f.trials < 0:
		return c, usagef("", "--trials: %d is negative", f.trials)
	case math.IsNaN(f.split) || f.split <= 0 || f.split >= 1:
		return c, usagef("", "--split: %v is not between 0 and 1", f.split)
	}
	c = tune.Config{Policy: all[0], Split: f.split, Trials: f.trials, Seed: f.seed}
	for _, text := range f.params {
		p, err := tune.ParseParam(text)
		if err != nil {
			return c, usagef("see host tune --help", "--param %w", err)
		}
		c.Params = append(c.Params, p)
	}
	fixed, err := policies([]string{"fixed"})
	if err != nil {
		return c, err
	}
	c.Fixed = fixed[0]
	c.FixedParam, err = tune.ParseParam("timeout=100ms..24h")
	return c, err
}

// output opens the file of --out; nil: there is none.
func (f *tuneFlags) output() (*outFile, error) {
	if f.out == "" {
		return nil, nil
	}
	return create(f.out, f.force)
}

// loads reports why the engine or the policy itself refuses what is asked of
// it.
func loads(ctx context.Context, eng *engine.Engine, p lab.Policy) error {
	loaded, err := eng.Load(ctx, engine.Source{Name: p.Name, Wasm: p.Wasm, Params: p.Params})
	if err != nil {
		return err
	}
	return loaded.Close()
}

// write prints the result, and writes its file.
func (f *tuneFlags) write(w io.Writer, out *outFile, module string, r *tune.Result) error {
	if f.asJSON {
		if err := writeJSON(w, r); err != nil {
			return err
		}
	} else if err := writeTuned(w, filepath.Base(f.trace), module, r); err != nil {
		return err
	}
	if out == nil {
		return nil
	}
	if err := writeJSON(out, r); err != nil {
		return fmt.Errorf("result %s: %w", f.out, err)
	}
	if err := out.keep(); err != nil {
		return fmt.Errorf("result: %w", err)
	}
	return nil
}
