package space

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// counted is a disk in memory.
type counted struct {
	mu   sync.Mutex
	used map[string]int64
	more int64 // that nobody pays for
}

func (c *counted) add(owner string, n int64) { c.mu.Lock(); defer c.mu.Unlock(); c.used[owner] += n }

func (c *counted) Used(owner string) int64 { c.mu.Lock(); defer c.mu.Unlock(); return c.used[owner] }

func (c *counted) Size() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.more
	for _, u := range c.used {
		n += u
	}
	return n
}

func newLedger(limit, total int64, counters ...Counter) *Ledger {
	return NewLedger(func(string) int64 { return limit }, func() int64 { return total }, counters...)
}

func TestClaims(t *testing.T) {
	disk, tapes := &counted{used: map[string]int64{"a": 60, "b": 10}, more: 5}, &counted{used: map[string]int64{"a": 20}}
	l := newLedger(100, 200, disk, tapes)
	release, err := l.Claim("a", 20, 20)
	if err != nil {
		t.Fatal(err)
	}
	_, err = l.Claim("a", 1, 1)
	var full *LimitError
	if !errors.As(err, &full) || *full != (LimitError{Owner: "a", Used: 100, Limit: 100, Asked: 1}) {
		t.Errorf("beyond its limit: %v", err)
	}
	if _, err := l.Claim("a", 0, 20); err != nil {
		t.Errorf("what it has already: %v", err)
	}
	_, err = l.Claim("b", 90, 66) // 95 there, 40 claimed
	if !errors.As(err, &full) || *full != (LimitError{Used: 135, Limit: 200, Asked: 66}) {
		t.Errorf("beyond everybody's limit: %v", err)
	}
	release()
	release() // counts once
	if _, err := l.Claim("b", 90, 65); err != nil {
		t.Errorf("to the last byte of both: %v", err)
	}
	if used, size := l.Used("a"), l.Size(); used != 80 || size != 95 {
		t.Errorf("a has %d of %d", used, size)
	}
}

func TestNoLimit(t *testing.T) {
	l := newLedger(0, 0, &counted{used: map[string]int64{}})
	if _, err := l.Claim("a", 1<<50, 1<<50); err != nil {
		t.Error(err)
	}
	limited := newLedger(1, 0, &counted{used: map[string]int64{}})
	if _, err := limited.Claim("", 100, 100); err != nil {
		t.Errorf("what is nobody's: %v", err)
	}
}

// TestHammerLedger: many at once never pass the limits together.
func TestHammerLedger(t *testing.T) {
	const limit, total, size = 50, 120, 10
	disk := &counted{used: map[string]int64{}}
	l := newLedger(limit, total, disk)
	var refused atomic.Int64
	var wg sync.WaitGroup
	for _, owner := range []string{"a", "b", "c"} {
		for range 20 {
			wg.Go(func() {
				release, err := l.Claim(owner, size, size)
				if err != nil {
					refused.Add(1)
					return
				}
				disk.add(owner, size)
				release()
			})
		}
	}
	wg.Wait()
	if disk.Size() > total || disk.Used("a") > limit || disk.Used("b") > limit || disk.Used("c") > limit {
		t.Errorf("used %v, want at most %d by each and %d by all", disk.used, limit, total)
	}
	if refused.Load() < 48 || l.all != 0 || len(l.claimed) != 0 {
		t.Errorf("%d refused, %d left claimed", refused.Load(), l.all)
	}
}

func TestFigures(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{&LimitError{"a", 512 << 20, 512 << 20, 4300000}, "tenant a has 512 MiB of at most 512 MiB on the disk, and 4.101 MiB more are asked for"},
		{&LimitError{"", 1000, 2048, 3000}, "the host has 1000 bytes of at most 2 KiB on the disk, and 2.93 KiB more are asked for"},
		{&DiskError{"it is full", 12 << 10, 64 << 20, 1}, "the host's disk takes no more: it is full (12 KiB free, of which 64 MiB are kept in reserve)"},
	} {
		if got := c.err.Error(); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
	if Blocks(0) != 0 || Blocks(1) != 4096 || Blocks(4096) != 4096 || Blocks(4097) != 8192 {
		t.Error("blocks")
	}
	if !strings.Contains(Text(3<<30), "3 GiB") {
		t.Error(Text(3 << 30))
	}
}
