package logs

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// column is what a field says of a request.
type column uint8

const (
	colTime column = iota
	colClient
	colAgent
	colBytes
	colReceived
	colDuration
	colStatus
	colProtocol
	colKind
	colRoute
	columns
)

var columnNames = [columns]string{
	"time", "client", "agent", "bytes", "received", "duration", "status", "protocol", "kind", "route",
}

// Fields returns the names that Config.Fields knows.
func Fields() []string { return slices.Clone(columnNames[:]) }

// dialect is how a server names its fields, the best first.
type dialect struct {
	name   string
	marks  []string // fields that every line of it has
	starts bool     // its time is when a request began
	unit   int64    // of its durations, nanoseconds; 0: not known
	names  [columns][]string
}

// dialects are told apart by their marks; the last, which has none, is all
// others'.
var dialects = [...]dialect{
	{name: "Caddy", marks: []string{"ts", "request.uri"}, unit: 1e9, names: [columns][]string{
		colTime:     {"ts"},
		colClient:   {"request.client_ip", "request.remote_ip", "request.remote_addr"},
		colAgent:    {"request.headers.User-Agent"},
		colBytes:    {"size"},
		colReceived: {"bytes_read"},
		colDuration: {"duration"},
		colStatus:   {"status"},
		colProtocol: {"request.proto"},
	}},
	{name: "Traefik", marks: []string{"StartUTC", "Duration"}, starts: true, unit: 1, names: [columns][]string{
		colTime:     {"StartUTC"},
		colClient:   {"ClientHost", "ClientAddr"},
		colAgent:    {"request_User-Agent"},
		colBytes:    {"DownstreamContentSize"},
		colReceived: {"RequestContentSize"},
		colDuration: {"Duration"},
		colStatus:   {"DownstreamStatus"},
		colProtocol: {"RequestProtocol"},
	}},
	{name: "Envoy", marks: []string{"start_time", "duration"}, starts: true, unit: 1e6, names: [columns][]string{
		colTime:     {"start_time"},
		colClient:   {"downstream_remote_address", "downstream_remote_address_without_port", "downstream_direct_remote_address"},
		colAgent:    {"user_agent"},
		colBytes:    {"bytes_sent"},
		colReceived: {"bytes_received"},
		colDuration: {"duration"},
		colStatus:   {"response_code"},
		colProtocol: {"protocol"},
	}},
	{names: [columns][]string{
		colTime: {"time_ns", "time_us", "time_ms", "msec", "time_s", "time_iso8601", "@timestamp", "timestamp",
			"time", "ts", "time_local", "datetime", "date"},
		colClient:   {"client", "remote_addr", "remote_ip", "client_ip", "clientip", "remote_host", "ip", "client.ip", "source.ip"},
		colAgent:    {"http_user_agent", "user_agent", "agent", "user_agent.original"},
		colBytes:    {"bytes", "bytes_sent", "body_bytes_sent", "size", "response_size", "http.response.bytes"},
		colReceived: {"request_length", "bytes_received", "http.request.bytes"},
		colDuration: {"request_time", "dur_ms", "dur_us", "duration_ms", "duration_us", "duration_ns", "duration_s",
			"latency_ms", "elapsed_ms", "response_time_ms", "duration", "latency", "elapsed", "response_time", "event.duration"},
		colStatus:   {"status", "status_code", "response_code", "http.response.status_code"},
		colProtocol: {"server_protocol", "protocol", "proto", "request"},
		colKind:     {"kind"},
		colRoute:    {"route"},
	}},
}

// field is what a name stands for.
type field struct {
	column column
	rank   int   // of several names for one column, the lowest counts
	unit   int64 // of a number, nanoseconds; 0: not known
}

// fieldsOf returns what names stand for in a dialect, as the configuration has
// it. A name that the configuration gives stands for nothing else.
func fieldsOf(d *dialect, cfg *Config) (map[string]field, error) {
	own, err := ownNames(cfg)
	if err != nil {
		return nil, err
	}
	all := map[string]field{}
	for c, name := range own {
		if was, twice := all[name]; twice {
			return nil, fmt.Errorf("%w: field %q is both %s and %s", ErrConfig, name, columnNames[was.column], columnNames[c])
		}
		if name != "" {
			all[name] = field{column(c), 0, unitOf(column(c), name, d, cfg)}
		}
	}
	for c, names := range d.names {
		for rank, name := range names {
			if _, taken := all[name]; !taken && own[c] == "" {
				all[name] = field{column(c), rank, unitOf(column(c), name, d, cfg)}
			}
		}
	}
	return all, nil
}

// ownNames returns the names that the configuration gives.
func ownNames(cfg *Config) (own [columns]string, err error) {
	for _, what := range slices.Sorted(maps.Keys(cfg.Fields)) {
		c := slices.Index(columnNames[:], what)
		if c < 0 {
			return own, fmt.Errorf("%w: there is no field %q; there are %s", ErrConfig, what, strings.Join(columnNames[:], ", "))
		}
		if cfg.Fields[what] == "" {
			return own, fmt.Errorf("%w: field %s is given no name", ErrConfig, what)
		}
		own[c] = cfg.Fields[what]
	}
	if name := cfg.Client; name != "" && name != byAddress && name != byAgent {
		own[colClient] = name
	}
	return own, nil
}

// unitOf returns the unit of numbers in a field: its name's, else the
// configuration's, else the dialect's.
func unitOf(c column, name string, d *dialect, cfg *Config) int64 {
	if c != colTime && c != colDuration {
		return 0
	}
	for suffix, unit := range map[string]int64{"_ns": 1, "_us": 1e3, "_ms": 1e6, "_s": 1e9} {
		if strings.HasSuffix(name, suffix) {
			return unit
		}
	}
	switch {
	case c == colTime:
		return 0
	case cfg.Unit > 0:
		return int64(cfg.Unit)
	case name == "request_time": // nginx
		return 1e9
	case name == "event.duration": // Elastic Common Schema
		return 1
	}
	return d.unit
}
