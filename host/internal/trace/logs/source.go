package logs

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"idlehost/host/internal/trace"
)

// Source is a log as a recording. Not safe for concurrent use.
type Source struct {
	in     *input
	cfg    Config
	format format
	stats  Stats
	header trace.Header

	tried  int64 // lines
	window window
	parsed row
	held   row // the last one read, not yet believed
	heldAt place
	holds  bool
	done   bool // everything is read
	err    error

	clients clients
	ends    queue[ending]
	endings uint64
	step    step
	row     row   // being told
	slot    int32 // of its connection
}

func newSource(in *input, cfg Config) *Source {
	return &Source{
		in: in, cfg: cfg, stats: Stats{Clock: time.Second},
		window: window{span: int64(cfg.Window), limit: cfg.Reorder}, clients: newClients(cfg.Clients),
	}
}

// begin reads until it is known when the recording begins.
func (s *Source) begin() error {
	if err := s.recognise(); err != nil {
		return err
	}
	if err := s.fill(); err != nil {
		return err
	}
	if s.window.len() == 0 {
		return fmt.Errorf("%s: %w", s.in.name(0), ErrEmpty)
	}
	s.header = trace.Header{Start: s.window.first().at, Sample: 1 << 16, Host: s.cfg.Host, Origin: s.origin()}
	return nil
}

// origin names the log, in 255 bytes.
func (s *Source) origin() string {
	name, more := s.in.name(0), ""
	if n := len(s.in.paths); n > 1 {
		more = fmt.Sprintf(" and %d more", n-1)
	}
	tail := more + " (" + s.stats.Format + "; a client is one connection)"
	name = strings.ToValidUTF8(name, "\ufffd")
	for len(name)+len(tail) > 255 {
		_, n := utf8.DecodeLastRuneInString(name)
		name = name[:len(name)-n]
	}
	return name + tail
}

// Header is known from the start. Its Start is the beginning of the first
// request; of a log that only counts from its own beginning, that is on 1
// January 2000.
func (s *Source) Header() trace.Header { return s.header }

// Stats is what has been read so far; all of it after io.EOF.
func (s *Source) Stats() Stats {
	st := s.stats
	st.Forgotten = s.clients.forgotten
	st.Unitless, st.Dated = s.format.unitless(), s.format.dated()
	return st
}

// Progress returns how many bytes of the files have been read, and how many
// there are; 0: not known.
func (s *Source) Progress() (read, total int64) { return s.in.raw.n, s.in.total }

// Close closes the files.
func (s *Source) Close() error { return s.in.Close() }
