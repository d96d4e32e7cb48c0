package logs

import "idlehost/host/internal/policy"

// Bounds of what a row may say, so that no sum of them overflows.
const (
	latest  = 1 << 62                  // Unix nanoseconds: the year 2116
	longest = 366 * 86400 * int64(1e9) // nanoseconds
)

// row is one request.
type row struct {
	logged   int64  // the time in the log, Unix nanoseconds
	at       int64  // when it began, Unix nanoseconds
	length   int64  // how long it took, nanoseconds; 0: not known
	client   uint64 // pseudonym
	in, out  uint64 // bytes
	route    uint16
	protocol policy.Protocol
	tunnel   bool // it is a connection of its own
}

func (r *row) end() int64 { return r.at + r.length }
