package lab

import (
	"testing"
	"time"

	"idlehost/host/internal/policy"
	"idlehost/host/internal/trace"
	"idlehost/sdk/abi"
)

func installed(role policy.Role, digest string) trace.Record {
	return trace.Record{Kind: trace.KindPolicy, Role: role, Name: digest}
}

// asks adds a question about connection 1 and the answers of two versions that
// were given inside the call.
func (t *tape) asks(at int64, kind policy.Kind, active, shadow policy.Verdict) *tape {
	t.all = append(t.all, trace.Record{Kind: trace.KindAsk, Time: at, Conn: 1, Ask: &policy.Event{Kind: uint8(kind), Phase: uint8(abi.PhaseIdle)}})
	active.Role, shadow.Role = policy.RoleActive, policy.RoleShadow
	for _, v := range []policy.Verdict{active, shadow} {
		v.Source = policy.SourcePolicy
		t.all = append(t.all, trace.Record{Kind: trace.KindAnswer, Time: at, Conn: 1, Answer: &trace.Answer{Verdict: v}})
	}
	return t
}

func extend(d time.Duration) policy.Verdict {
	return policy.Verdict{Action: abi.ActionExtend, Deadline: d}
}

// The active version closes after 10 s; the client is back after 30. A shadow
// that says 60 s would have kept the connection; one that says close would
// have closed it sooner; of one that said 15 s nobody knows what it would have
// said then.
func TestRecordedArms(t *testing.T) {
	closes := policy.Verdict{Action: abi.ActionClose}
	for _, c := range []struct {
		name                     string
		accept, timeout          policy.Verdict // the shadow's
		useful, short, premature int64
		unknown                  int64
	}{
		{"keeps", extend(time.Second), extend(60 * time.Second), 30_000, 0, 0, 0},
		{"closes", extend(time.Second), closes, 0, 10_000, 1, 0},
		{"looks again", extend(time.Second), extend(15 * time.Second), 0, 25_000, 1, 1},
	} {
		tp := new(tape).then(installed(policy.RoleActive, "aa"), installed(policy.RoleShadow, "bb")).
			open(0, 1, 7).asks(0, abi.KindAccept, extend(10*time.Second), c.accept).requests(1, 0).
			asks(10*second, abi.KindTimeout, closes, c.timeout).close(10*second, 1, policy.ReasonPolicy).open(30*second, 2, 7).requests(2, 30*second)
		tp.all = append(tp.all, trace.Record{Kind: trace.KindClose, Time: 30 * second, Conn: 2, Reason: policy.ReasonPeer})
		all, err := PlayRecorded(t.Context(), tp.config(t))
		if err != nil {
			t.Fatal(err)
		}
		if len(all) != 2 || all[0].Outcome.Source != "recorded" || all[1].Outcome.Source != "shadow" {
			t.Fatalf("%s: %d outcomes: %+v", c.name, len(all), all)
		}
		if o := all[0].Outcome; o.Total.Premature != 1 || o.Total.ShortMs != 10_000 || o.Total.Asks != 2 || o.Digest != "aa" {
			t.Errorf("%s: active %+v", c.name, o.Total)
		}
		if o := all[1].Outcome; o.Total.Premature != c.premature || o.Total.UsefulMs != c.useful || o.Total.ShortMs != c.short || o.Unknown != c.unknown {
			t.Errorf("%s: shadow %+v, %d unknown", c.name, o.Total, o.Unknown)
		}
	}
}

func TestNothingIsRecordedOfAnImport(t *testing.T) {
	all, err := PlayRecorded(t.Context(), new(tape).open(0, 1, 7).requests(1, 0, second).config(t))
	if err != nil || len(all) != 0 {
		t.Errorf("%v, %v", all, err)
	}
}

// A recording that begins in the middle has connections that nobody is asked
// about any more. They are the active version's, unless there is a canary whose
// they may be; and the shadow has let them be.
func TestConnectionsFromBeforeTheRecording(t *testing.T) {
	for _, canary := range []string{"", "cc"} {
		tp := new(tape).then(installed(policy.RoleActive, "aa"), installed(policy.RoleShadow, "bb"), installed(policy.RoleCanary, "dd"), installed(policy.RoleCanary, canary))
		for conn := range uint64(4) {
			tp.open(0, conn+1, 7+conn)
		}
		tp.asks(second, abi.KindTimeout, extend(60*time.Second), extend(60*time.Second))
		for conn := range uint64(4) {
			tp.requests(conn+1, 2*second)
		}
		tp.close(10*second, 2, policy.ReasonPolicy).open(11*second, 5, 8).requests(5, 11*second)
		all, err := PlayRecorded(t.Context(), tp.config(t))
		if err != nil || len(all) != 2 {
			t.Fatalf("%d outcomes, %v", len(all), err)
		}
		want := map[string][2]int64{"": {5, 1}, "cc": {1, 0}}[canary]
		if o := all[0].Outcome; o.Total.Requests != want[0] || o.Total.Premature != want[1] || (o.Share == 0) != (canary == "") || o.Total.PeakOpen > 4 {
			t.Errorf("canary %q: active, of a part of %v: %+v", canary, o.Share, o.Total)
		}
		if o := all[1].Outcome; o.Total.Requests != 5 || o.Total.Premature != 1 || o.Share != 0 {
			t.Errorf("canary %q: shadow, of a part of %v: %+v", canary, o.Share, o.Total)
		}
	}
}

// TestRequestsBeforeTheFirstAnswer belong to the version that answers then.
func TestRequestsBeforeTheFirstAnswer(t *testing.T) {
	const ms = second / 1000
	tp := new(tape).then(installed(policy.RoleActive, "aa"), installed(policy.RoleCanary, "cc")).open(0, 1, 7).open(0, 2, 8).
		then(trace.Record{Kind: trace.KindAsk, Conn: 1, Ask: &policy.Event{Kind: uint8(abi.KindAccept), Phase: uint8(abi.PhaseIdle)}}).
		requests(1, ms).requests(2, ms)
	v := extend(time.Minute)
	v.Role, v.Source = policy.RoleCanary, policy.SourcePolicy
	tp.then(trace.Record{Kind: trace.KindAnswer, Time: 2 * ms, Conn: 1, Answer: &trace.Answer{Verdict: v}}).requests(1, second)
	all, err := PlayRecorded(t.Context(), tp.config(t))
	if err != nil || len(all) != 1 {
		t.Fatalf("%d outcomes, %v", len(all), err)
	}
	o := all[0].Outcome
	if o.Digest != "cc" || o.Total.Requests != 2 || o.Total.Gaps != 2 || o.Total.UsefulMs != 1000 || o.Total.PeakOpen != 1 || o.Share < 0.66 || o.Share > 0.67 {
		t.Errorf("%s, of a part of %v: %+v", o.Digest, o.Share, o.Total)
	}
}
