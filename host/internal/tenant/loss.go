package tenant

import "idlehost/host/internal/policy"

// Loss is a version that has a role and could not be loaded.
type Loss struct {
	Role    policy.Role
	Version Version
	Fault   policy.Fault
	Text    string
}

// Losses returns the versions that cannot answer since they could not be
// loaded, active first.
func (t *Tenant) Losses() (all []Loss) {
	p := t.plan.Load()
	for _, l := range [...]*lane{p.active, p.canary, p.shadow} {
		if lost := l.lost(); lost != nil {
			all = append(all, Loss{l.role, l.resident.version, lost.fault, lost.text})
		}
	}
	return all
}

// Retry loads versions again, in the background, whose failure says nothing
// against them, once the pause after the failure is over. Each pause is longer
// than the one before.
func (t *Tenant) Retry() {
	p := t.plan.Load()
	for _, l := range [...]*lane{p.active, p.canary, p.shadow} {
		if lost := l.lost(); lost != nil && lost.fault.Passes() && l.resident.mayLoad() {
			t.tryStartLoad(l.resident)
		}
	}
}

// lost returns why the version of a lane could not be loaded; nil: there is
// none, or nothing is known against it.
func (l *lane) lost() *loss {
	if l == nil || l.resident == nil {
		return nil
	}
	return l.resident.loss.Load()
}
