package cli

import (
	"fmt"
	"io"
	"strings"
	"time"

	"idlehost/host/internal/trace"
)

// traceText prints a recording for people.
type traceText struct{ w io.Writer }

func (p traceText) header(h trace.Header) error {
	lines := []string{fmt.Sprintf("%s, started %s, written by %s",
		known(h.Origin), time.Unix(0, h.Start).UTC().Format("2006-01-02T15:04:05.000Z"), known(h.Host))}
	whose := "of all clients"
	if h.Sample < 1<<16 {
		whose = fmt.Sprintf("of %d of 65536 clients", h.Sample)
	}
	lines = append(lines, fmt.Sprintf("%s, the clock's step is %s", whose, time.Duration(h.Granularity)))
	return p.remarks(lines)
}

func (p traceText) record(r *trace.Record) error {
	_, err := fmt.Fprintln(p.w, plain(r.String()))
	return err
}

func (p traceText) totals(t *traceTotals) error {
	var kinds []string
	for _, k := range trace.KindNames() {
		if n := t.kinds[k]; n > 0 {
			kinds = append(kinds, fmt.Sprintf("%s %s", k, count(n)))
		}
	}
	lines := []string{fmt.Sprintf("%s records over %s: %s", count(t.records), lasting(time.Duration(t.last-t.first)), list(kinds))}
	if t.lost > 0 {
		lines = append(lines, fmt.Sprintf("%s records are missing", count(t.lost)))
	}
	return p.remarks(append(lines, t.damage()...))
}

func (p traceText) remarks(lines []string) error {
	for i := range lines {
		lines[i] = "# " + plain(lines[i]) + "\n"
	}
	_, err := io.WriteString(p.w, strings.Join(lines, ""))
	return err
}

func known(text string) string {
	if text == "" {
		return "unknown"
	}
	return text
}
