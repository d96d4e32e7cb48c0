package cli

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// table writes columns. What is put into it may be anybody's.
type table struct{ w *tabwriter.Writer }

// newTable begins a table with its head; none: it has no head.
func newTable(w io.Writer, head ...string) *table {
	t := &table{w: tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)}
	if len(head) > 0 {
		t.row(head...)
	}
	return t
}

func (t *table) row(cells ...string) {
	safe := make([]string, 0, len(cells))
	for _, c := range cells {
		safe = append(safe, plain(c))
	}
	for len(safe) > 0 && safe[len(safe)-1] == "" {
		safe = safe[:len(safe)-1]
	}
	fmt.Fprintln(t.w, strings.Join(safe, "\t"))
}

func (t *table) end() error { return t.w.Flush() }

// short returns the beginning of a digest, as people tell versions apart.
func short(digest string) string {
	const digits = 12
	if digest == "" {
		return "-"
	}
	return digest[:min(digits, len(digest))]
}

// ago returns how long ago something was.
func ago(at time.Time) string {
	if at.IsZero() {
		return "-"
	}
	return age(time.Since(at))
}

// age returns a duration in its largest unit, rounded down: "12s", "3m", "4h",
// "9d".
func age(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d < 0:
		return "0s"
	case d < time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < 2*time.Hour:
		return fmt.Sprintf("%dm", d/time.Minute)
	case d < 2*day:
		return fmt.Sprintf("%dh", d/time.Hour)
	}
	return fmt.Sprintf("%dd", d/day)
}

// lasting returns a duration with as much of it as matters: "830ms", "1.5s",
// "2m5s".
func lasting(d time.Duration) string {
	switch {
	case d < time.Second && d > -time.Second:
		return d.Round(time.Millisecond).String()
	case d < time.Minute && d > -time.Minute:
		return d.Round(100 * time.Millisecond).String()
	}
	text := d.Round(time.Second).String()
	for _, zero := range []string{"0s", "0m"} {
		if rest, ok := strings.CutSuffix(text, zero); ok && !strings.ContainsAny(rest[len(rest)-1:], "0123456789") {
			text = rest
		}
	}
	return text
}

// millis is a number of milliseconds as the API has it.
func millis[N int64 | uint32](n N) time.Duration { return time.Duration(n) * time.Millisecond }

// size returns a number of bytes in binary units.
func size[N int | uint64](n N) string {
	f, units := float64(n), []string{"KiB", "MiB", "GiB", "TiB"}
	if f < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	for _, unit := range units {
		if f /= 1024; f < 1023.95 || unit == units[len(units)-1] {
			return fmt.Sprintf("%.1f %s", f, unit)
		}
	}
	return ""
}

// count returns a number with its thousands apart: "12,400".
func count(n uint64) string {
	digits := []byte(strconv.FormatUint(n, 10))
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = slices.Insert(digits, i, ',')
	}
	return string(digits)
}

// rate returns which part of the whole something is, in percent; "-" of
// nothing.
func rate(part, whole uint64) string {
	if whole == 0 {
		return "-"
	}
	return percent(100 * float64(part) / float64(whole))
}

// percent returns a percentage with one decimal where it matters.
func percent(p float64) string {
	text := strconv.FormatFloat(p, 'f', 1, 64)
	return strings.TrimSuffix(text, ".0") + " %"
}

// list returns texts in a row, "-" for none.
func list(texts []string) string {
	if len(texts) == 0 {
		return "-"
	}
	return strings.Join(texts, ", ")
}

// limit returns a bound; 0 is none.
func limit[N int | int64](n N) string {
	if n == 0 {
		return "-"
	}
	return count(uint64(max(n, 0)))
}
