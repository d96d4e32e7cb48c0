package cli

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"time"

	"idlehost/host/internal/admin"
	"idlehost/host/internal/admin/v1"
	"idlehost/host/internal/api"
	"idlehost/host/internal/control"
	"idlehost/host/internal/store"
	"idlehost/host/internal/store/file"
	"idlehost/host/internal/tenant/spec"
)

// world is a host without traffic: its admin server, rules and store are the
// real ones, what would run is made up.
type world struct {
	mu    sync.Mutex
	force map[string]store.Tenant // in force, by name
}

// operatorToken lets an operator in.
const operatorToken = "an-operator-of-the-host"

// startWorld returns the URL of a new world, and how to end it.
func startWorld(dir string) (url string, end func() error, err error) {
	s, err := file.Open(dir, file.Config{})
	if err != nil {
		return "", nil, err
	}
	w := &world{force: map[string]store.Tenant{}}
	c := control.New(control.Config{Store: s, Runtime: w})
	if err := c.Start(context.Background()); err != nil {
		return "", nil, errors.Join(err, s.Close())
	}
	a, err := admin.Listen(context.Background(), admin.Config{
		Address: "127.0.0.1:0", Tokens: []string{operatorToken}, Bearers: c, API: v1.New(v1.Config{Service: c, Recordings: &archive{}}),
	})
	if err != nil {
		return "", nil, errors.Join(err, c.Close(), s.Close())
	}
	served := make(chan error, 1)
	go func() { served <- a.Serve() }()
	return "http://" + a.Addr().String(), func() error {
		return errors.Join(a.Close(), <-served, c.Close(), s.Close())
	}, nil
}

func (w *world) Declared() []api.Tenant {
	return []api.Tenant{
		{Name: "default", Declared: true},
		{Name: "fixture", Declared: true, Active: strings.Repeat("f1", 32), Spec: spec.Spec{Hosts: []string{"fixture.example"}}},
	}
}

func (w *world) HasDeclaredPolicy(tenant string) bool   { return tenant == "fixture" }
func (w *world) RetryAfter(tenant string) time.Duration { return 0 }

// Check knows no WebAssembly: what begins with "refuse" is refused.
func (w *world) Check(_ context.Context, _, _ string, wasm []byte) (json.RawMessage, error) {
	if why, ok := strings.CutPrefix(string(wasm), "refuse "); ok {
		return nil, &control.Refusal{Cause: "compile", Text: strings.TrimSpace(why)}
	}
	return json.RawMessage(`{"verdict":"accepted","abi":{"policy":1},"memory":{"bytes":65536,"state_bytes":4096,"state_format":7},` +
		`"fuel":{"worst":{},"worst_percent":1.5}}`), nil
}

func (w *world) Try(_ context.Context, _ string, _ []byte, r spec.Release) error {
	if r.Params["idle"] == "soon" {
		return &control.Refusal{Cause: "configure", Text: `configure: idle: "soon" is no duration`}
	}
	return nil
}

func (w *world) Apply(_ context.Context, t *store.Tenant) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.force[t.Name] = *t
	return nil
}

func (w *world) Remove(_ context.Context, name string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.force, name)
	return nil
}

func (w *world) CheckSpec(spec.Spec, string) error { return nil }

func (w *world) Effective(tenant string) (api.EffectiveLimits, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	set := w.force[tenant].Spec.Limits
	holds := spec.Limits{Connections: 5000, ClientConnections: set.ClientConnections, FuelPerSecond: 200_000_000, MemoryPages: 64,
		CPU:     spec.Duration(20 * time.Millisecond),
		LogRate: 50, LogBurst: 200, Floor: spec.Duration(set.Floor), Ceiling: spec.Duration(set.Ceiling)}
	if set.Connections > 0 {
		holds.Connections = set.Connections
	}
	if holds.StoreBytes = 512 << 20; set.StoreBytes > 0 {
		holds.StoreBytes = set.StoreBytes
	}
	return api.EffectiveLimits{
		Configured: spec.Limits{Connections: set.Connections, ClientConnections: set.ClientConnections, Ceiling: spec.Duration(set.Ceiling), StoreBytes: set.StoreBytes},
		Storage:    api.Storage{Used: 11 << 20, Policies: 8 << 20, Unswept: 3 << 20, Learned: 64 << 10, Recordings: 3<<20 - 64<<10},
		Effective:  holds, Open: 3, HostLimit: 20000, UploadBytes: 4 << 20, LoadSavedMs: 9500, LoadLeftMs: 8100, LoadSpentMs: 12300,
	}, nil
}

func (w *world) Open(string) int { return 3 }

// Sides makes up numbers for every version that is asked.
func (w *world) Sides(tenant string) (sides []api.RoleStats, c *api.Comparison) {
	w.mu.Lock()
	defer w.mu.Unlock()
	r := w.force[tenant].Rollout
	if r.Active != nil {
		sides = append(sides, api.RoleStats{Role: "active", Digest: r.Active.Digest, Loaded: true, Asks: 11204, Faults: 11, Closes: 310, Early: 3,
			Late: 1, Causes: map[string]uint64{"out_of_fuel": 10, "trap": 1}, LastFault: "on_timeout: out of fuel"})
	}
	if r.Canary != nil {
		sides = append(sides, api.RoleStats{Role: "canary", Digest: r.Canary.Digest, Loaded: true, Asks: 1240, Closes: 40, Early: 1})
	}
	if r.Shadow != nil {
		sides = append(sides, api.RoleStats{Role: "shadow", Digest: r.Shadow.Digest, Loaded: true, Asks: 12400})
		c = &api.Comparison{Asks: 12400, Same: 12053, WouldClose: 136, Shorter: 211, DeadlineRatio: 0.82}
	}
	return sides, c
}

var opened = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func (w *world) Connections(_ context.Context, _ string, q api.ConnectionQuery) (api.Page[api.Connection], error) {
	all := []api.Connection{
		{ID: 7, Side: "accepted", Protocol: "http1", Phase: "idle", Peer: "192.0.2.7:50812", Opened: opened, AgeMs: 190_000, IdleMs: 12_300,
			DueMs: 17_700, Asks: 2, Requests: 14, BytesIn: 5120, BytesOut: 1 << 20, Parked: true, Version: strings.Repeat("ab", 32)},
		{ID: 8, Side: "accepted", Protocol: "http2", Phase: "stream_idle", Peer: "[2001:db8::1:2:3]:443", Opened: opened, AgeMs: 8_000_000,
			IdleMs: 90_000, DueMs: -1, Requests: 1200, BytesIn: 873, BytesOut: 1234},
		{ID: 1000009, Side: "dialled", Protocol: "http1", Phase: "idle", Peer: "10.0.0.3:3000", Opened: opened, AgeMs: 900, IdleMs: 100, DueMs: 0},
	}
	page := api.Page[api.Connection]{Items: []api.Connection{}}
	for _, c := range all {
		if c.ID <= q.After || q.Phase != "" && c.Phase != q.Phase || time.Duration(c.IdleMs)*time.Millisecond < q.MinIdle {
			continue
		}
		if len(page.Items) == max(q.Limit, 1) {
			page.Next = decimal(page.Items[len(page.Items)-1].ID)
			break
		}
		page.Items = append(page.Items, c)
	}
	return page, nil
}

func decimal(n uint64) string { b, _ := json.Marshal(n); return string(b) }

func (w *world) Decisions(ctx context.Context, _ string, send func(api.Decision) error) error {
	for _, d := range []api.Decision{
		{At: opened, Conn: 7, Client: "c0ffee", Event: "accept", Phase: "handshake", Side: "accepted", Protocol: "unknown", Action: "extend",
			DeadlineMs: 10_000, Source: "policy", Role: "active", Version: strings.Repeat("ab", 32), TookNs: 830},
		{At: opened.Add(time.Minute), Conn: 7, Client: "c0ffee", Event: "timeout", Phase: "idle", Side: "accepted", Protocol: "http1", IdleMs: 30_000,
			Action: "close", Reason: 3, Source: "policy", Role: "canary", Version: strings.Repeat("cd", 32), TookNs: 1200},
		{At: opened.Add(2 * time.Minute), Conn: 9, Client: "beef", Event: "timeout", Phase: "idle", Side: "dialled", Protocol: "http1", IdleMs: 500,
			Action: "default", Source: "fallback", Fault: "trap", Role: "active", TookNs: 99, Dropped: 1500},
	} {
		if err := send(d); err != nil {
			return err
		}
	}
	<-ctx.Done()
	return ctx.Err()
}
