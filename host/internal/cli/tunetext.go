package cli

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"idlehost/host/internal/lab"
	"idlehost/host/internal/lab/tune"
)

// writeTuned tells people what a search has come to, and what to do.
func writeTuned(w io.Writer, trace, module string, r *tune.Result) error {
	fmt.Fprintf(w, "%s on %s: fitted to the first %s of %s, judged by the rest.\nA reconnect is worth %s of holding; %s sets of parameters were tried.\n\n",
		plain(r.Policy), plain(trace), span(r.SplitMs), span(r.SpanMs), lasting(millis(r.WorthMs)), count(uint64(r.Trials)))
	t := newTable(w, "", "COST BEFORE", "AFTER", "HELD", "TOO EARLY", "AGAINST AS IT IS")
	contender(t, "as it is", &r.Default, "")
	contender(t, "tuned", &r.Tuned, against(&r.Ratio))
	if r.Fixed != nil {
		vs := ""
		if r.Default.Test.CostMs > 0 {
			vs = change(float64(r.Fixed.Test.CostMs) / float64(r.Default.Test.CostMs))
		}
		contender(t, "constant "+constant(r.Fixed.Params), r.Fixed, vs)
	}
	if err := t.end(); err != nil {
		return err
	}
	fmt.Fprintln(w)
	t = newTable(w, "PARAMETER", "VALUE", "OUT OF", "SCALE", "MOVES THE COST BY")
	for _, p := range r.Params {
		t.row(cut(p.Name, 20), cut(p.Value, 20), cut(p.Range, 24), p.Scale, percent(100*p.Effect))
	}
	if err := t.end(); err != nil {
		return err
	}
	fmt.Fprintf(w, "\n%s\n", judgement(r))
	if !r.Keep {
		fmt.Fprintf(w, "\n  %s\n", plain(commandLine(module, r.Tuned.Params)))
		if r.WorthMs != lab.DefaultSetting().WorthMs {
			fmt.Fprintf(w, "\nThe host has to reckon with the same price: worth = %q in [timeouts].\n", lasting(millis(r.WorthMs)))
		}
	}
	for _, note := range r.Notes {
		fmt.Fprintf(w, "\nNote: %s.\n", plain(note))
	}
	return nil
}

// contender writes a row: before the split, and after it.
func contender(t *table, name string, c *tune.Contender, vs string) {
	early := fmt.Sprintf("%s (%s)", count(uint64(max(c.Test.Premature, 0))), rate(uint64(max(c.Test.Premature, 0)), uint64(max(c.Test.Gaps, 0))))
	t.row(cut(name, 20), span(c.Train.CostMs), span(c.Test.CostMs), span(c.Test.HeldMs), early, vs)
}

// against is a ratio with its interval, as changes.
func against(r *tune.Ratio) string {
	return fmt.Sprintf("%s (%s to %s)", change(r.Value), strings.TrimSuffix(change(r.Interval.Low), " %"), change(r.Interval.High))
}

// change is a ratio as what it adds to or takes from the whole.
func change(ratio float64) string {
	digits := 1
	if ratio > 0.99 && ratio < 1.01 && ratio != 1 {
		digits = 2
	}
	return fmt.Sprintf("%+.*f %%", digits, 100*(ratio-1))
}

// worded is change in words.
func worded(ratio float64) string {
	switch text := change(ratio); text[0] {
	case '-':
		return text[1:] + " less"
	default:
		return text[1:] + " more"
	}
}

// little is a ratio from which on a gain is hardly worth a change.
const little = 0.995

// judgement is what to do, in a sentence.
func judgement(r *tune.Result) string {
	value := worded(r.Ratio.Value)
	between := fmt.Sprintf("between %s and %s with 95 %% confidence", worded(r.Ratio.Interval.Low), worded(r.Ratio.Interval.High))
	switch {
	case r.Keep && r.Ratio.Value == 1:
		return "Keep the policy as it is: what was found costs the same after the split."
	case r.Keep && r.Ratio.Interval.Low > 1:
		return fmt.Sprintf("Keep the policy as it is: what fits the first part costs %s after the split,\n%s.", value, between)
	case r.Keep:
		return fmt.Sprintf("Keep the policy as it is: what was found costs %s after the split, which may be\nchance: %s.", value, between)
	case r.Ratio.Value > little:
		return fmt.Sprintf("What was found is better, though by little: it costs %s after the split,\n%s.", value, between)
	}
	return fmt.Sprintf("Use what was found: it costs %s after the split,\n%s.", value, between)
}

// constant is the time that a fixed policy holds.
func constant(params map[string]string) string {
	if d, err := time.ParseDuration(params["timeout"]); err == nil && len(params) == 1 {
		return d.String()
	}
	return list(settings(params))
}

// commandLine starts the host with a policy and its parameters.
func commandLine(module string, params map[string]string) string {
	words := []string{"host", "--plugin", quoted(module)}
	for _, s := range settings(params) {
		words = append(words, "--plugin-config", quoted(s))
	}
	return strings.Join(words, " ")
}

// settings are parameters as key=value, sorted.
func settings(params map[string]string) []string {
	var all []string
	for _, key := range slices.Sorted(maps.Keys(params)) {
		all = append(all, key+"="+params[key])
	}
	return all
}

// quoted is a word as a shell takes it.
func quoted(word string) string {
	const bare = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=.,:/+@%"
	if word != "" && strings.Trim(word, bare) == "" {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// span is an amount of time that may be years of many connections together.
func span(ms int64) string {
	const limit = 2 * time.Hour
	if ms < limit.Milliseconds() && ms > -limit.Milliseconds() {
		return lasting(millis(ms))
	}
	tenths := max((ms+180_000)/360_000, 0)
	if tenths%10 == 0 || tenths >= 100_000 {
		return count(uint64(tenths/10)) + " h"
	}
	return fmt.Sprintf("%s.%d h", count(uint64(tenths/10)), tenths%10)
}
