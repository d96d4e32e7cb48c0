package check

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"unicode"
)

// WriteText writes the report for people. Why a policy is not accepted is left
// to Report.Err.
func (r *Report) WriteText(w io.Writer) error {
	var b bytes.Buffer
	r.writeFacts(&b)
	if r.Fuel.Worst != nil || r.Fuel.Init.Calls > 0 {
		r.writeFuel(&b)
	}
	if len(r.Answers) > 0 {
		r.writeAnswers(&b)
	}
	r.writeLog(&b)
	_, err := w.Write(b.Bytes())
	return err
}

func columns(b *bytes.Buffer) *tabwriter.Writer { return tabwriter.NewWriter(b, 0, 0, 2, ' ', 0) }

func (r *Report) writeFacts(b *bytes.Buffer) {
	t := columns(b)
	defer t.Flush()
	fmt.Fprintf(t, "policy\t%s\n", printable(r.Policy))
	fmt.Fprintf(t, "digest\t%s\n", r.Digest)
	fmt.Fprintf(t, "verdict\t%s\n", r.Outcome)
	if r.Failure != nil && r.Failure.Refusal != nil {
		fmt.Fprintf(t, "refusal\t%s\n", r.Failure.Refusal)
	}
	if r.Module.EffortLimit == 0 { // it has not passed the gate
		fmt.Fprintf(t, "module\t%d bytes\n", r.Module.Bytes)
		return
	}
	if r.ABI.Policy > 0 {
		fmt.Fprintf(t, "abi\tversion %d; this host speaks 1 to %d\n", r.ABI.Policy, r.ABI.Host)
	}
	m := r.Module
	fmt.Fprintf(t, "module\t%d bytes of at most %d; metered %d; %d functions\n", m.Bytes, m.BytesLimit, m.MeteredBytes, m.Functions)
	fmt.Fprintf(t, "compiling\t%.1f %% of the effort allowed\n", percent(m.Effort, int64(m.EffortLimit)))
	fmt.Fprintf(t, "memory\t%s\n", r.Memory)
	fmt.Fprintf(t, "imports\t%s\n", names(r.Imports))
	fmt.Fprintf(t, "exports\t%s\n", names(r.Exports))
}

// String tells of the memory in one line.
func (m Memory) String() string {
	most := m.LimitPages
	if m.MaxPages != nil {
		most = min(most, int(*m.MaxPages))
	}
	s := fmt.Sprintf("%d to %d pages of 64 KiB, of at most %d", m.MinPages, most, m.LimitPages)
	if m.Bytes == 0 {
		return s
	}
	s += fmt.Sprintf("; event buffer %d bytes", m.BufferBytes)
	if m.StateBytes == 0 {
		return s + "; no learned state"
	}
	return s + fmt.Sprintf("; learned state %d bytes, format %d", m.StateBytes, m.StateFormat)
}

// maxNames bounds how many imports or exports the text names.
const maxNames = 24

func names(of []Extern) string {
	if len(of) == 0 {
		return "none"
	}
	var s []string
	for _, x := range of[:min(len(of), maxNames)] {
		s = append(s, printable(x.Name))
	}
	if more := len(of) - maxNames; more > 0 {
		s = append(s, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(s, ", ")
}

// printable returns s as it may go to a terminal: anybody's text, one line, of
// some length.
func printable(s string) string {
	const most = 64
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "..."
	}
	if s == "" || strings.ContainsFunc(s, func(c rune) bool { return !unicode.IsPrint(c) }) {
		return strconv.QuoteToASCII(s)
	}
	return s
}

func (r *Report) writeFuel(b *bytes.Buffer) {
	b.WriteString("\n")
	t := columns(b)
	fmt.Fprintln(t, "FUEL\tCALLS\tMEAN\tMOST\tBUDGET\tOF BUDGET")
	for _, row := range []struct {
		name string
		*Spent
	}{
		{"init", &r.Fuel.Init}, {"configure", &r.Fuel.Configure},
		{"on_accept", &r.Fuel.Accept}, {"on_timeout", &r.Fuel.Timeout}, {"on_close", &r.Fuel.Close},
	} {
		if row.Calls > 0 {
			fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%d\t%.1f %%\n", row.name, row.Calls, row.Mean, row.Most, row.Budget, row.Percent)
		}
	}
	t.Flush()
	if r.Fuel.Worst != nil {
		fmt.Fprintf(b, "worst: %v: %d units, %.1f %%; at that, %d questions a second are paid for\n",
			r.Fuel.Worst, r.Fuel.Worst.Fuel, r.Fuel.Percent, r.Fuel.rate())
		fmt.Fprintf(b, "in all: %d units, %.1f %% of what a check may take\n",
			r.Fuel.Total, percent(r.Fuel.Total, int64(r.Fuel.TotalBudget)))
	}
}

func (r *Report) writeLog(b *bytes.Buffer) {
	if len(r.Log) == 0 {
		return
	}
	b.WriteString("\n")
	t := columns(b)
	fmt.Fprintln(t, "LOG\tTEXT")
	for _, l := range r.Log {
		fmt.Fprintf(t, "%s\t%s\n", l.Level, l.Text)
	}
	t.Flush()
	if r.LogDropped > 0 {
		fmt.Fprintf(b, "and %d lines more\n", r.LogDropped)
	}
}
