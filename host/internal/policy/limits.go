package policy

import "time"

// Timeout is the law of one phase when no policy answers, and the start of
// its lease when one does.
type Timeout struct {
	// Idle is how long the phase may pass without progress before the host
	// asks. 0: never.
	Idle time.Duration
	// MinRate, in bytes per second, is what a peer must keep up over the
	// phase once Grace has passed; bytes earn time. 0: any rate.
	MinRate int64
	Grace   time.Duration
	// Max is the longest the phase may last; no policy extends it. 0: no limit.
	Max time.Duration
}

// Timeouts holds the law by phase.
type Timeouts [16]Timeout

// Limits is what an operator allows a policy to decide.
type Limits struct {
	// Floor is the shortest deadline; a shorter answer, closing at once
	// included, is raised to it. 0: none.
	Floor time.Duration
	// Ceiling is the longest idle time; no verdict outlives it. 0: none.
	Ceiling time.Duration
	// Connections is how many connections the tenant may have open. 0: any number.
	Connections int
	// ClientConnections is how many of them one client, told by its address,
	// may have open. 0: any number.
	ClientConnections int
	// Worth is what sparing a client one reconnect is worth, in time of
	// holding its connection.
	Worth time.Duration
}
