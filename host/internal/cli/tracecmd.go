package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"idlehost/host/internal/trace"
)

func newTrace() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "trace",
		Short: "Look at recordings",
		Args:  noSuchCommand,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newTraceShow())
	return cmd
}

const aboutTraceShow = `Print what a recording holds: what it says of itself, its records, and totals.
FILE may be compressed with gzip; "-" is the standard input. Lines that begin
with "#" are not records. With --json, each line is an object: the header, the
records, and in the end the totals.

A recording that ends within a frame, as after a crash, or is damaged in the
middle, is shown as far as it makes sense, and the totals say where it does not.`

// traceView is what of a recording is shown.
type traceView struct {
	most    int // records; 0: all
	conn    uint64
	kind    string
	summary bool
	json    bool
}

func newTraceShow() *cobra.Command {
	var v traceView
	cmd := &cobra.Command{
		Use:   "show FILE",
		Short: "Print a recording",
		Long:  aboutTraceShow,
		Example: "  host trace show --summary week.trace\n" +
			"  host trace show --limit 100 week.trace\n" +
			"  host trace show --kind answer --json week.trace | jq -r .verdict.action | sort | uniq -c",
		Args: exactly(1, "one file"),
		RunE: func(cmd *cobra.Command, args []string) error { return v.show(cmd, args[0]) },
	}
	cmd.Flags().IntVar(&v.most, "limit", 0, "show so many records; 0: all")
	cmd.Flags().Uint64Var(&v.conn, "conn", 0, "only records of this connection")
	cmd.Flags().StringVar(&v.kind, "kind", "", "only records of one kind: "+strings.Join(trace.KindNames(), ", "))
	cmd.Flags().BoolVar(&v.summary, "summary", false, "show no records")
	cmd.Flags().BoolVar(&v.json, "json", false, "print JSON lines")
	completeWord(cmd, "kind", trace.KindNames()...)
	return cmd
}

func (v *traceView) show(cmd *cobra.Command, path string) error {
	if v.most < 0 {
		return usagef("0 shows all", "--limit: %d is below 0", v.most)
	}
	if _, ok := trace.ParseKind(v.kind); !ok && v.kind != "" {
		return usagef("one of "+strings.Join(trace.KindNames(), ", "), "--kind: there is no kind %q", v.kind)
	}
	r, end, err := openTrace(cmd, path)
	if err != nil {
		if errors.Is(err, trace.ErrFormat) {
			return hintf("host import makes a trace of an access log", "%w", err)
		}
		return err
	}
	defer end()
	out := bufio.NewWriter(cmd.OutOrStdout())
	var p tracePrinter = traceText{out}
	if v.json {
		p = traceJSON{out}
	}
	return errors.Join(v.print(cmd.Context(), r, p), out.Flush())
}

// openTrace opens a file, or the standard input.
func openTrace(cmd *cobra.Command, path string) (*trace.Reader, func() error, error) {
	if path == "-" {
		r, err := trace.NewReader(cmd.InOrStdin())
		return r, func() error { return nil }, err
	}
	f, err := trace.Open(path)
	if err != nil {
		return nil, nil, err
	}
	return f.Reader, f.Close, nil
}

// tracePrinter writes a recording as people or programs read it.
type tracePrinter interface {
	header(trace.Header) error
	record(*trace.Record) error
	totals(*traceTotals) error
}

// traceEvery is how many records are read before a signal to end is looked for.
const traceEvery = 1 << 12

// print reads to the end, for the totals, whatever of it is shown.
func (v *traceView) print(ctx context.Context, r *trace.Reader, p tracePrinter) error {
	if err := p.header(r.Header()); err != nil {
		return err
	}
	var t traceTotals
	var x trace.Record
	for shown := 0; ; {
		err := r.Next(&x)
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return err
		}
		t.add(&x)
		if v.wants(&x) && (v.most == 0 || shown < v.most) {
			shown++
			if err := p.record(&x); err != nil {
				return err
			}
		}
		if t.records%traceEvery == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
	}
	t.torn, t.why = r.Torn()
	t.places, t.skipped = r.Skipped()
	return p.totals(&t)
}

func (v *traceView) wants(r *trace.Record) bool {
	return !v.summary && (v.conn == 0 || r.Conn == v.conn) && (v.kind == "" || r.Kind.String() == v.kind)
}

// traceTotals is what there is in a recording altogether.
type traceTotals struct {
	records     uint64
	kinds       map[string]uint64
	lost        uint64 // records that were not taken down, or are damaged
	first, last int64  // nanoseconds
	torn        int64
	why         error
	places      int
	skipped     int64
}

func (t *traceTotals) add(r *trace.Record) {
	if t.kinds == nil {
		t.kinds = map[string]uint64{}
	}
	t.records++
	t.kinds[r.Kind.String()]++
	if r.Kind == trace.KindLost {
		t.lost += r.Count
	}
	if t.records == 1 {
		t.first = max(r.Time, 0) // what was before the recording is negative
		t.last = t.first
	}
	t.first, t.last = min(t.first, max(r.Time, 0)), max(t.last, r.Time)
}

// damage tells what does not make sense, if anything.
func (t *traceTotals) damage() (lines []string) {
	if t.places > 0 {
		lines = append(lines, fmt.Sprintf("damaged in %d places of %d bytes together", t.places, t.skipped))
	}
	if t.why != nil {
		lines = append(lines, fmt.Sprintf("torn at byte %d: %v", t.torn, t.why))
	}
	return lines
}
