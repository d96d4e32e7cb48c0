package engine

import "strconv"

const (
	lineBytes = 256  // of one line of a guest
	logBurst  = 32   // lines that a quiet guest may write at once
	lineMs    = 1000 // event time that earns one more line
)

type line struct {
	level int
	text  string
}

// guestLog collects the lines that a guest writes during a call. Lines above its
// rate are counted, not kept.
type guestLog struct {
	lines   []line
	spent   int // of the burst
	spentMs uint64
	dropped int
	last    string // the last line kept, for error messages
	partial [2][]byte
}

// add takes one line; now is the event's time in Unix milliseconds.
func (g *guestLog) add(now uint64, level int, text []byte) {
	if !g.allow(now) {
		g.dropped++
		return
	}
	if g.dropped > 0 {
		g.lines = append(g.lines, line{level: 2, text: strconv.Itoa(g.dropped) + " lines dropped"})
		g.dropped = 0
	}
	g.last = oneLine(string(text[:min(len(text), lineBytes)]), lineBytes)
	g.lines = append(g.lines, line{level: level, text: g.last})
}

func (g *guestLog) allow(now uint64) bool {
	if now < g.spentMs {
		g.spentMs = now
	}
	if earned := (now - g.spentMs) / lineMs; earned > 0 {
		g.spent -= int(min(earned, uint64(g.spent)))
		g.spentMs += earned * lineMs
	}
	if g.spent >= logBurst {
		return false
	}
	g.spent++
	return true
}

// write splits bytes of standard output (stream 0) or error (1) into lines.
func (g *guestLog) write(now uint64, stream int, b []byte) {
	for _, c := range b {
		if c == '\n' {
			g.endLine(now, stream)
		} else if len(g.partial[stream]) < lineBytes {
			g.partial[stream] = append(g.partial[stream], c)
		}
	}
}

func (g *guestLog) endLine(now uint64, stream int) {
	if len(g.partial[stream]) == 0 {
		return
	}
	g.add(now, stream+1, g.partial[stream])
	g.partial[stream] = g.partial[stream][:0]
}

// take returns the lines, unfinished ones included, and removes them.
func (g *guestLog) take(now uint64) []line {
	if len(g.lines)|len(g.partial[0])|len(g.partial[1]) == 0 {
		return nil
	}
	for stream := range g.partial {
		g.endLine(now, stream)
	}
	lines := g.lines
	g.lines = nil
	return lines
}

// addHostLine adds a line of the host's own, without a rate: the breaker bounds
// how often there is one.
func (g *guestLog) addHostLine(now uint64, text string) {
	g.lines = append(g.take(now), line{level: 3, text: text})
}

// reason returns the guest's last line.
func (g *guestLog) reason() string {
	if g.last == "" {
		return "no reason given"
	}
	return g.last
}
