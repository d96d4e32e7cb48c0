// Command rank plays recorded traffic through all bundled policies, with their
// standard parameters, and makes the table of plugins/README.md of it.
//
//	rank -host bin/host -traces DIR results.tsv   # plays, and writes results.tsv
//	rank results.tsv                              # the table, to the standard output
//	rank -w plugins/README.md results.tsv         # the table, between the markers there
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	host := flag.String("host", "", "the program that replays, with -traces")
	traces := flag.String("traces", "", "folder of recordings to play")
	into := flag.String("w", "", "file to put the table into, between its markers")
	flag.Parse()
	if err := run(ctx, *host, *traces, *into, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "rank: error:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, host, traces, into string, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("want one file of results, got %d", len(args))
	}
	if traces != "" {
		all, err := play(ctx, cmp.Or(host, "bin/host"), traces)
		if err != nil {
			return err
		}
		return os.WriteFile(args[0], []byte(format(all)), 0o644)
	}
	raw, err := os.ReadFile(args[0])
	if err != nil {
		return err
	}
	all, err := parse(string(raw))
	if err != nil {
		return fmt.Errorf("%s: %w", args[0], err)
	}
	if into == "" {
		_, err := fmt.Print(table(all))
		return err
	}
	doc, err := os.ReadFile(into)
	if err != nil {
		return err
	}
	text, err := splice(string(doc), table(all))
	if err != nil {
		return fmt.Errorf("%s: %w", into, err)
	}
	return os.WriteFile(into, []byte(text), 0o644)
}

const (
	begin = "<!-- ranking: written by make plugins-table -->\n"
	end   = "<!-- /ranking -->\n"
)

// splice replaces what stands between the markers.
func splice(doc, table string) (string, error) {
	head, rest, ok := strings.Cut(doc, begin)
	if !ok {
		return "", fmt.Errorf("no marker %q", strings.TrimSpace(begin))
	}
	_, tail, ok := strings.Cut(rest, end)
	if !ok {
		return "", fmt.Errorf("no marker %q", strings.TrimSpace(end))
	}
	return head + begin + table + end + tail, nil
}
