package trace

import (
	"reflect"
	"testing"

	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

// version1Question is a question about connection 1 and its answer, closing for
// reason 7, as version 1 has them: in one record.
func version1Question(role policy.Role) []byte {
	return []byte{byte(KindAsk) | tagConn, 2, 5, 0b10001, 9, 8, byte(abi.ActionClose) | byte(role)<<verdictRole, byte(policy.SourcePolicy), 7, 0}
}

// TestQuestionsOfVersion1 are two records: the question and its answer; of a
// shadow, whose question is that of what was enforced, only the answer. Either
// counts as the one that it was.
func TestQuestionsOfVersion1(t *testing.T) {
	again := version1Question(policy.RoleShadow)
	again[0], again = again[0]&^tagConn, append(again[:1], again[2:]...)
	hint := []byte{byte(KindHint), 2}
	first := append(append(version1Question(policy.RoleCanary), again...), hint...)
	r, got := read(t, framedAs(1, first, []byte{byte(KindHint) | tagConn, 2, 2}))
	if _, why := r.Torn(); why != nil || len(got) != 6 {
		t.Fatalf("%v, torn: %v", got, why)
	}
	if e := got[0].Ask; got[0].Kind != KindAsk || e == nil || e.Size != 9 || e.Conn != 8 || got[0].Answer != nil {
		t.Errorf("question %+v", got[0])
	}
	for i, role := range []policy.Role{policy.RoleCanary, policy.RoleShadow} {
		want := Record{Kind: KindAnswer, Conn: 1, Answer: &Answer{
			Verdict: policy.Verdict{Action: abi.ActionClose, Source: policy.SourcePolicy, Reason: 7, Role: role},
		}}
		if !reflect.DeepEqual(got[1+i], want) {
			t.Errorf("answer %+v", got[1+i])
		}
	}
	if got[3].Kind != KindHint || got[4].Kind != KindLost || got[4].Count != 97 {
		t.Errorf("of 100 records there were three: %v", got[3:])
	}
}

// TestAnswersAreNoneOfVersion1: nor are records that answer wrongly.
func TestAnswersAreNoneOfVersion1(t *testing.T) {
	wrong := version1Question(0)
	wrong[7] = 3 // source
	late := version1Question(0)
	late[7] |= byte(policy.FaultTime) << 4
	for _, bad := range [][]byte{late, {byte(KindAnswer) | tagConn, 2, 0, 0, 0, 0, 0}, wrong} {
		r, got := read(t, framedAs(1, bad))
		if _, why := r.Torn(); why == nil || len(got) != 0 {
			t.Errorf("% x: %v, torn: %v", bad, got, why)
		}
	}
}
