package logs

import (
	"bytes"
	"errors"
	"fmt"
)

// clf reads the Common and the Combined Log Format:
//
//	192.0.2.1 - frank [10/Oct/2000:13:55:36 -0700] "GET / HTTP/1.1" 200 2326
//	192.0.2.1 - frank [10/Oct/2000:13:55:36 -0700] "GET / HTTP/1.1" 200 2326 "referer" "agent"
//
// with or without a virtual host in front. What follows is of no use.
type clf struct {
	schema
	combined bool
	cells    cells
}

func newCLF(combined bool, cfg *Config) (*clf, error) {
	s, err := newSchema(cfg, false)
	if err != nil {
		return nil, err
	}
	switch {
	case len(cfg.Fields) > 0:
		err = fmt.Errorf("%w: fields are given, but its lines have none by name", ErrConfig)
	case cfg.Client != "" && cfg.Client != byAddress && cfg.Client != byAgent:
		err = fmt.Errorf("%w: a client is its field %q, but its lines have none by name", ErrConfig, cfg.Client)
	case s.agents && !combined:
		err = fmt.Errorf("%w: a client is its address and agent, but there are no agents in the Common Log Format", ErrConfig)
	}
	return &clf{schema: s, combined: combined}, err
}

func (l *clf) name() string {
	if l.combined {
		return "Combined"
	}
	return "Common"
}

var (
	errNoTime    = errors.New("no time in brackets")
	errNoClient  = errors.New("no client in front of the time")
	errNoRequest = errors.New("no quoted request behind the time")
	errNoStatus  = errors.New("no status behind the request")
	errNoAgent   = errors.New("no quoted agent behind the referer")
)

func (l *clf) parse(line []byte, r *row) error {
	l.cells = cells{}
	request, err := l.split(line)
	if err != nil {
		return err
	}
	if err := l.row(&l.cells, r); err != nil {
		return err
	}
	r.tunnel = r.tunnel || bytes.HasPrefix(request, []byte("CONNECT "))
	return nil
}

// split puts a line into cells, and returns the request.
func (l *clf) split(line []byte) (request []byte, err error) {
	open := bytes.Index(line, []byte(" ["))
	if open < 0 {
		return nil, errNoTime
	}
	shut := bytes.IndexByte(line[open:], ']')
	if shut < 0 {
		return nil, errNoTime
	}
	l.cells[colTime].text = line[open+2 : open+shut]
	if l.cells[colClient].text = who(line[:open]); len(l.cells[colClient].text) == 0 {
		return nil, errNoClient
	}
	rest := bytes.TrimLeft(line[open+shut+1:], " ")
	request, rest, ok := quoted(rest, true)
	if !ok {
		return nil, errNoRequest
	}
	l.cells[colProtocol].text = request
	l.cells[colStatus].text, rest = word(rest)
	if !status(l.cells[colStatus].text) {
		return nil, errNoStatus
	}
	l.cells[colBytes].text, rest = word(rest)
	if !l.agents {
		return request, nil
	}
	if _, rest, ok = quoted(bytes.TrimLeft(rest, " "), false); ok {
		l.cells[colAgent].text, _, ok = quoted(bytes.TrimLeft(rest, " "), false)
	}
	if !ok {
		return nil, errNoAgent
	}
	return request, nil
}

// who returns the client out of "client ident user" or "host:port client ident
// user".
func who(front []byte) []byte {
	first, rest := word(front)
	colon := bytes.LastIndexByte(first, ':')
	if colon <= 0 || digits(first[colon+1:]) < 0 || colon == len(first)-1 || bytes.Count(rest, []byte(" ")) < 2 || bytes.Count(first, []byte(":")) > 1 && first[colon-1] != ']' {
		return first
	}
	if second, more := word(rest); bytes.IndexByte(bytes.TrimSpace(more), ' ') > 0 {
		return second
	}
	return first
}

// word returns what is in front of a blank, and what is behind it.
func word(b []byte) (first, rest []byte) {
	b = bytes.TrimLeft(b, " ")
	if i := bytes.IndexByte(b, ' '); i >= 0 {
		return b[:i], b[i+1:]
	}
	return b, nil
}

// quoted returns what is in quotes, as it is written. A quote that is escaped
// does not end it; in a request, of which old servers escaped nothing, nor
// does one that no status follows.
func quoted(b []byte, request bool) (text, rest []byte, ok bool) {
	if len(b) == 0 || b[0] != '"' {
		return nil, nil, false
	}
	for i := 1; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			rest = b[i+1:]
			if first, _ := word(rest); !request || status(first) {
				return b[1:i], rest, true
			}
		}
	}
	return nil, nil, false
}

// status reports whether it is one: three digits, or "-".
func status(b []byte) bool {
	return len(b) == 3 && digits(b) >= 0 || len(b) == 1 && b[0] == '-'
}
