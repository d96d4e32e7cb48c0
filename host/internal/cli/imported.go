package cli

import (
	"fmt"
	"io"
	"time"

	"github.com/schollz/progressbar/v3"

	"idlehost/host/internal/trace"
	"idlehost/host/internal/trace/logs"
)

// imported is what was made of logs, and what could not be.
type imported struct {
	File    string `json:"file"`
	Bytes   int64  `json:"bytes"`
	Records uint64 `json:"records"`
	Format  string `json:"format"`

	Rows    int64  `json:"rows"`
	Clients int64  `json:"clients"`
	Tunnels int64  `json:"tunnels"`
	First   string `json:"first,omitempty"` // absent: the log does not tell
	Last    string `json:"last,omitempty"`
	SpanMs  int64  `json:"span_ms"`
	ClockMs int64  `json:"clock_ms"` // 0: less than one

	Bad       int64    `json:"bad"`
	Dropped   int64    `json:"dropped"`
	Shortened int64    `json:"shortened"`
	Forgotten int64    `json:"forgotten"`
	Notes     []string `json:"notes"`

	span time.Duration
}

// fill takes over what the logs and the file say.
func (m *imported) fill(st logs.Stats, to *trace.Writer) {
	m.Bytes, m.Records, m.Format = to.Size(), to.Records(), st.Format
	m.Rows, m.Clients, m.Tunnels = st.Rows, st.Clients, st.Tunnels
	m.SpanMs, m.ClockMs = m.span.Milliseconds(), st.Clock.Milliseconds()
	m.Bad, m.Dropped, m.Shortened, m.Forgotten = st.Bad, st.Dropped, st.Shortened, st.Forgotten
	m.Notes = st.Notes()
	if st.Dated {
		m.First, m.Last = st.First.Format(time.RFC3339), st.Last.Format(time.RFC3339)
	}
}

// write writes it for people.
func (m *imported) write(w io.Writer) error {
	t := newTable(w)
	t.row("log", m.Format)
	t.row("requests", count(uint64(m.Rows)))
	t.row("clients", count(uint64(m.Clients)))
	if m.Tunnels > 0 {
		t.row("tunnels", count(uint64(m.Tunnels)))
	}
	t.row("span", lasting(m.span))
	if m.First != "" {
		t.row("", m.First+" to "+m.Last)
	}
	for _, left := range []struct {
		what string
		n    int64
	}{{"not understood", m.Bad}, {"too late", m.Dropped}, {"cut short", m.Shortened}, {"forgotten", m.Forgotten}} {
		if left.n > 0 {
			t.row(left.what, count(uint64(left.n)))
		}
	}
	t.row("recording", fmt.Sprintf("%s, %s, %s records", m.File, size(uint64(m.Bytes)), count(m.Records)))
	if err := t.end(); err != nil {
		return err
	}
	for _, note := range m.Notes {
		if _, err := fmt.Fprintln(w, "note: "+plain(note)); err != nil {
			return err
		}
	}
	return nil
}

// reading shows on a terminal how much of the logs has been read. It leaves
// nothing behind. nil shows nothing.
type reading struct {
	w      io.Writer
	so     func() (read, total int64)
	bar    *progressbar.ProgressBar // nil: nothing shows yet
	begun  time.Time
	showed time.Time
}

// newReading returns nil where nobody looks, or nothing is to be shown.
func newReading(w io.Writer, so func() (read, total int64)) *reading {
	if so == nil || !terminal(w) {
		return nil
	}
	return &reading{w: w, so: so, begun: time.Now()}
}

// tell brings the line up to date, if it is time.
func (p *reading) tell() {
	if p == nil || time.Since(p.begun) < progressAfter || time.Since(p.showed) < progressStep {
		return
	}
	p.showed = time.Now()
	read, total := p.so()
	if total <= 0 {
		total = -1
	}
	if p.bar == nil {
		p.bar = progressbar.NewOptions64(total, progressbar.OptionSetWriter(p.w), progressbar.OptionSetWidth(24),
			progressbar.OptionSetDescription("reading"), progressbar.OptionShowBytes(true),
			progressbar.OptionSetSpinnerChangeInterval(0)) // it is moved by tell, not by a goroutine
	}
	_ = p.bar.Set64(min(read, max(total, read)))
}

// end takes the line away.
func (p *reading) end() {
	if p != nil && p.bar != nil {
		_ = p.bar.Clear()
	}
}
