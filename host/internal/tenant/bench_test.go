package tenant

import (
	"testing"

	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

// constant is a guest that costs next to nothing to ask.
type constant struct{ fakeGuest }

func (*constant) Decide(*policy.Ask) (policy.Verdict, policy.Fault) {
	return policy.Verdict{Action: abi.ActionExtend, Deadline: 1e9}, policy.FaultNone
}

func BenchmarkDecide(b *testing.B) {
	lane := func(digest string) *RoleVersion {
		return &RoleVersion{Version: Version{Digest: digest}, Guest: &constant{fakeGuest{digest: digest}}}
	}
	for _, c := range []struct {
		name string
		plan Plan
		step uint64 // ms from question to question
	}{
		{"native", Plan{}, 0},
		{"active", Plan{Active: lane("a")}, 0},
		{"active, a ms each", Plan{Active: lane("a")}, 1},
		{"beside a canary", Plan{Active: lane("a"), Canary: lane("c")}, 0},
		{"canary", Plan{Active: lane("a"), Canary: lane("c"), Percent: 100}, 0},
		{"shadow", Plan{Active: lane("a"), Shadow: lane("s")}, 0},
	} {
		b.Run(c.name, func(b *testing.B) {
			ask := &policy.Ask{Event: policy.Event{Kind: uint8(abi.KindTimeout), Client: 7, Conn: 3}}
			tn := New(Config{})
			tn.Set(c.plan)
			for b.Loop() {
				ask.Event.NowMs += c.step
				tn.Decide(ask)
			}
		})
	}
}
