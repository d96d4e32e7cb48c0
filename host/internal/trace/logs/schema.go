package logs

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"idlehost/sdk/abi"
)

// Words of Config.Client and Config.Stamp.
const (
	byAddress = "address"
	byAgent   = "address+agent"

	atStart = "start"
	atEnd   = "end"
)

// undated is where a log begins whose times only count from its beginning:
// 1 January 2000. 0 would be taken for "never" by a policy that keeps times.
const undated = 946684800 * int64(1e9)

// datedFrom is the time from which on a number is taken for a date: 26 April
// 1970.
const datedFrom = 115 * 86400 * int64(1e9)

// cell is what a line has for a column.
type cell struct {
	text []byte
	unit int64 // of a number, nanoseconds; 0: not known
	rank int   // of the field's name
}

// cells is a line by columns.
type cells [columns]cell

// put takes a value, unless there is one of a better name.
func (c *cells) put(f field, text []byte) {
	if have := &c[f.column]; len(have.text) == 0 || len(text) > 0 && f.rank <= have.rank {
		*have = cell{text, f.unit, f.rank}
	}
}

// schema makes rows out of cells.
type schema struct {
	zone   *time.Location
	ends   bool // times are those of ends
	agents bool // the agent is part of who a client is
	names  pseudonyms
	count
}

// count is where numbers count from, and whether it is known in what.
type count struct {
	base  int64 // nanoseconds that are added to numbers whose unit is known
	timed bool  // base is known
	bare  bool  // there was a duration of which the unit is not known
}

func (c *count) unitless() bool { return c.bare }
func (c *count) dated() bool    { return c.base == 0 }

func newSchema(cfg *Config, ends bool) (schema, error) {
	s := schema{zone: cfg.Zone, ends: ends, agents: cfg.Client == byAgent, names: newPseudonyms(cfg.Key)}
	switch cfg.Stamp {
	case "":
	case atStart, atEnd:
		s.ends = cfg.Stamp == atEnd
	default:
		return s, fmt.Errorf("%w: a time is that of the start or the end, not %q", ErrConfig, cfg.Stamp)
	}
	return s, nil
}

// row reads a line's cells.
func (s *schema) row(c *cells, r *row) (err error) {
	*r = row{}
	if r.logged, err = s.time(&c[colTime]); err != nil {
		return reason(colTime, c, err)
	}
	d := &c[colDuration]
	if r.length, err = length(d.text, d.unit); err != nil {
		return reason(colDuration, c, err)
	}
	s.bare = s.bare || len(d.text) > 0 && d.unit == 0 && r.length == 0 && d.text[0] != '-'
	if r.at = r.logged; s.ends {
		if r.at -= r.length; r.at < 0 {
			return reason(colDuration, c, errRange)
		}
	}
	if r.client, err = s.client(c); err != nil {
		return err
	}
	if r.out, err = octets(c[colBytes].text); err != nil {
		return reason(colBytes, c, err)
	}
	if r.in, err = octets(c[colReceived].text); err != nil {
		return reason(colReceived, c, err)
	}
	return s.manner(c, r)
}

// manner reads what kind of request it was.
func (s *schema) manner(c *cells, r *row) error {
	if text := c[colRoute].text; len(text) > 0 {
		n, err := natural(text)
		if err == nil && n > 1<<16-1 {
			err = errRange
		}
		if err != nil {
			return reason(colRoute, c, err)
		}
		r.route = uint16(n)
	}
	r.tunnel = string(c[colStatus].text) == "101" || tunnels(c[colKind].text)
	switch r.protocol = abi.ProtocolHTTP1; {
	case r.tunnel:
		r.protocol = abi.ProtocolWebSocket
	case multiplexed(c[colProtocol].text):
		r.protocol = abi.ProtocolHTTP2
	}
	return nil
}

// multiplexed reports whether a protocol, or the last word of a request, has
// streams. HTTP/3, of which the ABI does not know, is most like HTTP/2.
func multiplexed(p []byte) bool {
	p = p[bytes.LastIndexByte(p, ' ')+1:]
	return bytes.HasPrefix(p, []byte("HTTP/2")) || bytes.HasPrefix(p, []byte("HTTP/3")) || string(p) == "h2" || string(p) == "h2c" || string(p) == "h3"
}

func tunnels(kind []byte) bool {
	return string(kind) == "websocket" || string(kind) == "tunnel" || string(kind) == "connect"
}

var errAbsent = errors.New("there is none")

// time reads the time, as the log has it.
func (s *schema) time(c *cell) (int64, error) {
	if len(c.text) == 0 {
		return 0, errAbsent
	}
	if c.unit == 0 {
		return stamp(c.text, s.zone)
	}
	ns, err := decimal(c.text, c.unit)
	if err != nil {
		return 0, err
	}
	if !s.timed {
		s.timed = true
		if ns < datedFrom {
			s.base = undated
		}
	}
	return checked(min(ns, latest)+s.base, nil)
}

// client returns the pseudonym of whoever sent the request.
func (s *schema) client(c *cells) (uint64, error) {
	who := c[colClient].text
	if len(who) == 0 || len(who) == 1 && who[0] == '-' {
		return 0, reason(colClient, c, errAbsent)
	}
	who = withoutPort(who)
	if !s.agents {
		return s.names.of(who, nil), nil
	}
	agent := c[colAgent].text
	if agent == nil {
		return 0, reason(colAgent, c, errAbsent)
	}
	return s.names.of(who, agent), nil
}

// withoutPort returns the address of "192.0.2.1:80" or "[2001:db8::1]:80", and
// anything else as it is.
func withoutPort(b []byte) []byte {
	if b[0] == '[' {
		if i := bytes.IndexByte(b, ']'); i > 1 {
			return b[1:i]
		}
		return b
	}
	dots := 0
	for i, c := range b {
		switch {
		case c == ':' && dots == 3:
			return b[:i]
		case c == '.':
			dots++
		case c < '0' || c > '9':
			return b
		}
	}
	return b
}

// reason says what is wrong with a line.
func reason(at column, c *cells, err error) error {
	if err == errAbsent {
		return fmt.Errorf("%s: %w", columnNames[at], err)
	}
	return fmt.Errorf("%s %q: %w", columnNames[at], excerpt(c[at].text), err)
}

// excerpt is as much of a text as a message holds.
func excerpt(b []byte) []byte {
	const most = 48
	return b[:min(len(b), most)]
}
