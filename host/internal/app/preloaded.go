package app

import (
	"maps"
	"time"

	"idlehost/host/internal/tenant"
	"idlehost/host/internal/tenant/spec"
)

// preloaded is a release that is loaded before the step that names it is written.
type preloaded struct {
	release spec.Release
	guest   tenant.Guest
	expiry  *time.Timer
}

// preloadedFor is how long it is kept for the step that it was loaded for.
const preloadedFor = 10 * time.Second

// keepPreloaded keeps a guest until takePreloaded takes it, another replaces it, or
// preloadedFor has passed. A tenant that is closed keeps none.
func (m *tenantRuntime) keepPreloaded(r spec.Release, g tenant.Guest) {
	t := &preloaded{release: r, guest: g}
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		g.Close()
		return
	}
	old := m.preloaded
	m.preloaded = t
	t.expiry = time.AfterFunc(preloadedFor, func() { m.expirePreloaded(t) })
	m.mu.Unlock()
	old.drop()
}

func (m *tenantRuntime) expirePreloaded(t *preloaded) {
	m.mu.Lock()
	if m.preloaded != t {
		m.mu.Unlock()
		return
	}
	m.preloaded = nil
	m.mu.Unlock()
	t.guest.Close()
}

// takePreloaded returns what was loaded for a release; nil: nothing was.
func (m *tenantRuntime) takePreloaded(r *spec.Release) tenant.Guest {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.preloaded
	if t == nil || t.release.Digest != r.Digest || !maps.Equal(t.release.Params, r.Params) {
		return nil
	}
	m.preloaded = nil
	t.expiry.Stop()
	return t.guest
}

func (m *tenantRuntime) dropPreloaded() {
	m.mu.Lock()
	t := m.preloaded
	m.preloaded = nil
	m.mu.Unlock()
	t.drop()
}

func (t *preloaded) drop() {
	if t != nil {
		t.expiry.Stop()
		t.guest.Close()
	}
}
