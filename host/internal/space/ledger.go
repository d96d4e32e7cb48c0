// Package space keeps what the host writes to its disks within bounds: a Ledger
// counts bytes by whose they are, a Disk says whether there is room for more.
package space

import (
	"fmt"
	"sync"
)

// Counter tells what is on a disk, in bytes.
type Counter interface {
	// Used is what one owner pays for.
	Used(owner string) int64
	// Size is all there is. Files that several owners share count once, and files
	// that nobody pays for any more count too.
	Size() int64
}

// Ledger holds owners to their limits. Bytes are claimed before they are written,
// so that concurrent writers do not exceed a limit together. Safe for concurrent
// use.
type Ledger struct {
	counters []Counter
	limit    func(owner string) int64
	total    func() int64

	mu      sync.Mutex // guards the following
	claimed map[string]int64
	all     int64 // claimed by all
}

// NewLedger returns a ledger. limit is what an owner may have, total what all
// together may, in bytes; 0: any number.
func NewLedger(limit func(owner string) int64, total func() int64, counters ...Counter) *Ledger {
	return &Ledger{counters: counters, limit: limit, total: total, claimed: map[string]int64{}}
}

// Claim sets bytes aside that owner is about to add to its own, and to what
// there is in all; *LimitError. They count until release is called, which must
// be after they are on the disk, or will not be.
func (l *Ledger) Claim(owner string, own, all int64) (release func(), err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if limit := l.limit(owner); limit > 0 && own > 0 && owner != "" {
		if used := l.Used(owner) + l.claimed[owner]; used+own > limit {
			return nil, &LimitError{Owner: owner, Used: used, Limit: limit, Asked: own}
		}
	}
	if limit := l.total(); limit > 0 && all > 0 {
		if used := l.Size() + l.all; used+all > limit {
			return nil, &LimitError{Used: used, Limit: limit, Asked: all}
		}
	}
	l.claimed[owner] += own
	l.all += all
	return sync.OnceFunc(func() { l.release(owner, own, all) }), nil
}

func (l *Ledger) release(owner string, own, all int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all -= all
	if l.claimed[owner] -= own; l.claimed[owner] == 0 {
		delete(l.claimed, owner)
	}
}

// Used is what an owner has on the disks.
func (l *Ledger) Used(owner string) (n int64) {
	for _, c := range l.counters {
		n += c.Used(owner)
	}
	return n
}

// Size is what is on the disks.
func (l *Ledger) Size() (n int64) {
	for _, c := range l.counters {
		n += c.Size()
	}
	return n
}

// LimitError says why an owner, or the host, may write no more.
type LimitError struct {
	Owner              string // "": all together
	Used, Limit, Asked int64  // bytes
}

// Error returns one line with the figures.
func (e *LimitError) Error() string {
	who := "tenant " + e.Owner
	if e.Owner == "" {
		who = "the host"
	}
	return fmt.Sprintf("%s has %s of at most %s on the disk, and %s more are asked for", who, Text(e.Used), Text(e.Limit), Text(e.Asked))
}

// Text writes a number of bytes for people.
func Text(n int64) string {
	for _, u := range []struct {
		name  string
		bytes int64
	}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if n >= u.bytes {
			return fmt.Sprintf("%.4g %s", float64(n)/float64(u.bytes), u.name)
		}
	}
	return fmt.Sprintf("%d bytes", n)
}

// block is what a file takes a multiple of, in bytes.
const block = 4096

// Blocks is what a file of so many bytes takes on a disk: a thousand files of
// one byte are not a thousand bytes.
func Blocks(n int64) int64 { return (n + block - 1) &^ (block - 1) }
