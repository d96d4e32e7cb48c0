// Package logs reads access logs, and plain tables of requests, as recordings:
// Common, Combined, JSON lines and TSV become a trace.Source.
//
// A log tells of requests, not of connections. So a client is one connection,
// from its first request on: that is the best case for reuse. It is never
// closed: whether a client has gone, a log does not tell, and its last gap ends
// with the recording. Requests that overlap are in flight together. A WebSocket
// or CONNECT is a connection of its own, busy until it is closed, for what
// passes in it is not logged. Times are as exact as the log's clock: requests
// within one second of a log that counts seconds come all at once.
package logs

import (
	"errors"
	"fmt"
	"io"
	"time"

	"idlehost/host/internal/trace"
)

// Errors that Open and Next wrap.
var (
	// ErrFormat: not a log, or not one of a kind that is known.
	ErrFormat = errors.New("does not look like a log")
	// ErrEmpty: there is no request in it.
	ErrEmpty = errors.New("no requests")
	// ErrConfig: what a Config asks for does not fit the log.
	ErrConfig = errors.New("does not fit the log")
)

// Config says how logs are read. The zero value reads what is common.
type Config struct {
	// Client says who a client is: "address" (or ""), "address+agent" for the
	// address and the User-Agent together, or the name of a field.
	Client string
	// Fields says which field of JSON lines, or column of a TSV, is what, by
	// Fields' names: time, client, agent, bytes, received, duration, status,
	// protocol, kind, route. Nested fields are joined by dots:
	// "request.remote_ip". What is not named goes by the usual names.
	Fields map[string]string
	// Unit is that of durations whose field does not tell. 0: a known
	// server's own; durations without a unit are left out.
	Unit time.Duration
	// Stamp says what of a request the time is: "start" or "end". "": what the
	// server is known to write; it matters only where durations are known.
	Stamp string
	// Zone is that of times that do not tell theirs. nil: they are refused.
	Zone *time.Location
	// Window is how long after a line one that is older may still come. What
	// is older yet is left out, or begins late if it lasts until then. 0: 2
	// minutes.
	Window time.Duration
	// Reorder bounds how many requests wait for that. 0: 1<<18.
	Reorder int
	// Clients bounds how many clients are remembered; the one that has been
	// away longest begins anew when it returns. 0: 1<<20.
	Clients int
	// Key is what pseudonyms are made with. Who knows it can try all addresses,
	// so a log that is given away needs a random one. nil: a known one, so that
	// the same log is the same recording.
	Key []byte
	// Host is that of the header.
	Host string
	// Stdin is what "-" is read from; nil: nothing is.
	Stdin io.Reader
}

// Open opens a log, plain or gzip'd; "-" is Config.Stdin. What it is, is told
// by its content. Errors wrap ErrFormat, ErrEmpty or ErrConfig, or are those of
// the file.
func Open(path string, cfg Config) (*Source, error) { return OpenAll([]string{path}, cfg) }

// OpenAll opens the parts of one log, the oldest first.
func OpenAll(paths []string, cfg Config) (*Source, error) {
	if len(paths) == 0 {
		return nil, fmt.Errorf("%w: no log is named", ErrConfig)
	}
	cfg = cfg.complete()
	in, err := openInput(paths, cfg)
	if err != nil {
		return nil, err
	}
	s := newSource(in, cfg)
	if err := s.begin(); err != nil {
		in.Close()
		return nil, err
	}
	return s, nil
}

func (c Config) complete() Config {
	if c.Window <= 0 {
		c.Window = 2 * time.Minute
	}
	if c.Reorder <= 0 {
		c.Reorder = 1 << 18
	}
	if c.Clients <= 0 {
		c.Clients = 1 << 20
	}
	if c.Key == nil {
		c.Key = SeedKey(0)
	}
	return c
}

var _ trace.Source = (*Source)(nil)
