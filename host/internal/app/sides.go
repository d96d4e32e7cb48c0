package app

import (
	"context"
	"strconv"
	"time"

	"idlehost/host/internal/api"
	"idlehost/host/internal/observe"
	"idlehost/host/internal/policy"
	"idlehost/host/internal/tenant"
)

// Sides tells what the versions of a tenant do.
func (h *hosting) Sides(name string) ([]api.RoleStats, *api.Comparison) {
	m := h.tenants.get(name)
	if m == nil {
		return nil, nil
	}
	s := m.tenant.Stats()
	var sides []api.RoleStats
	for i := range s.Sides {
		sides = append(sides, sideOf(&s.Sides[i]))
	}
	return sides, comparisonOf(s.Comparison)
}

func sideOf(s *tenant.RoleStats) api.RoleStats {
	x := api.RoleStats{
		Role: s.Role.String(), Digest: s.Version.Digest, Loaded: s.Loaded, Worker: s.Where, Asks: s.Asks, Faults: s.Faulted(),
		Closes: s.Closes, Early: s.Early, Late: s.Late, LastFault: s.LastFault,
	}
	for cause, n := range s.Faults {
		if n > 0 {
			if x.Causes == nil {
				x.Causes = map[string]uint64{}
			}
			x.Causes[policy.Fault(cause).String()] = n
		}
	}
	return x
}

// decisionsWaiting is how many decisions wait for a slow reader.
const decisionsWaiting = 512

// decisionsEvery is how often a reader is woken at most: waking it for each
// decision would cost the deciding goroutine more than all the rest.
const decisionsEvery = 20 * time.Millisecond

// Decisions passes on decisions of a tenant as they are made.
func (h *hosting) Decisions(ctx context.Context, name string, send func(api.Decision) error) error {
	m := h.tenants.get(name)
	if m == nil {
		return api.NewProblem(api.KindNotFound, "tenant %q", name)
	}
	decisions, stop := h.decisions.Subscribe(name, decisionsWaiting)
	defer stop()
	rest := time.NewTimer(0)
	defer rest.Stop()
	for waiting := decisions; ; {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-h.life.Done():
			return nil
		case <-m.gone: // what follows is another tenant's, of the same name
			return nil
		case <-rest.C:
			waiting = decisions
		case d := <-waiting:
			if err := m.send(&d, decisions, send); err != nil {
				return err
			}
			waiting = nil // until the rest is over
			rest.Reset(decisionsEvery)
		}
	}
}

// send sends a decision and those that wait behind it.
func (m *tenantRuntime) send(d *observe.Decision, decisions <-chan observe.Decision, send func(api.Decision) error) error {
	for range decisionsWaiting {
		if err := send(m.decision(d)); err != nil {
			return err
		}
		select {
		case next := <-decisions:
			d = &next
		default:
			return nil
		}
	}
	return nil
}

func (m *tenantRuntime) decision(d *observe.Decision) api.Decision {
	x := api.Decision{
		At: d.At.UTC(), Conn: d.Conn, Client: strconv.FormatUint(d.Client, 16), Event: d.Event.String(),
		Phase: d.Phase.String(), Side: d.Side.String(), Protocol: d.Protocol.String(), IdleMs: d.IdleMs,
		Action: d.Action.String(), DeadlineMs: d.DeadlineMs, Reason: d.Reason, Source: d.Source.String(),
		Role: d.Role.String(), Version: m.tenant.DigestOf(d.Role), TookNs: d.TookNs, Dropped: d.Dropped,
	}
	if d.Fault != policy.FaultNone {
		x.Fault = d.Fault.String()
	}
	return x
}

func comparisonOf(c *tenant.Comparison) *api.Comparison {
	if c == nil {
		return nil
	}
	return &api.Comparison{
		Asks: c.Asks, Same: c.Same, WouldClose: c.WouldClose, WouldKeep: c.WouldKeep, Shorter: c.Shorter,
		Longer: c.Longer, Faults: c.Faults, DeadlineRatio: c.Ratio(),
	}
}
