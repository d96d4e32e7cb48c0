// Package study is what an experiment has found, as plain data: the JSON that
// host replay writes, and all that its report and its tables are made of.
// Durations are in milliseconds, counted as integers wherever they are sums, so
// that the same experiment gives the same bytes on any machine.
package study

// Version is that of the JSON.
const Version = 1

// Study is one experiment.
type Study struct {
	Version  int       `json:"version"`
	Trace    Trace     `json:"trace"`
	Setting  Setting   `json:"setting"`
	Policies []Outcome `json:"policies"` // in the order they were asked for; recorded ones last
	Bounds   Bounds    `json:"bounds"`
	// Gaps is the histogram of the trace's gaps.
	Gaps []Bin `json:"gaps"`
	// Cliffs are heartbeats that a policy closes just under.
	Cliffs []Cliff `json:"cliffs"`
	// Spikes are deadlines that many requests come just after.
	Spikes []Spike `json:"spikes"`
	// Differences are the clients that two policies treat most differently.
	Differences []Difference `json:"differences"`
	// Notes are said to whoever reads the numbers: what was left out, cut off,
	// lost, not known.
	Notes []string `json:"notes"`
}

// Trace is what was replayed.
type Trace struct {
	Name        string   `json:"name"`
	Origin      string   `json:"origin"`
	StartMs     int64    `json:"start_ms"` // Unix
	SpanMs      int64    `json:"span_ms"`
	Records     int64    `json:"records"`
	Connections int64    `json:"connections"` // as clients wanted them: what the host cut is one with what follows
	Clients     int64    `json:"clients"`
	Requests    int64    `json:"requests"`
	Gaps        int64    `json:"gaps"` // that ended in a request
	Lost        int64    `json:"lost"` // records that the recorder dropped
	Sample      float64  `json:"sample"`
	Tenants     []string `json:"tenants"`
	Kinds       []Kind   `json:"kinds"`
}

// Kind is one kind of client, told by what it does: once, beat, burst, people,
// tunnel, dialled.
type Kind struct {
	Name     string `json:"name"`
	Clients  int64  `json:"clients"`
	Requests int64  `json:"requests"`
	MedianMs int64  `json:"median_gap_ms"`
}

// Setting is what the experiment assumed.
type Setting struct {
	Seed        uint64 `json:"seed"`
	WorthMs     int64  `json:"worth_ms"`      // of holding, that sparing a client one reconnect is worth
	RoundTripMs int64  `json:"round_trip_ms"` // where the trace does not tell
	RoundTrips  int64  `json:"round_trips"`   // of a reconnect, where the handshake is not known
	HandshakeUs int64  `json:"handshake_cpu_us"`
	HoldBytes   int64  `json:"hold_bytes"` // 0: by protocol and handshake, as the host reckons
	Limit       int64  `json:"limit"`      // of open connections; 0: none
	WarmupMs    int64  `json:"warmup_ms"`  // left out of all sums at the beginning
	// Tenant, if not empty, is the only one whose connections were counted.
	Tenant string `json:"tenant,omitempty"`
}

// Outcome is what one policy did.
type Outcome struct {
	Name    string            `json:"name"` // short, unique in the study
	Module  string            `json:"module"`
	Digest  string            `json:"digest"`
	Params  map[string]string `json:"params"`
	Source  string            `json:"source"`   // replay, recorded, shadow
	WorthMs int64             `json:"worth_ms"` // that its policy was told
	Total   Tally             `json:"total"`
	Kinds   []KindTally       `json:"kinds"`
	// Interval is the 95 % interval of the bootstrap over clients.
	Interval Intervals `json:"interval"`
	// Open is how many connections were open at most, in even parts of the time.
	Open []Sample `json:"open"`
	// Closed is the histogram of how long the connections it closed had been
	// idle; Deadlines of all it answered at timeouts and accepts.
	Closed    []Bin `json:"closed"`
	Deadlines []Bin `json:"deadlines"`
	// Agreement compares with the decisions in the trace, where it holds those
	// of the very same policy.
	Agreement *Agreement `json:"agreement,omitempty"`
	// Share is the part of the requests that it decided about, where that is
	// less than all: an arm of a rollout. 0: all.
	Share float64 `json:"share,omitempty"`
	// Unknown is how often a recorded shadow would have been asked again, and
	// was not, because the host had closed: it is taken to have closed then.
	Unknown int64            `json:"unknown,omitempty"`
	Faults  map[string]int64 `json:"faults"`
}

// Tally is what was counted. What a policy can move is the idle time between
// requests (or bursts, in a tunnel).
type Tally struct {
	Requests int64 `json:"requests"`
	Gaps     int64 `json:"gaps"`   // that ended in a request
	Reused   int64 `json:"reused"` // of these, on the same connection
	// Premature closes: the client came back after the policy had closed.
	Premature int64 `json:"premature"`
	// Broken are those of tunnels, where a session was lost.
	Broken int64 `json:"broken"`
	// Late are premature closes whose client came back within a second.
	Late    int64 `json:"late"`
	Closed  int64 `json:"closed"`  // by the policy, premature or not
	Refused int64 `json:"refused"` // at accept, or for want of room
	// Held is connection time idle, split by what became of it: the client
	// came back on it; it was closed and the client came back later; the
	// client closed or was never seen again; and what the end of the trace
	// cut off, of which it is not known.
	HeldMs     int64 `json:"held_ms"` // the sum of the four
	UsefulMs   int64 `json:"useful_ms"`
	ShortMs    int64 `json:"short_ms"`
	NeverMs    int64 `json:"never_ms"`
	CensoredMs int64 `json:"censored_ms"`
	// HeldByteSeconds is held time by what such a connection takes in memory.
	HeldByteSeconds int64 `json:"held_byte_seconds"`
	// LatencyMs is what premature closes cost the clients, in round trips and
	// handshakes.
	LatencyMs   int64 `json:"latency_ms"`
	HandshakeUs int64 `json:"handshake_us"` // processor time of the same
	Asks        int64 `json:"asks"`
	Fuel        int64 `json:"fuel"`
	PeakOpen    int64 `json:"peak_open"`
	// CostMs is held time plus the worth of every premature close: the total
	// under the price of the setting.
	CostMs int64 `json:"cost_ms"`
}

// KindTally is the tally of one kind of client.
type KindTally struct {
	Kind  string `json:"kind"`
	Tally Tally  `json:"tally"`
}

// Interval is from low to high.
type Interval struct {
	Low  float64 `json:"low"`
	High float64 `json:"high"`
}

// Intervals are of a policy's sums; Ratio is of its cost to that of the best
// fixed timeout, on the same clients.
type Intervals struct {
	HeldMs    Interval `json:"held_ms"`
	Premature Interval `json:"premature"`
	CostMs    Interval `json:"cost_ms"`
	Ratio     Interval `json:"ratio"`
}

// Sample is a part of a series.
type Sample struct {
	AtMs int64 `json:"at_ms"` // its end, since the trace's start
	Open int64 `json:"open"`  // at most
	Idle int64 `json:"idle"`  // of these, at most
}

// Bin is a bin of a histogram over durations: from LowMs to the next bin's.
type Bin struct {
	LowMs int64 `json:"low_ms"`
	Count int64 `json:"count"`
}

// Bounds are what the numbers of policies are held against. Costs are under
// the setting's worth; every point has what it takes to price it otherwise.
type Bounds struct {
	Fixed       []Point `json:"fixed"`      // the curve, by timeout
	BestFixed   Point   `json:"best_fixed"` // in hindsight
	SplitFixed  Split   `json:"split_fixed"`
	Clairvoyant Point   `json:"clairvoyant"` // knows every gap
	SkiRental   Point   `json:"ski_rental"`  // holds for the worth
	SkiRandom   Point   `json:"ski_random"`  // e/(e-1), expected
}

// Point is what one rule costs.
type Point struct {
	TimeoutMs int64 `json:"timeout_ms,omitempty"`
	HeldMs    int64 `json:"held_ms"`
	Premature int64 `json:"premature"`
	PeakOpen  int64 `json:"peak_open"` // idle ones
	CostMs    int64 `json:"cost_ms"`
}

// Split is a fixed timeout fitted on the first half of the time and judged on
// the second: what it costs there, and what the second half's own best does.
type Split struct {
	Fitted Point `json:"fitted"`
	Best   Point `json:"best"`
}

// Cliff is a heartbeat with a policy's close just under it.
type Cliff struct {
	Policy  string `json:"policy"` // or "fixed 60s"
	BeatMs  int64  `json:"beat_ms"`
	CloseMs int64  `json:"close_ms"`
	Clients int64  `json:"clients"`
	Closes  int64  `json:"closes"`
	Text    string `json:"text"` // "closes 2 s under the 30 s beat of 212 clients"
}

// Spike is many late requests: within a second of the close.
type Spike struct {
	Policy  string `json:"policy"`
	CloseMs int64  `json:"close_ms"`
	Late    int64  `json:"late"`
	MoreMs  int64  `json:"more_ms"` // holding so much longer spares ...
	Spared  int64  `json:"spared"`  // ... so many
	HeldMs  int64  `json:"held_ms"` // ... for so much more time held
	Text    string `json:"text"`
}

// Difference is a client that two policies treat differently, and how.
type Difference struct {
	Policies  [2]string     `json:"policies"`
	Client    string        `json:"client"` // pseudonym, hexadecimal
	Kind      string        `json:"kind"`
	CostMs    [2]int64      `json:"cost_ms"`
	Decisions [2][]Decision `json:"decisions"`
}

// Decision is one answer, and the event it was asked with: each field that is
// not zero by its ABI name.
type Decision struct {
	AtMs       int64            `json:"at_ms"` // since the trace's start
	Conn       uint64           `json:"conn"`
	Event      string           `json:"event"` // accept, timeout
	Phase      string           `json:"phase"`
	IdleMs     int64            `json:"idle_ms"`
	Action     string           `json:"action"`
	DeadlineMs int64            `json:"deadline_ms"`
	Reason     uint16           `json:"reason"`
	Source     string           `json:"source"` // native, policy, fallback
	Role       string           `json:"role"`
	Log        bool             `json:"log"`
	Outcome    string           `json:"outcome"` // what came of it: "client back after 3.2 s", "closed", ...
	Asked      map[string]int64 `json:"asked"`
}

// Agreement is how replayed decisions compare with those in the trace.
type Agreement struct {
	Recorded int64 `json:"recorded"`
	Same     int64 `json:"same"`
	// First says where and how the first that differs does.
	First string `json:"first,omitempty"`
}
