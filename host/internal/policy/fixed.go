package policy

import "idlehost/sdk/abi"

// Fixed is the native policy: the operator's timeouts, unchanged. It answers
// where a tenant has no policy, or one that fails.
type Fixed struct{}

// Decide leaves everything to the host's law: leases at accept, an end at
// every timeout.
func (Fixed) Decide(*Ask) Verdict { return Verdict{Action: abi.ActionDefault} }
