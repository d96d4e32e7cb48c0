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
	long := span
	if r.SpanMs >= manyHours {
		long = hours
	}
	fmt.Fprintf(w, "%s on %s: fitted to the first %s of %s, judged by the rest.\nA reconnect is worth %s of holding; %s sets of parameters were tried.\n\n",
		plain(r.Policy), plain(trace), long(r.SplitMs), long(r.SpanMs), lasting(millis(r.WorthMs)), count(uint64(r.Trials)))
	t := newTable(w, "", "COST BEFORE", "AFTER", "HELD", "TOO EARLY", "AGAINST AS IT IS")
	shown := span
	if max(r.Default.Train.CostMs, r.Default.Test.CostMs) >= manyHours {
		shown = hours // all of them, so that they compare
	}
	contender(t, "as it is", &r.Default, shown, "")
	contender(t, "tuned", &r.Tuned, shown, against(&r.Ratio))
	if r.Fixed != nil {
		vs := ""
		if r.Default.Test.CostMs > 0 {
			vs = change(float64(r.Fixed.Test.CostMs) / float64(r.Default.Test.CostMs))
		}
		contender(t, "constant "+constant(r.Fixed.Params), r.Fixed, shown, vs)
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
		fmt.Fprintf(w, "\n%s\n", folded("Note: "+plain(note)+"."))
	}
	return nil
}

// contender writes a row: before the split, and after it.
func contender(t *table, name string, c *tune.Contender, shown func(ms int64) string, vs string) {
	early := fmt.Sprintf("%s (%s)", count(uint64(max(c.Test.Premature, 0))), rate(uint64(max(c.Test.Premature, 0)), uint64(max(c.Test.Gaps, 0))))
	t.row(cut(name, 20), shown(c.Train.CostMs), shown(c.Test.CostMs), shown(c.Test.HeldMs), early, vs)
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

// manyHours is how many milliseconds are easier to compare in hours than in
// hours, minutes and seconds.
const manyHours = 2 * 3600_000

// span is an amount of time for people.
func span(ms int64) string {
	if ms < manyHours {
		return lasting(millis(ms))
	}
	return hours(ms)
}

// hours is an amount of time, milliseconds, that may be centuries of many
// connections together.
func hours(ms int64) string {
	switch tenths, hundredths := (max(ms, 0)+180_000)/360_000, (max(ms, 0)+18_000)/36_000; {
	case hundredths < 1000:
		return fmt.Sprintf("%d.%02d h", hundredths/100, hundredths%100)
	case tenths < 100_000:
		return fmt.Sprintf("%s.%d h", count(uint64(tenths/10)), tenths%10)
	default:
		return count(uint64(tenths/10)) + " h"
	}
}

// folded breaks a text into lines that a terminal has room for.
func folded(text string) string {
	const width = 96
	var b strings.Builder
	n := 0
	for i, word := range strings.Fields(text) {
		switch size := len([]rune(word)); {
		case i == 0:
			n = size
		case n+1+size > width:
			b.WriteByte('\n')
			n = size
		default:
			b.WriteByte(' ')
			n += 1 + size
		}
		b.WriteString(word)
	}
	return b.String()
}
