package main

import (
	"fmt"
	"slices"
	"strings"
)

// tables renders the comparison in Markdown: memory, bursts, processor time.
func tables(all []record) string {
	s := newSheet(all)
	var b strings.Builder
	if len(s.sizes[rowMemory]) > 0 {
		s.memory(&b)
	}
	if len(s.sizes[rowBurst]) > 0 {
		s.bursts(&b)
	}
	if len(s.sizes[rowRequest])+len(s.sizes[rowAccept])+len(s.sizes[rowHold]) > 0 {
		s.processor(&b)
	}
	s.parking(&b, all)
	s.losses(&b, all)
	return strings.TrimPrefix(b.String(), "\n")
}

func (s *sheet) memory(b *strings.Builder) {
	sizes := s.sizes[rowMemory]
	low, high := sizes[0], sizes[len(sizes)-1]
	s.heading(b, "KB per idle connection")
	for _, c := range scenarios {
		s.line(b, c.title, func(proxy string) string {
			small, _ := s.median(key{rowMemory, c.name, low, perConn}, proxy)
			large, ok := s.median(key{rowMemory, c.name, high, perConn}, proxy)
			if !ok {
				return "-"
			}
			if low == high {
				return kilobytes(large)
			}
			slope := (large*float64(high) - small*float64(low)) / float64(high-low)
			return fmt.Sprintf("%s (%s)", kilobytes(large), kilobytes(slope))
		})
	}
	fmt.Fprintf(b, "\nResident memory of the proxy's processes, in 1,024 bytes, with %s idle connections", thousands(high))
	if low != high {
		fmt.Fprintf(b, "; in brackets for each one more than %s", thousands(low))
	}
	b.WriteString(". Each has made one request unless the row says otherwise; a WebSocket counts once for both its sides.\n")
}

func kilobytes(n float64) string {
	if n < 1000 {
		return fmt.Sprintf("%.2f", n/1024)
	}
	return fmt.Sprintf("%.1f", n/1024)
}

func (s *sheet) bursts(b *strings.Builder) {
	sizes := s.sizes[rowBurst]
	n := sizes[len(sizes)-1]
	s.heading(b, fmt.Sprintf("ms until the last answer, %s at once", thousands(n)))
	for _, c := range scenarios {
		s.line(b, c.title, s.plain(key{rowBurst, c.name, n, lastMs}, "%.0f"))
	}
}

// plain is a cell that shows a median.
func (s *sheet) plain(k key, format string) func(string) string {
	return func(proxy string) string {
		if v, ok := s.median(k, proxy); ok {
			return fmt.Sprintf(format, v)
		}
		return "-"
	}
}

func (s *sheet) processor(b *strings.Builder) {
	s.heading(b, "processor time")
	for _, n := range s.sizes[rowHold] {
		s.line(b, fmt.Sprintf("%s idle, ms a minute", thousands(n)), s.plain(key{rowHold, "h1", n, cpuMinute}, "%.0f"))
		s.line(b, "questions to a policy meanwhile", s.asked(key{rowHold, "h1", n, asks}))
	}
	for _, w := range works {
		for _, n := range s.sizes[w.row] {
			s.line(b, w.title+", us", s.plain(key{w.row, w.name, n, cpuReq}, "%.1f"))
			if w.row == rowRequest {
				s.line(b, "its latency, p50 / p99, us", s.pair(key{w.row, w.name, n, p50}, key{w.row, w.name, n, p99}))
			}
			s.line(b, strings.Replace(w.title, "connection", "connections", 1)+", accepted per second of processor time",
				s.plain(key{w.row, w.name, n, accepts}, "%.0f"))
		}
	}
	b.WriteString("\nUser and kernel, of all the proxy's processes; medians.")
	b.WriteString(" Load, upstream and proxy share the processors, so latencies compare, and no more.\n")
}

// asked leaves out those that have no policy to ask.
func (s *sheet) asked(k key) func(string) string {
	return func(proxy string) string {
		if v, _ := s.median(k, proxy); v > 0 {
			return thousands(int(v))
		}
		return "-"
	}
}

func (s *sheet) pair(a, z key) func(string) string {
	return func(proxy string) string {
		v, ok := s.median(a, proxy)
		w, also := s.median(z, proxy)
		if !ok || !also {
			return "-"
		}
		return fmt.Sprintf("%.0f / %.0f", v, w)
	}
}

// parking compares the host with itself. What disturbs the machine for a while
// disturbs both sides of a ratio within a round.
func (s *sheet) parking(b *strings.Builder, all []record) {
	var parts []string
	for _, w := range works {
		unit := cpuReq
		if w.row == rowAccept {
			unit = accepts
		}
		ratios := ratiosOf(all, w, unit, "host", "host-unparked")
		if n := len(ratios); n > 0 {
			slices.Sort(ratios)
			parts = append(parts, fmt.Sprintf("%s %.3f", w.title, (ratios[(n-1)/2]+ratios[n/2])/2))
		}
	}
	if len(parts) > 0 {
		fmt.Fprintf(b, "\nParking against never parking, median of the ratios within a round: %s.\n", strings.Join(parts, "; "))
	}
}

// ratiosOf divides what two contestants had in each round.
func ratiosOf(all []record, w work, unit, above, below string) (ratios []float64) {
	rounds := map[int]float64{}
	for _, r := range all {
		if v, ok := r.value(unit); ok && r.Row == w.row && r.Case == w.name && r.Proxy == below && v > 0 {
			rounds[r.Round] = v
		}
	}
	for _, r := range all {
		v, ok := r.value(unit)
		if under := rounds[r.Round]; ok && under > 0 && r.Row == w.row && r.Case == w.name && r.Proxy == above {
			ratios = append(ratios, v/under)
		}
	}
	return ratios
}

// losses says what has failed, of everything that was tried.
func (s *sheet) losses(b *strings.Builder, all []record) {
	sums := map[string]int{}
	for _, r := range all {
		if v, ok := r.value(failed); ok {
			sums[r.Proxy] += int(v)
		}
	}
	var parts []string
	for _, p := range s.proxies {
		if sums[p] > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", titleOf(p), sums[p]))
		}
	}
	if len(parts) == 0 {
		b.WriteString("\nNo connection and no request has failed.\n")
		return
	}
	fmt.Fprintf(b, "\nFailed: %s.\n", strings.Join(parts, ", "))
}

// thousands writes 10000 as 10,000.
func thousands(n int) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
