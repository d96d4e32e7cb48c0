package cli

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"idlehost/host/internal/trace"
	"idlehost/host/internal/trace/logs"
)

const aboutImport = `Make a recording of access logs, to be replayed through policies. LOG is plain or
gzip'd; several are the parts of one, the oldest first; "-" is standard input.
What they are is told by their content:

  Common and Combined   of Apache, nginx and others, with a virtual host or without
  JSON lines            of Caddy, Traefik and Envoy, and of any server whose fields
                        have the usual names, or are named with --field
  TSV                   time_ms, client and bytes, by the names in the first line;
                        and if there are any, dur_ms, kind and route

A log tells of requests, not of connections. So a client, which is an address or
what --client says, is one connection, from its first request on: the best case
for reuse. Whether it has gone, the log does not tell, and its last gap is cut
off by the end. Durations make the gaps between requests shorter than the times
alone; a request of kind websocket or tunnel, or answered with 101, is a
connection of its own.

Clients are written as pseudonyms under a random key, which is kept nowhere.
With --seed, the same logs make the same file; but then whoever knows the seed
can find an address by trying them all.`

// importFlags are those of host import.
type importFlags struct {
	logFlags
	out    string
	force  bool
	seed   uint64
	quiet  bool
	asJSON bool
}

func newImport() *cobra.Command {
	var f importFlags
	cmd := &cobra.Command{
		Use:   "import LOG... --out FILE",
		Short: "Make a recording of access logs",
		Long:  aboutImport,
		Example: "  host import access.log.1 access.log --out week.trace\n" +
			"  host import requests.tsv.gz --out requests.trace\n" +
			"  host import access.json --field client=x_forwarded_for --client address+agent --out site.trace",
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error { return importLogs(cmd, args, &f) },
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&f.out, "out", "", "`file` to write the recording to")
	flags.BoolVar(&f.force, "force", false, "replace it, if there is one")
	f.register(cmd)
	flags.Uint64Var(&f.seed, "seed", 0, "make pseudonyms with a key that this `number` stands for, not with a random one")
	flags.BoolVarP(&f.quiet, "quiet", "q", false, "print nothing but errors")
	flags.BoolVar(&f.asJSON, "json", false, "print one JSON object")
	return cmd
}

func importLogs(cmd *cobra.Command, args []string, f *importFlags) error {
	switch {
	case len(args) == 0:
		return usagef("usage: "+cmd.UseLine(), "%s takes the names of logs", cmd.CommandPath())
	case f.out == "":
		return usagef("usage: "+cmd.UseLine(), "--out is needed: where the recording goes")
	}
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends what the first could not
	cfg, err := f.config(cmd)
	if err != nil {
		return err
	}
	if slices.Contains(args, "-") {
		cfg.Stdin = interruptible(ctx, cfg.Stdin)
	}
	if cfg.Key = logs.SeedKey(f.seed); !cmd.Flags().Changed("seed") {
		rand.Read(cfg.Key)
	}
	if err := vacant(f.out, f.force); err != nil {
		return err
	}
	src, err := logs.OpenAll(args, cfg)
	if err != nil {
		return explainLog(ctx, err)
	}
	defer src.Close()
	made, err := f.write(ctx, src, cmd.ErrOrStderr())
	switch {
	case err != nil:
		return explainLog(ctx, err)
	case f.asJSON:
		return writeJSON(cmd.OutOrStdout(), made)
	case f.quiet:
		return nil
	}
	return made.write(cmd.OutOrStdout())
}

// write makes the file as a whole, or not at all.
func (f *importFlags) write(ctx context.Context, src *logs.Source, stderr io.Writer) (*imported, error) {
	file, err := create(f.out, f.force)
	if err != nil {
		return nil, err
	}
	defer file.drop()
	shown := src.Progress
	if f.quiet || f.asJSON {
		shown = nil
	}
	made, err := record(ctx, file, src, newReading(stderr, shown))
	if err != nil {
		return nil, err
	}
	if err := file.keep(); err != nil {
		return nil, err
	}
	made.File = f.out
	return made, nil
}

// recordStep is how many records are written between looks at whether anybody
// still wants them.
const recordStep = 1 << 12

// record writes all of a source.
func record(ctx context.Context, w io.Writer, src *logs.Source, shown *reading) (*imported, error) {
	defer shown.end()
	to, err := trace.NewWriter(w, src.Header(), trace.Config{})
	if err != nil {
		return nil, err
	}
	made := &imported{}
	for r := new(trace.Record); ; {
		if err = src.Next(r); err == nil {
			err = to.Write(r)
		}
		if err != nil {
			break
		}
		made.span = time.Duration(r.Time)
		if to.Records()%recordStep == 0 {
			if err = ctx.Err(); err != nil {
				break
			}
			shown.tell()
		}
	}
	if err == io.EOF {
		err = to.Flush()
	}
	made.fill(src.Stats(), to)
	return made, err
}

// interruptible reads r until ctx ends, even if r has nothing to tell by then.
func interruptible(ctx context.Context, r io.Reader) io.Reader {
	from, to := io.Pipe()
	context.AfterFunc(ctx, func() { to.CloseWithError(ctx.Err()) })
	go func() {
		_, err := io.Copy(to, r)
		to.CloseWithError(err)
	}()
	return from
}

// explainLog adds what a caller can do about a log that cannot be read, unless
// it was he who ended it.
func explainLog(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return errors.New("interrupted")
	case errors.Is(err, logs.ErrConfig):
		return &usageError{err: err, hint: "see host import --help"}
	case errors.Is(err, logs.ErrFormat) && strings.Contains(err.Error(), "time zone"):
		return &hintedError{err, "--zone says where the log's clock is, such as --zone UTC"}
	case errors.Is(err, logs.ErrFormat):
		return &hintedError{err, "host import --help tells what can be read; fields of other names are told with --field"}
	}
	return err
}
