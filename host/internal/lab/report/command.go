package report

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"idlehost/host/internal/lab/study"
)

// command is what makes this study again.
func command(s *study.Study) string {
	t := &s.Setting
	words := []string{"host", "replay", "--trace", quoted(s.Trace.Name)}
	for i := range s.Policies {
		if p := &s.Policies[i]; !live(p) && !reference(p) {
			words = append(words, "--policy", quoted(spec(p)))
		}
	}
	add := func(flag, value string) { words = append(words, "--"+flag, value) }
	ms := func(n int64) string { return flagTime(time.Duration(n) * time.Millisecond) }
	add("worth", ms(t.WorthMs))
	add("rtt", ms(t.RoundTripMs))
	add("round-trips", strconv.FormatInt(t.RoundTrips, 10))
	add("handshake-cpu", flagTime(time.Duration(t.HandshakeUs)*time.Microsecond))
	if t.HoldBytes != 0 {
		add("hold-bytes", strconv.FormatInt(t.HoldBytes, 10))
	}
	if t.Limit != 0 {
		add("limit", strconv.FormatInt(t.Limit, 10))
	}
	if t.WarmupMs != 0 {
		add("warmup", ms(t.WarmupMs))
	}
	if t.Tenant != "" {
		add("tenant", quoted(t.Tenant))
	}
	add("seed", strconv.FormatUint(t.Seed, 10))
	add("out", "report.html")
	return strings.Join(words, " ")
}

// flagTime writes a duration as people type it: 2m, not 2m0s.
func flagTime(d time.Duration) string {
	s := strings.Replace(d.String(), "µ", "u", 1)
	for _, zero := range [...]struct{ after, text string }{{"m", "0s"}, {"h", "0m"}} {
		if cut, ok := strings.CutSuffix(s, zero.text); ok && strings.HasSuffix(cut, zero.after) {
			s = cut
		}
	}
	return s
}

// spec names a policy as --policy does, if possible as it was typed: the name in
// the study is made from that.
func spec(p *study.Outcome) string {
	var params []string
	for _, key := range slices.Sorted(maps.Keys(p.Params)) {
		params = append(params, key+"="+p.Params[key])
	}
	if len(params) == 0 {
		return p.Module
	}
	if d := p.Params["timeout"]; p.Name == "fixed "+d && p.Module == "fixed" && len(params) == 1 {
		return "fixed:" + d
	}
	sorted := strings.Join(params, ",")
	if _, typed, ok := strings.Cut(p.Name, ":"); ok && pieces(typed) == pieces(sorted) {
		sorted = typed
	}
	return fmt.Sprintf("%s:%s", p.Module, sorted)
}

// pieces are a list's, in the order of their bytes.
func pieces(list string) string {
	all := strings.Split(list, ",")
	slices.Sort(all)
	return strings.Join(all, ",")
}

// quoted is a word as a shell takes it, on one line.
func quoted(word string) string {
	word = printable(word)
	plain := func(r rune) bool {
		return r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || strings.ContainsRune("-_=:,./@%+", r)
	}
	if word != "" && !strings.ContainsFunc(word, func(r rune) bool { return !plain(r) }) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
