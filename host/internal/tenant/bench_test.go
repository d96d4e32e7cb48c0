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
	ask := &policy.Ask{Event: policy.Event{Kind: uint8(abi.KindTimeout), Client: 7, Conn: 3}}
	b.Run("native", func(b *testing.B) {
		tn := New(Config{})
		for b.Loop() {
			tn.Decide(ask)
		}
	})
	b.Run("active", func(b *testing.B) {
		tn := New(Config{})
		tn.Replace(&constant{})
		for b.Loop() {
			tn.Decide(ask)
		}
	})
	b.Run("active, a ms each", func(b *testing.B) {
		tn := New(Config{})
		tn.Replace(&constant{})
		for b.Loop() {
			ask.Event.NowMs++
			tn.Decide(ask)
		}
	})
}
