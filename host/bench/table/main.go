// Command table turns raw benchmark output of host/bench into the table of the
// README.
//
//	table results.txt                 # to the standard output
//	table -w README.md results.txt    # between the markers in README.md
package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
)

func main() {
	into := flag.String("w", "", "file to put the table into, between its markers")
	flag.Parse()
	if err := run(*into, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "table: error:", err)
		os.Exit(1)
	}
}

func run(into string, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("want one file of results, got %d", len(args))
	}
	raw, err := os.ReadFile(args[0])
	if err != nil {
		return err
	}
	r, err := parse(string(raw))
	if err != nil {
		return fmt.Errorf("%s: %w", args[0], err)
	}
	if into == "" {
		_, err := fmt.Print(r.table())
		return err
	}
	doc, err := os.ReadFile(into)
	if err != nil {
		return err
	}
	text, err := splice(string(doc), r.table())
	if err != nil {
		return fmt.Errorf("%s: %w", into, err)
	}
	return os.WriteFile(into, []byte(text), 0o644)
}

const (
	begin = "<!-- bench: written by make bench-table -->\n"
	end   = "<!-- /bench -->\n"
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
