package tenant

import (
	"testing"

	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

func previousFor(causes ...policy.Fault) *policy.Remedies {
	r := policy.DefaultRemedies()
	for _, c := range causes {
		r[c] = policy.RemedyPrevious
	}
	return &r
}

func TestThePreviousPolicyAnswers(t *testing.T) {
	tn := New(Config{Remedies: previousFor(policy.FaultTrap, policy.FaultBreaker)})
	first, second, third := &fakeGuest{reason: 1}, &fakeGuest{reason: 2, fault: policy.FaultTrap}, &fakeGuest{reason: 3, fault: policy.FaultOutput}
	replace(tn, first)
	replace(tn, second)
	v := tn.Decide(&policy.Ask{})
	if v.Source != policy.SourceFallback || v.Fault != policy.FaultTrap || v.Reason != 1 || v.Action != abi.ActionExtend {
		t.Fatalf("a trap: %+v", v)
	}
	if first.closed.Load() != 0 {
		t.Fatal("the previous policy was closed")
	}
	replace(tn, third)
	if first.closed.Load() != 1 || second.closed.Load() != 0 {
		t.Fatal("not exactly one previous policy is kept")
	}
	if v := tn.Decide(&policy.Ask{}); v.Action != abi.ActionDefault || v.Fault != policy.FaultOutput {
		t.Fatalf("a cause with another remedy: %+v", v)
	}
	tn.Set(Plan{Active: &RoleVersion{Version: Version{Digest: "d4"}, Lost: policy.FaultTrap}}) // as if it trapped when it was loaded
	if v := tn.Decide(&policy.Ask{}); v.Action != abi.ActionDefault {
		t.Fatalf("both fail: %+v", v)
	}
	tn.Close()
	if second.closed.Load() != 1 || third.closed.Load() != 1 {
		t.Fatal("left open")
	}
	if first.late.Load()+second.late.Load()+third.late.Load() != 0 {
		t.Fatal("asked after its end")
	}
}

func TestAPreviousPolicyThatNobodyWantsIsClosed(t *testing.T) {
	tn := New(Config{Remedies: previousFor(policy.FaultTrap)})
	first, second := &fakeGuest{}, &fakeGuest{fault: policy.FaultTrap}
	replace(tn, first)
	replace(tn, second)
	tn.SetRemedies(policy.DefaultRemedies())
	if first.closed.Load() != 1 {
		t.Fatal("kept")
	}
	if v := tn.Decide(&policy.Ask{}); v.Action != abi.ActionDefault {
		t.Fatalf("%+v", v)
	}
}

func TestThePreviousPolicyOfNoneIsNone(t *testing.T) {
	tn := New(Config{Remedies: previousFor(policy.FaultTrap)})
	replace(tn, &fakeGuest{fault: policy.FaultTrap})
	if v := tn.Decide(&policy.Ask{}); v.Action != abi.ActionDefault || v.Fault != policy.FaultTrap {
		t.Fatalf("%+v", v)
	}
	good := &fakeGuest{}
	replace(tn, good)
	replace(tn, nil)
	if good.closed.Load() != 1 {
		t.Fatal("kept although nothing is in charge")
	}
}
