package control

import (
	"context"
	"time"
)

// The doors of the tests to what has no other.
var (
	ReadSpec      = readSpec
	ReadSignature = readSignature
	ReadKey       = readKey
	CheckPre      = check
	ParseToken    = parseToken
	FindVersion   = version
	Clean         = clean
)

// MaxUnswept is maxUnswept.
const MaxUnswept = maxUnswept

// Rooms counts the rooms and lines that are open, and the claims held.
func (c *Control) Rooms() int {
	c.locks.mu.Lock()
	defer c.locks.mu.Unlock()
	c.uploads.mu.Lock()
	defer c.uploads.mu.Unlock()
	c.reserved.mu.Lock()
	defer c.reserved.mu.Unlock()
	return len(c.locks.open) + len(c.uploads.open) + len(c.reserved.by) + c.uploads.bodies.Running()
}

// InLine counts the uploads of a tenant that are under way or wait.
func (c *Control) InLine(tenant string) int {
	c.uploads.mu.Lock()
	defer c.uploads.mu.Unlock()
	if l := c.uploads.open[tenant]; l != nil {
		return l.users
	}
	return 0
}

// InRoom counts who changes a tenant, or waits to.
func (c *Control) InRoom(tenant string) int {
	c.locks.mu.Lock()
	defer c.locks.mu.Unlock()
	if r := c.locks.open[tenant]; r != nil {
		return r.users
	}
	return 0
}

// NoteRefusal is what a refused upload does, and Remembered counts the tenants
// whose refusals are counted.
func (c *Control) NoteRefusal(tenant string, now time.Time) (skipped int, ok bool) {
	return c.refusals.Allow(now, tenant)
}

func (c *Control) Remembered() int {
	return c.refusals.Len()
}

// Lines is where uploads wait, of no Control.
type Lines struct{ lines *uploadQueue }

func NewLines() Lines { return Lines{newUploadQueue()} }

func (l Lines) Enter(ctx context.Context, tenant string) (release func(), err error) {
	return l.lines.enter(ctx, tenant)
}

// Open counts the lines that are open, and the uploads that are sent.
func (l Lines) Open() int {
	l.lines.mu.Lock()
	defer l.lines.mu.Unlock()
	return len(l.lines.open) + l.lines.bodies.Running()
}
