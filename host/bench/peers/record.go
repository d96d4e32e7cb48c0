package main

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// record is what was measured at once of one contestant. Its text is a line of
// the Go benchmark format, so that benchstat reads it.
type record struct {
	Row    string  `json:"row"`
	Case   string  `json:"case"`
	Size   int     `json:"size"` // connections, or requests
	Proxy  string  `json:"proxy"`
	Round  int     `json:"round"` // from 1
	Values []value `json:"values"`
}

type value struct {
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`
}

// Units of the values.
const (
	perConn   = "B/conn"     // resident bytes per idle connection
	failed    = "failed"     // connections or requests
	lastMs    = "last-ms"    // until the last answer of a burst
	cpuMinute = "cpu-ms/min" // processor time of a minute
	asks      = "asks/min"   // questions to the policy, as the host counts them
	cpuReq    = "cpu-us/req"
	p50       = "p50-us"
	p99       = "p99-us"
	rate      = "req/s"
	accepts   = "conn/cpu-s" // connections per second of processor time
)

func (r record) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "BenchmarkPeers/row=%s/case=%s/size=%d/proxy=%s/round=%d 1", r.Row, r.Case, r.Size, r.Proxy, r.Round)
	for _, v := range r.Values {
		fmt.Fprintf(&b, " %.2f %s", v.Value, v.Unit)
	}
	return b.String()
}

// short is for people who wait.
func (r record) short() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-8s %-18s %6d  %-14s", r.Row, r.Case, r.Size, r.Proxy)
	for _, v := range r.Values {
		if v.Unit != failed || v.Value > 0 {
			fmt.Fprintf(&b, " %9.1f %s", v.Value, v.Unit)
		}
	}
	return b.String()
}

// value returns what was measured in that unit.
func (r record) value(unit string) (float64, bool) {
	for _, v := range r.Values {
		if v.Unit == unit {
			return v.Value, true
		}
	}
	return 0, false
}

var recordLine = regexp.MustCompile(`^BenchmarkPeers/row=([^/\s]+)/case=([^/\s]+)/size=(\d+)/proxy=([^/\s]+)/round=(\d+)\s+1((?:\s+\S+\s+\S+)+)\s*$`)

// parseRecords reads raw results; lines that are none are left to others.
func parseRecords(raw string) (all []record, err error) {
	n := 0
	for line := range strings.Lines(raw) {
		n++
		if !strings.HasPrefix(line, "BenchmarkPeers/") {
			continue
		}
		r, err := parseRecord(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		all = append(all, r)
	}
	return all, nil
}

func parseRecord(line string) (r record, err error) {
	m := recordLine.FindStringSubmatch(line)
	if m == nil {
		return r, fmt.Errorf("%q is no result", strings.TrimSpace(line))
	}
	r = record{Row: m[1], Case: m[2], Proxy: m[4]}
	if r.Size, err = strconv.Atoi(m[3]); err != nil {
		return r, err
	}
	if r.Round, err = strconv.Atoi(m[5]); err != nil {
		return r, err
	}
	f := strings.Fields(m[6])
	for i := 0; i+1 < len(f); i += 2 {
		v, err := strconv.ParseFloat(f[i], 64)
		if err != nil {
			return r, err
		}
		r.Values = append(r.Values, value{v, f[i+1]})
	}
	return r, nil
}
