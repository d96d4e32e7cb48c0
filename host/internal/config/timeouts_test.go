package config

import (
	"testing"
	"time"

	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

func TestLawOfEachSide(t *testing.T) {
	timeouts := Default().Timeouts
	accepted, dialled := timeouts.Accepted(), timeouts.Dialled()
	slow := policy.Timeout{Idle: time.Minute, MinRate: 240, Grace: 30 * time.Second}
	for _, tt := range []struct {
		name      string
		got, want policy.Timeout
	}{
		{"handshake", accepted[abi.PhaseHandshake], policy.Timeout{Max: 10 * time.Second}},
		{"header", accepted[abi.PhaseHeader], policy.Timeout{Idle: 10 * time.Second, Max: 30 * time.Second}},
		{"body", accepted[abi.PhaseBody], slow},
		{"write", accepted[abi.PhaseWrite], slow},
		{"a client is not to blame for the upstream", accepted[abi.PhaseUpstream], policy.Timeout{}},
		{"idle", accepted[abi.PhaseIdle], policy.Timeout{Idle: 75 * time.Second}},
		{"tunnel", accepted[abi.PhaseTunnel], policy.Timeout{Idle: time.Hour}},
		{"upstream", dialled[abi.PhaseUpstream], policy.Timeout{Idle: time.Minute}},
		{"response", dialled[abi.PhaseWrite], policy.Timeout{Idle: 5 * time.Minute}},
		{"a client's slow upload is not the upstream's", dialled[abi.PhaseBody], policy.Timeout{Idle: 5 * time.Minute}},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.name, tt.got, tt.want)
		}
	}
}

// TestTenantLimitIsNotForUpstreams: a tenant's limit counts clients only.
func TestTenantLimitIsNotForUpstreams(t *testing.T) {
	c := Default()
	c.Limits.TenantConnections = 7
	if got, want := c.DialledLimits(), (policy.Limits{Floor: 100 * time.Millisecond, Ceiling: 24 * time.Hour, Worth: 2 * time.Minute}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestDurationText(t *testing.T) {
	for in, want := range map[string]string{"3600s": "1h", "90m": "1h30m", "60s": "1m", "0": "0s", "1500ms": "1.5s", "24h": "24h", "10s": "10s"} {
		var d Duration
		if err := d.UnmarshalText([]byte(in)); err != nil {
			t.Fatal(err)
		}
		if d.String() != want {
			t.Errorf("%s prints as %s, want %s", in, d, want)
		}
	}
}
