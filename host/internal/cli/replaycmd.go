package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"idlehost/host/internal/lab"
	labreport "idlehost/host/internal/lab/report"
	"idlehost/host/internal/lab/study"
	"idlehost/plugins"
)

const aboutReplay = `Play recorded traffic through policies, in virtual time, and tell what each of
them would have cost: the time idle connections were held, the clients that came
back to a closed one, and the sum under a price (--worth). It is the host's own
idle layer, books and engine that play; only the clock and the sockets are not
real. The same trace and policies give the same numbers, on any machine.

A POLICY is a file or a bundled policy's name, with parameters behind a colon:
adaptive, ./mine.wasm:quantile=0.9,floor=5s. Times alone make policies of fixed
timeouts: fixed:5s,30s,120s.

Beside the policies stand what makes a number mean something: every fixed
timeout, the best one that hindsight can choose, one fitted on the first half and
judged on the second, the optimum of somebody who knows the future, and ski
rental. Of a recording made by host --record, what its own policies, canaries and
shadows did is told as well.`

type replayFlags struct {
	assumptions
	policies []string
	warmup   time.Duration
	out      string
	force    bool
}

func newReplay() *cobra.Command {
	f := new(replayFlags)
	cmd := &cobra.Command{
		Use:   "replay --trace FILE --policy POLICY...",
		Short: "Play recorded traffic through policies and compare what they cost",
		Long:  aboutReplay,
		Example: "  host replay --trace host.trace --policy adaptive --policy fixed:5s,60s,75s\n" +
			"  host replay --trace access.log.gz --policy adaptive --policy ./mine.wasm --out report.html\n" +
			"  host replay --trace host.trace --policy adaptive --worth 10m --json",
		Args: exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error { return replay(cmd, f) },
	}
	f.flags(cmd.Flags())
	cmd.Flags().StringArrayVar(&f.policies, "policy", nil, "`policy` to play, with parameters: NAME[:key=value,...]; may be repeated")
	cmd.Flags().DurationVar(&f.warmup, "warmup", 0, "time at the beginning that policies learn from and no sum counts")
	cmd.Flags().StringVarP(&f.out, "out", "o", "", "write the report, a web page, to this `file`")
	cmd.Flags().BoolVar(&f.force, "force", false, "replace it if it is there")
	return cmd
}

func replay(cmd *cobra.Command, f *replayFlags) error {
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	all, err := policies(f.policies)
	if err != nil {
		return err
	}
	eng, closing, err := openEngine(ctx)
	if err != nil {
		return err
	}
	defer closing()
	cfg, err := f.config(eng)
	if err != nil {
		return err
	}
	cfg.Span.CountFrom = int64(f.warmup)
	cfg.Setting.WarmupMs = f.warmup.Milliseconds()
	var out *outFile
	if f.out != "" {
		if out, err = create(f.out, f.force); err != nil {
			return err
		}
		defer out.drop()
	}
	fixed, _ := plugins.Lookup("fixed")
	bar := newMeter(cmd.ErrOrStderr(), f.quiet || f.asJSON && !terminal(cmd.ErrOrStderr()))
	x := lab.Experiment{
		Config: cfg, Name: filepath.Base(f.trace), Policies: all, Fixed: fixed, Explain: f.out != "" || f.asJSON,
		Parallel: f.parallel, Progress: bar.tell,
	}
	if x.Parallel == 0 {
		x.Parallel = runtime.GOMAXPROCS(0)
	}
	s, err := x.Run(ctx)
	bar.end()
	switch {
	case ctx.Err() != nil:
		return errors.New("interrupted")
	case err != nil:
		return err
	}
	return f.write(cmd.OutOrStdout(), out, s)
}

// write prints the study, and writes the report.
func (f *replayFlags) write(w io.Writer, out *outFile, s *study.Study) error {
	if f.asJSON {
		if err := writeJSON(w, s); err != nil {
			return err
		}
	} else if err := labreport.Table(w, s, columns(w)); err != nil {
		return err
	}
	if out == nil {
		return nil
	}
	if err := labreport.HTML(out, s); err != nil {
		return fmt.Errorf("report %s: %w", f.out, err)
	}
	if err := out.keep(); err != nil {
		return err
	}
	if !f.asJSON {
		fmt.Fprintf(w, "\nThe report is in %s.\n", f.out)
	}
	return nil
}
