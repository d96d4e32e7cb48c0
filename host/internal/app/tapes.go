package app

import (
	"os"
	"strings"
	"sync"
	"time"

	"idlehost/host/internal/space"
)

// tapes counts the files of recordings that were begun over the API, also those
// of removed tenants, which stay until somebody removes the files.
type tapes struct {
	dir string

	mu      sync.Mutex       // guards the following
	owners  map[string]int64 // bytes by tenant
	counted time.Time
}

// tapeTime is how the name of a recording says when it was begun: behind the
// tenant's.
const tapeTime = "20060102T150405.000000000Z"

// recountEvery is how often the directory is read, at most.
const recountEvery = time.Second

// newTapes counts what earlier processes have left.
func newTapes(dir string) *tapes {
	ts := &tapes{dir: dir, owners: map[string]int64{}}
	ts.recount()
	return ts
}

// tapeName is the name of a recording of a tenant.
func tapeName(tenant string, begun time.Time) string {
	return tenant + "-" + begun.UTC().Format(tapeTime) + ".trace"
}

// tapeOwner is the tenant that a recording is of; "": it is none of these.
func tapeOwner(name string) string {
	name, ok := strings.CutSuffix(name, ".trace")
	at := len(name) - len(tapeTime) - 1
	if !ok || at < 1 || name[at] != '-' {
		return ""
	}
	if _, err := time.Parse(tapeTime, name[at+1:]); err != nil {
		return ""
	}
	return name[:at]
}

// recount reads the directory, unless that was done a moment ago, and reports
// whether it has.
func (ts *tapes) recount() bool {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if !ts.counted.IsZero() && time.Since(ts.counted) < recountEvery {
		return false
	}
	ts.counted = time.Now()
	list, err := os.ReadDir(ts.dir)
	if err != nil {
		return false // not made yet, or not to be read: what is known stays
	}
	owners := map[string]int64{}
	for _, e := range list {
		owner := tapeOwner(e.Name())
		if owner == "" {
			continue
		}
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() {
			owners[owner] += space.Blocks(info.Size())
		}
	}
	ts.owners = owners
	return true
}

// grow notes that a recording of a tenant has got larger.
func (ts *tapes) grow(tenant string, n int64) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	ts.owners[tenant] += n
}

// Used is what the recordings of a tenant take.
func (ts *tapes) Used(tenant string) int64 {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	return ts.owners[tenant]
}

// Size is what all of them take.
func (ts *tapes) Size() (n int64) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	for _, bytes := range ts.owners {
		n += bytes
	}
	return n
}
