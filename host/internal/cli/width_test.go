package cli

import (
	"bytes"
	"math"
	"strings"
	"testing"
	"time"

	"idlehost/host/internal/api"
	"idlehost/host/internal/tenant/spec"
)

// TestTablesFitATerminal: 100 columns are enough, whatever a host answers.
func TestTablesFitATerminal(t *testing.T) {
	long, digest := strings.Repeat("w", 300), strings.Repeat("a", 64)
	past := time.Now().Add(-400 * 24 * time.Hour)
	release := &spec.Release{Digest: digest}
	side := api.RoleStats{Digest: digest, Asks: 9_999_999_999, Faults: 9_876_543_210, Closes: 9_999_999, Early: 9_876_543, Late: 9_876_543,
		Causes: map[string]uint64{"trap": 1, "out_of_fuel": 2}}
	rollout := api.Rollout{Rollout: spec.Rollout{Active: release, Canary: release, Shadow: release, Percent: 33.3}, Comparison: &api.Comparison{
		Asks: 1e12, Same: 1e9, WouldClose: 1e11, WouldKeep: 1e11, Shorter: 1e11, Longer: 1e11, Faults: 1e11, DeadlineRatio: 123.45}}
	for _, role := range []string{api.StateActive, api.StateCanary, api.StateShadow} {
		side.Role = role
		rollout.Sides = append(rollout.Sides, side)
	}
	connections := []api.Connection{
		{ID: 99_999_999, Side: sideDialled, Protocol: "websocket", Phase: "stream_idle", Peer: "255.255.255.255:65535", AgeMs: 8e9, IdleMs: 8e9, DueMs: 8e9,
			Requests: math.MaxUint32, BytesIn: math.MaxUint64, BytesOut: math.MaxUint64, Version: digest},
		{ID: 99_999_999, Protocol: long, Phase: long, Peer: "[2001:db8:1111:2222:3333:4444:5555:6666]:65535"},
	}
	keys := &api.Keys{Keys: []api.Key{{ID: long, Comment: long, Added: past}}}
	policy := &api.Policy{Digest: digest, Name: long, State: "uploaded", Size: 1 << 30, Uploaded: past, By: long, SignedBy: long}
	for name, write := range map[string]func(*bytes.Buffer) error{
		"rollout":     func(b *bytes.Buffer) error { return writeRollout(b, &rollout, map[string]string{digest: long}) },
		"connections": func(b *bytes.Buffer) error { return writeConnections(b, connections) },
		"keys":        func(b *bytes.Buffer) error { return (&session{remote: &remote{}, out: b}).showKeys(keys) },
		"policy":      func(b *bytes.Buffer) error { return writePolicy(b, policy) },
	} {
		var b bytes.Buffer
		if err := write(&b); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for line := range strings.SplitSeq(b.String(), "\n") {
			if n := len([]rune(line)); n > 100 {
				t.Errorf("%s: %d columns: %s", name, n, line)
			}
		}
	}
}
