// Command table turns raw benchmark output of host/bench into the tables of
// host/docs/costs.md.
//
//	table results.txt                          # to the standard output
//	table -w host/docs/costs.md results.txt    # between the markers in that file
//	table -of attacks attacks.tsv              # of what another tenant's attacks cost
package main

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"idlehost/host/bench/attacks"
)

func main() {
	into := flag.String("w", "", "file to put the table into, between its markers")
	of := flag.String("of", "bench", "what the results are of: "+strings.Join(slices.Sorted(maps.Keys(renders)), ", "))
	flag.Parse()
	if err := run(*of, *into, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "table: error:", err)
		os.Exit(1)
	}
}

// renders makes of results, by kind, what goes into a document, and what is
// for the standard output alone.
var renders = map[string]func(raw string) (table, more string, err error){
	"bench":   proxies,
	"attacks": attacked,
}

func proxies(raw string) (table, more string, err error) {
	r, err := parse(raw)
	if err != nil {
		return "", "", err
	}
	return r.table(), "", nil
}

func attacked(raw string) (table, more string, err error) {
	r, err := attacks.Parse(raw)
	if err != nil {
		return "", "", err
	}
	return r.Summary(), "\n" + r.Table() + "\n" + r.Verdict() + "\n", nil
}

func run(of, into string, args []string) error {
	render, ok := renders[of]
	if !ok {
		return fmt.Errorf("there are no results of %q", of)
	}
	if len(args) != 1 {
		return fmt.Errorf("want one file of results, got %d", len(args))
	}
	raw, err := os.ReadFile(args[0])
	if err != nil {
		return err
	}
	table, more, err := render(string(raw))
	if err != nil {
		return fmt.Errorf("%s: %w", args[0], err)
	}
	if into == "" {
		_, err := fmt.Print(table + more)
		return err
	}
	doc, err := os.ReadFile(into)
	if err != nil {
		return err
	}
	text, err := splice(string(doc), of, table)
	if err != nil {
		return fmt.Errorf("%s: %w", into, err)
	}
	return os.WriteFile(into, []byte(text), 0o644)
}

// splice replaces what stands between the markers of a kind of results.
func splice(doc, of, table string) (string, error) {
	begin, end := markers(of)
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

func markers(of string) (begin, end string) {
	return "<!-- " + of + ": written by make bench-table -->\n", "<!-- /" + of + " -->\n"
}
