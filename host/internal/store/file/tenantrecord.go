package file

import (
	"encoding/json"
	"time"

	"idlehost/host/internal/store"
	"idlehost/host/internal/tenant/spec"
)

// tenantRecord is a tenant as it lies on the disk. Its form is older than that of
// the API: durations are numbers of nanoseconds, and isolation is a flag.
type tenantRecord struct {
	Name             string          `json:"name"`
	Revision         uint64          `json:"revision"`
	Declared         bool            `json:"declared,omitempty"`
	Created          time.Time       `json:"created"`
	Changed          time.Time       `json:"changed"`
	Spec             specRecord      `json:"spec"`
	SpecRevision     uint64          `json:"spec_revision"`
	Versions         []store.Version `json:"versions,omitempty"`
	Keys             []store.Key     `json:"keys,omitempty"`
	RequireSignature bool            `json:"require_signature,omitempty"`
	Rollout          spec.Rollout    `json:"rollout"`
	RolloutRevision  uint64          `json:"rollout_revision"`
	Born             uint64          `json:"born"`
	Held             []heldPolicy    `json:"held,omitempty"`
}

// specRecord is a spec.Spec as it lies on the disk.
type specRecord struct {
	Hosts        []string     `json:"hosts,omitempty"`
	Destinations []string     `json:"destinations,omitempty"`
	Upstreams    []string     `json:"upstreams,omitempty"`
	RewriteHost  bool         `json:"rewrite_host,omitempty"`
	Own          bool         `json:"own_worker,omitempty"`
	Limits       limitsRecord `json:"limits,omitzero"`
	Guard        spec.Guard   `json:"guard,omitzero"`
}

// limitsRecord is a spec.Limits as it lies on the disk.
type limitsRecord struct {
	Connections       int           `json:"connections,omitempty"`
	ClientConnections int           `json:"client_connections,omitempty"`
	FuelPerSecond     int64         `json:"fuel_per_second,omitempty"`
	CPU               time.Duration `json:"cpu,omitempty"`
	MemoryPages       int           `json:"memory_pages,omitempty"`
	LogRate           int           `json:"log_rate,omitempty"`
	LogBurst          int           `json:"log_burst,omitempty"`
	Floor             time.Duration `json:"floor,omitempty"`
	Ceiling           time.Duration `json:"ceiling,omitempty"`
	StoreBytes        int64         `json:"store_bytes,omitempty"`
}

// MarshalJSON writes the record of a tenant.
func (t tenant) MarshalJSON() ([]byte, error) {
	s, l := &t.Spec, &t.Spec.Limits
	return json.Marshal(tenantRecord{
		Name: t.Name, Revision: t.Revision, Declared: t.Declared, Created: t.Created, Changed: t.Changed,
		Spec: specRecord{
			Hosts: s.Hosts, Destinations: s.Destinations, Upstreams: s.Upstreams, RewriteHost: s.RewriteHost, Own: s.OwnWorker(),
			Limits: limitsRecord{
				Connections: l.Connections, ClientConnections: l.ClientConnections, FuelPerSecond: l.FuelPerSecond, CPU: l.CPU.D(),
				MemoryPages: l.MemoryPages, LogRate: l.LogRate, LogBurst: l.LogBurst, Floor: l.Floor.D(), Ceiling: l.Ceiling.D(),
				StoreBytes: int64(l.StoreBytes),
			},
			Guard: s.Guard,
		},
		SpecRevision: t.SpecRevision, Versions: t.Versions, Keys: t.Keys, RequireSignature: s.RequireSignature,
		Rollout: t.Rollout, RolloutRevision: t.RolloutRevision, Born: t.Born, Held: t.Held,
	})
}

// UnmarshalJSON reads the record of a tenant.
func (t *tenant) UnmarshalJSON(data []byte) error {
	var r tenantRecord
	if err := json.Unmarshal(data, &r); err != nil {
		return err
	}
	s, l := &r.Spec, &r.Spec.Limits
	*t = tenant{
		Tenant: store.Tenant{
			Name: r.Name, Revision: r.Revision, Declared: r.Declared, Created: r.Created, Changed: r.Changed,
			Spec: spec.Spec{
				Hosts: s.Hosts, Destinations: s.Destinations, Upstreams: s.Upstreams, RewriteHost: s.RewriteHost,
				Limits: spec.Limits{
					Connections: l.Connections, ClientConnections: l.ClientConnections, FuelPerSecond: l.FuelPerSecond, CPU: spec.Duration(l.CPU),
					MemoryPages: l.MemoryPages, LogRate: l.LogRate, LogBurst: l.LogBurst, Floor: spec.Duration(l.Floor), Ceiling: spec.Duration(l.Ceiling),
					StoreBytes: spec.Size(l.StoreBytes),
				},
				Guard: s.Guard, RequireSignature: r.RequireSignature,
			},
			SpecRevision: r.SpecRevision, Versions: r.Versions, Keys: r.Keys, Rollout: r.Rollout, RolloutRevision: r.RolloutRevision,
		},
		Born: r.Born, Held: r.Held,
	}
	if s.Own {
		t.Spec.Isolate = spec.IsolateOwn
	}
	return nil
}
