package cli

import (
	"fmt"
	"io"
	"time"

	"idlehost/host/internal/api"
	"idlehost/host/internal/tenant/spec"
)

// writeTenant shows a tenant and its limits to people.
func writeTenant(w io.Writer, t *api.Tenant, l *api.EffectiveLimits) error {
	facts := newTable(w)
	facts.row("tenant", t.Name)
	switch {
	case t.Declared:
		facts.row("declared", "in the configuration file")
	default:
		facts.row("created", ago(t.Created)+" ago, changed "+ago(t.Changed)+" ago")
	}
	facts.row("policy", orHosts(t.Active))
	facts.row("open", connections(l.Open, l.HostLimit))
	for _, f := range []struct {
		name  string
		texts []string
	}{{"host", t.Spec.Hosts}, {"destination", t.Spec.Destinations}, {"upstream", t.Spec.Upstreams}} {
		for _, text := range f.texts {
			facts.row(f.name, cut(text, 80))
		}
	}
	if t.Spec.RewriteHost {
		facts.row("rewrite host", "yes")
	}
	if t.Spec.Isolate == "own" {
		facts.row("worker", "its own")
	}
	if t.Spec.RequireSignature {
		facts.row("signature", "required")
	}
	facts.row("guard", guard(t.Spec.Guard))
	uploads := fmt.Sprintf("at most %s; %s of %s of processor time left, %s used so far",
		size(l.UploadBytes), lasting(millis(int64(l.LoadLeftMs))), lasting(millis(int64(l.LoadSavedMs))), lasting(millis(int64(l.LoadSpentMs))))
	if l.RetryAfterSec > 0 {
		uploads += "; the next in " + lasting(time.Duration(l.RetryAfterSec)*time.Second)
	}
	facts.row("uploads", uploads)
	all, kinds := onDisk(l.Storage, int64(l.Effective.StoreBytes))
	if facts.row("disk", all); l.Storage.Used > 0 {
		facts.row("on it", kinds)
	}
	if err := facts.end(); err != nil {
		return err
	}
	fmt.Fprintln(w)
	return writeLimits(w, l.Configured, l.Effective)
}

// onDisk tells what a tenant has on the disk, and of what kind.
func onDisk(s api.Storage, limit int64) (all, kinds string) {
	all = bytesText(s.Used)
	if limit > 0 {
		all += " of at most " + bytesText(limit)
	}
	kinds = "policies " + bytesText(s.Policies)
	if s.Unswept > 0 {
		kinds += " (" + bytesText(s.Unswept) + " not swept yet)"
	}
	return all, kinds + "; learned " + bytesText(s.Learned) + "; recordings " + bytesText(s.Recordings)
}

func bytesText(n int64) string { return size(uint64(max(n, 0))) }

func connections(open, most int) string {
	if most == 0 {
		return fmt.Sprintf("%d connections", open)
	}
	return fmt.Sprintf("%d connections; the whole host takes %d", open, most)
}

// guard tells by how much a canary may be worse.
func guard(g spec.Guard) string {
	samples := g.MinSamples
	if samples == 0 {
		samples = 100
	}
	return fmt.Sprintf("takes a canary back at faults +%s, early closes +%s, late requests +%s, of %d",
		margin(g.Faults), margin(g.EarlyCloses), margin(g.LateRequests), samples)
}

func margin(m float64) string {
	if m == 0 {
		m = 0.02
	}
	return percent(100 * max(m, 0))
}

func writeLimits(w io.Writer, set, holds spec.Limits) error {
	t := newTable(w, "LIMIT", "CONFIGURED", "IN FORCE")
	for _, row := range []struct{ name, set, holds string }{
		{"connections", limit(set.Connections), limit(holds.Connections)},
		{"connections of a client", limit(set.ClientConnections), limit(holds.ClientConnections)},
		{"fuel per second", limit(set.FuelPerSecond), limit(holds.FuelPerSecond)},
		{"processor time per second", deadline(set.CPU), deadline(holds.CPU)},
		{"memory of a policy", pages(set.MemoryPages), pages(holds.MemoryPages)},
		{"bytes on the disk", storeLimit(set.StoreBytes), storeLimit(holds.StoreBytes)},
		{"log lines per second", limit(set.LogRate), limit(holds.LogRate)},
		{"log lines at once", limit(set.LogBurst), limit(holds.LogBurst)},
		{"shortest deadline", deadline(set.Floor), deadline(holds.Floor)},
		{"longest deadline", deadline(set.Ceiling), deadline(holds.Ceiling)},
	} {
		t.row(row.name, row.set, row.holds)
	}
	return t.end()
}

func storeLimit(n spec.Size) string {
	if n == 0 {
		return "-"
	}
	return bytesText(int64(n))
}

func pages(n int) string {
	if n == 0 {
		return "-"
	}
	return size(uint64(max(n, 0)) << 16)
}

func deadline(d spec.Duration) string {
	if d == 0 {
		return "-"
	}
	return lasting(time.Duration(d))
}
