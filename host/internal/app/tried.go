package app

import (
	"maps"
	"time"

	"idlehost/host/internal/tenant"
	"idlehost/host/internal/tenant/spec"
)

// tried is a release that was loaded to see whether it can be.
type tried struct {
	release spec.Release
	guest   tenant.Guest
	expiry  *time.Timer
}

// triedFor is how long it is kept for the step that it was loaded for.
const triedFor = 10 * time.Second

// keepTried keeps a guest until takeTried, another, or triedFor has passed. A
// member that is closed keeps none.
func (m *member) keepTried(r spec.Release, g tenant.Guest) {
	t := &tried{release: r, guest: g}
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		g.Close()
		return
	}
	old := m.tried
	m.tried = t
	t.expiry = time.AfterFunc(triedFor, func() { m.expireTried(t) })
	m.mu.Unlock()
	old.drop()
}

func (m *member) expireTried(t *tried) {
	m.mu.Lock()
	if m.tried != t {
		m.mu.Unlock()
		return
	}
	m.tried = nil
	m.mu.Unlock()
	t.guest.Close()
}

// takeTried returns what was loaded for a release; nil: nothing was.
func (m *member) takeTried(r *spec.Release) tenant.Guest {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.tried
	if t == nil || t.release.Digest != r.Digest || !maps.Equal(t.release.Params, r.Params) {
		return nil
	}
	m.tried = nil
	t.expiry.Stop()
	return t.guest
}

func (m *member) dropTried() {
	m.mu.Lock()
	t := m.tried
	m.tried = nil
	m.mu.Unlock()
	t.drop()
}

func (t *tried) drop() {
	if t != nil {
		t.expiry.Stop()
		t.guest.Close()
	}
}
