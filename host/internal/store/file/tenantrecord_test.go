package file

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"idlehost/host/internal/store"
	"idlehost/host/internal/tenant/spec"
)

// wholeRecord is a tenant with something in every field as every version so far
// has written it: one that is downgraded, or reads an old store, depends on it.
const wholeRecord = `{"name":"a","revision":1,"declared":true,"created":"2026-02-03T04:05:06Z","changed":"2026-02-03T04:05:06Z",` +
	`"spec":{"hosts":["a.example"],"destinations":["192.0.2.0/24"],"upstreams":["http://u"],"rewrite_host":true,"own_worker":true,` +
	`"limits":{"connections":1,"client_connections":2,"fuel_per_second":3,"cpu":4,"memory_pages":5,"log_rate":6,"log_burst":7,` +
	`"floor":1000000000,"ceiling":3600000000000,"store_bytes":8},` +
	`"guard":{"faults":0.1,"early_closes":-1,"late_requests":0.5,"min_samples":9}},"spec_revision":2,` +
	`"versions":[{"digest":"d","name":"n","size":10,"uploaded":"2026-02-03T04:05:06Z","by":"b","signed_by":"s","served":true}],` +
	`"keys":[{"id":"i","public":"p","comment":"c","added":"2026-02-03T04:05:06Z"}],"require_signature":true,` +
	`"rollout":{"active":{"digest":"d","params":{"k":"v"}},"canary":{"digest":"e"},"percent":12.5,"shadow":{"digest":"f"},` +
	`"past":[{"digest":"g"}],"since":"2026-02-03T04:05:06Z",` +
	`"verdict":{"digest":"h","automatic":true,"reason":"r","at":"2026-02-03T04:05:06Z"}},"rollout_revision":3,"born":4,` +
	`"held":[{"digest":"d","bytes":11,"put":"2026-02-03T04:05:06Z"}]}`

func TestTenantRecordStaysAsItIs(t *testing.T) {
	at := time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC)
	whole := tenant{
		Tenant: store.Tenant{
			Name: "a", Revision: 1, Declared: true, Created: at, Changed: at,
			Spec: spec.Spec{
				Hosts: []string{"a.example"}, Destinations: []string{"192.0.2.0/24"}, Upstreams: []string{"http://u"},
				RewriteHost: true, Isolate: spec.IsolateOwn, RequireSignature: true,
				Limits: spec.Limits{Connections: 1, ClientConnections: 2, FuelPerSecond: 3, CPU: 4, MemoryPages: 5, LogRate: 6, LogBurst: 7,
					Floor: spec.Duration(time.Second), Ceiling: spec.Duration(time.Hour), StoreBytes: 8},
				Guard: spec.Guard{Faults: 0.1, EarlyCloses: -1, LateRequests: 0.5, MinSamples: 9},
			},
			SpecRevision: 2,
			Versions:     []store.Version{{Digest: "d", Name: "n", Size: 10, Uploaded: at, By: "b", SignedBy: "s", Served: true}},
			Keys:         []store.Key{{ID: "i", Public: "p", Comment: "c", Added: at}},
			Rollout: spec.Rollout{
				Active: &spec.Release{Digest: "d", Params: map[string]string{"k": "v"}}, Canary: &spec.Release{Digest: "e"}, Percent: 12.5,
				Shadow: &spec.Release{Digest: "f"}, Past: []spec.Release{{Digest: "g"}}, Since: at,
				Rollback: &spec.Rollback{Digest: "h", Automatic: true, Reason: "r", At: at},
			},
			RolloutRevision: 3,
		},
		Born: 4, Held: []heldPolicy{{Digest: "d", Bytes: 11, Put: at}},
	}
	text, err := json.Marshal(whole)
	must(t, err)
	if string(text) != wholeRecord {
		t.Errorf("written:\n%s\nwant:\n%s", text, wholeRecord)
	}
	var read tenant
	must(t, json.Unmarshal([]byte(wholeRecord), &read))
	if !reflect.DeepEqual(read, whole) {
		t.Errorf("read:\n%+v\nwant:\n%+v", read, whole)
	}
}
