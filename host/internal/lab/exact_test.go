package lab

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

// What a replay of the recorded policy takes from the recording, since it comes
// from outside the host: the clock, chance, the kernel, other tenants. A replay
// computes the rest. A new field of the event belongs into one of the two.
const (
	takenFields = `NowMs Conn Random BytesIn BytesOut Rate ReadMs WriteMs ControlMs AgeMs
		RttUs RttVarUs RecvMs Unacked NotSent HoldBytes ReconnectUs
		Pressure PressureConns PressureFds PressureMemory TenantOpen TenantLimit HostOpen HostLimit`
	computedFields = `Size Version Kind Phase Side Protocol Client PhaseMs IdleMs DeadlineMs Asks Requests
		Streams Route Handshake GapCount GapLastMs GapMeanMs GapMaxMs WorthMs FloorMs CeilingMs
		ClientConns ClientOpen ClientClosedMs ClientCutMs ClientLateMs ClientLate ClientCut ClientGapCount
		State Leases ClientGaps`
)

// TestEveryFieldIsTakenOrComputed: nobody forgets to say what a replay does with a
// field of the event.
func TestEveryFieldIsTakenOrComputed(t *testing.T) {
	was, now := &policy.Event{}, &policy.Event{Kind: uint8(abi.KindAccept)}
	v := reflect.ValueOf(was).Elem()
	for i := range v.NumField() {
		if f := v.Field(i); f.CanUint() {
			f.SetUint(1)
		} else { // an array
			f.Index(0).SetUint(1)
		}
	}
	was.Kind = now.Kind
	x := &exact{asks: map[uint64][]*question{0: {{ask: was}}}}
	x.complete(&lane{}, 0, now)
	taken, computed := strings.Fields(takenFields), strings.Fields(computedFields)
	for i := range v.NumField() {
		name := v.Type().Field(i).Name
		isTaken := !reflect.ValueOf(now).Elem().Field(i).IsZero()
		switch {
		case slices.Contains(taken, name) == slices.Contains(computed, name):
			t.Errorf("%s: say in one of the two lists whether a replay takes it from the recording", name)
		case slices.Contains(taken, name) != isTaken:
			t.Errorf("%s: taken from the recording: %v, want %v", name, isTaken, !isTaken)
		}
	}
	if n := len(taken) + len(computed); n != v.NumField() {
		t.Errorf("the lists have %d fields, the event %d", n, v.NumField())
	}
}
