package trace

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

var header = Header{
	Start: 1_700_000_000_123_456_789, Granularity: 10e6, Sample: 65536,
	Host: "host v1.2.3", Origin: "live",
}

// written returns a file of these records, flushed after each of the given
// numbers.
func written(t testing.TB, h Header, records []Record, flushes ...int) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := NewWriter(&b, h, Config{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range records {
		if err := w.Write(&records[i]); err != nil {
			t.Fatal(err)
		}
		for _, n := range flushes {
			if n == i+1 {
				check(t, w.Flush())
			}
		}
	}
	check(t, w.Flush())
	if w.Size() != int64(b.Len()) {
		t.Errorf("size %d, written %d", w.Size(), b.Len())
	}
	return b.Bytes()
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// read returns everything in a file, with what Next points to copied.
func read(t testing.TB, file []byte) (*Reader, []Record) {
	t.Helper()
	r, err := NewReader(bytes.NewReader(file))
	check(t, err)
	return r, rest(t, r)
}

func rest(t testing.TB, r Source) (all []Record) {
	t.Helper()
	for {
		var x Record
		err := r.Next(&x)
		if errors.Is(err, io.EOF) {
			return all
		}
		check(t, err)
		all = append(all, owned(x))
	}
}

// owned copies what a record points to, which is its Source's.
func owned(r Record) Record {
	r.Own()
	return r
}

// event returns an event whose every field differs.
func event() (e policy.Event) {
	fill(reflect.ValueOf(&e).Elem(), rand.New(rand.NewPCG(1, 2)))
	return e
}

func fill(v reflect.Value, random *rand.Rand) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), random)
		}
	case reflect.Array:
		for i := range v.Len() {
			fill(v.Index(i), random)
		}
	default:
		v.SetUint(random.Uint64() >> (64 - v.Type().Bits()))
	}
}

// every has each kind with each of its fields set.
func every() []Record {
	rules := Rules{Limits: policy.Limits{Floor: 1, Ceiling: 2e9, Connections: 3, ClientConnections: 4, Worth: time.Minute}}
	for i := range rules.Timeouts {
		rules.Timeouts[i] = policy.Timeout{Idle: time.Duration(i) * time.Second, MinRate: 500, Grace: 5e9, Max: 7e9}
	}
	asked := event()
	return []Record{
		{Kind: KindTenant, Tenant: 1, Name: "shop"},
		{Kind: KindRules, Tenant: 1, Rules: &rules},
		{Kind: KindPolicy, Tenant: 1, Role: policy.RoleCanary, Name: strings.Repeat("ab", 32), Params: "a=1\nb=2\n"},
		{Kind: KindOpen, Time: 10e6, Conn: 7, Tenant: 1, Client: 1<<63 + 5, Side: abi.SideDialled,
			Protocol: abi.ProtocolTCP, Phase: abi.PhaseTunnel, Handshake: 2, Age: 3e9 + 1, BytesIn: 1 << 40, BytesOut: 5},
		{Kind: KindBegin, Time: 20e6, Conn: 7, Route: 65535, Body: true, Since: 10e6},
		{Kind: KindPhase, Time: 20e6, Conn: 7, Phase: abi.PhaseWrite, Protocol: abi.ProtocolHTTP2, Handshake: 1},
		{Kind: KindEnd, Time: 30e6, Conn: 7, BytesIn: 1<<40 + 100, BytesOut: 4096},
		{Kind: KindBurst, Time: 29_999_999, Conn: 1 << 62, BytesIn: 1, BytesOut: 2, Since: 250e6},
		{Kind: KindHint, Time: 30e6, Conn: 7, Since: 5e9},
		{Kind: KindAsk, Time: 123_456_789, Conn: 7, Ask: &asked},
		{Kind: KindAnswer, Time: 123_456_789, Conn: 7, Answer: &Answer{State: asked.State, Leases: asked.Leases, Verdict: policy.Verdict{
			Deadline: 30 * time.Second, Reason: 32767, Action: abi.ActionExtend, Log: true, Leases: true,
			Source: policy.SourceFallback, Fault: policy.FaultBreaker, Role: policy.RoleShadow,
		}}},
		{Kind: KindAnswer, Time: 135_000_000, Conn: 1 << 62, Answer: &Answer{
			State: [abi.StateSize]uint8{31: 1}, Leases: [abi.Phases]uint32{0: 1<<32 - 1, 15: 7},
			Verdict: policy.Verdict{Action: abi.ActionClose, Source: policy.SourcePolicy}, Dropped: true,
		}},
		{Kind: KindClose, Time: 40e6, Conn: 7, Phase: abi.PhaseDraining, Reason: policy.ReasonError, Cut: true,
			Since: -1, BytesIn: 1<<40 + 101, BytesOut: 4097},
		{Kind: KindLost, Time: 40e6, Count: 12},
		{Kind: KindOpen, Time: -5, Conn: 1},
	}
}

func TestEveryKindIsReadBack(t *testing.T) {
	want := every()
	for _, flushes := range [][]int{nil, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14}} {
		for _, step := range []int64{0, 1, 1e6, 10e6} {
			h := header
			h.Granularity = step
			r, got := read(t, written(t, h, want, flushes...))
			if !reflect.DeepEqual(got, want) {
				t.Errorf("step %d: got\n%+v, want\n%+v", step, got, want)
			}
			if r.Header() != h {
				t.Errorf("header %+v", r.Header())
			}
			if at, why := r.Torn(); why != nil {
				t.Errorf("torn at %d: %v", at, why)
			}
		}
	}
}
