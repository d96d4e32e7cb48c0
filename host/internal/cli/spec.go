package cli

import (
	"slices"
	"time"

	"github.com/spf13/pflag"

	"idlehost/host/internal/tenant/spec"
)

// specFlags are the flags that say what an operator decides about a tenant.
type specFlags struct {
	set  *pflag.FlagSet
	spec spec.Spec

	floor, ceiling, cpu time.Duration
	store               sizeValue
}

func newSpecFlags(set *pflag.FlagSet) *specFlags {
	f := &specFlags{set: set}
	set.SortFlags = false
	s, l, g := &f.spec, &f.spec.Limits, &f.spec.Guard
	set.StringArrayVar(&s.Hosts, "host", nil, "`name` that belongs to the tenant, a.example or *.example; repeatable; \"\": none")
	set.StringArrayVar(&s.Destinations, "destination", nil, "`address` that the PROXY protocol names; repeatable; \"\": none")
	set.StringArrayVar(&s.Upstreams, "upstream", nil, "`URL` of a server behind the proxy; repeatable; \"\": the host's own")
	set.BoolVar(&s.RewriteHost, "rewrite-host", false, "ask the upstream by its own name")
	set.BoolVar(&s.RequireSignature, "require-signature", false, "refuse uploads that no key of the tenant has signed")
	set.IntVar(&l.Connections, "connections", 0, "open connections, at most; here and below, 0: the host's own value")
	set.IntVar(&l.ClientConnections, "client-connections", 0, "open connections of one client, at most")
	set.Int64Var(&l.FuelPerSecond, "fuel-per-second", 0, "`units` of fuel for its policies")
	set.DurationVar(&f.cpu, "cpu", 0, "processor `time` for its policies in each second, such as 20ms")
	set.StringVar(&s.Isolate, "isolate", "", "own: its policies run in a worker process of their own; shared: with those of others")
	set.IntVar(&l.MemoryPages, "memory-pages", 0, "a policy's memory, in `pages` of 64 KiB")
	set.IntVar(&l.LogRate, "log-rate", 0, "connection `lines` logged per second")
	set.IntVar(&l.LogBurst, "log-burst", 0, "connection `lines` logged at once")
	set.DurationVar(&f.floor, "floor", 0, "the shortest deadline that its policies may set")
	set.DurationVar(&f.ceiling, "ceiling", 0, "the longest one")
	set.Var(&f.store, "store-bytes", "`size` of what it may have on the disk, such as 512MB")
	set.Float64Var(&g.Faults, "guard-faults", 0, "`margin`, in parts of one, by which a canary's fault rate may be worse; 0: 0.02, below 0: by nothing")
	set.Float64Var(&g.EarlyCloses, "guard-early-closes", 0, "the same of closes whose client is back before holding its connection would have cost more")
	set.Float64Var(&g.LateRequests, "guard-late-requests", 0, "the same of requests that come too late")
	set.IntVar(&g.MinSamples, "guard-min-samples", 0, "`number` of answers, or closes, that a canary must have made before that counts; 0: 100")
	return f
}

// apply lays what was given over a spec.
func (f *specFlags) apply(s *spec.Spec) {
	f.spec.Limits.Floor, f.spec.Limits.Ceiling = spec.Duration(f.floor), spec.Duration(f.ceiling)
	f.spec.Limits.CPU, f.spec.Limits.StoreBytes = spec.Duration(f.cpu), spec.Size(f.store)
	from, l, g := &f.spec, &s.Limits, &s.Guard
	for name, lay := range map[string]func(){
		"host":                func() { s.Hosts = filled(from.Hosts) },
		"destination":         func() { s.Destinations = filled(from.Destinations) },
		"upstream":            func() { s.Upstreams = filled(from.Upstreams) },
		"rewrite-host":        func() { s.RewriteHost = from.RewriteHost },
		"require-signature":   func() { s.RequireSignature = from.RequireSignature },
		"connections":         func() { l.Connections = from.Limits.Connections },
		"client-connections":  func() { l.ClientConnections = from.Limits.ClientConnections },
		"fuel-per-second":     func() { l.FuelPerSecond = from.Limits.FuelPerSecond },
		"cpu":                 func() { l.CPU = from.Limits.CPU },
		"isolate":             func() { s.Isolate = from.Isolate },
		"memory-pages":        func() { l.MemoryPages = from.Limits.MemoryPages },
		"log-rate":            func() { l.LogRate = from.Limits.LogRate },
		"log-burst":           func() { l.LogBurst = from.Limits.LogBurst },
		"floor":               func() { l.Floor = from.Limits.Floor },
		"store-bytes":         func() { l.StoreBytes = from.Limits.StoreBytes },
		"ceiling":             func() { l.Ceiling = from.Limits.Ceiling },
		"guard-faults":        func() { g.Faults = from.Guard.Faults },
		"guard-early-closes":  func() { g.EarlyCloses = from.Guard.EarlyCloses },
		"guard-late-requests": func() { g.LateRequests = from.Guard.LateRequests },
		"guard-min-samples":   func() { g.MinSamples = from.Guard.MinSamples },
	} {
		if f.set.Changed(name) {
			lay()
		}
	}
}

// given reports whether any of them was.
func (f *specFlags) given() bool {
	any := false
	f.set.VisitAll(func(g *pflag.Flag) { any = any || g.Changed })
	return any
}

// sizeValue is a flag of a number of bytes.
type sizeValue spec.Size

// String writes what Set reads.
func (v *sizeValue) String() string { return spec.Size(*v).String() }

// Set reads a size such as 512MB.
func (v *sizeValue) Set(text string) error { return (*spec.Size)(v).UnmarshalText([]byte(text)) }

// Type is how a usage calls it.
func (v *sizeValue) Type() string { return "size" }

// filled drops the empty text that stands for "none".
func filled(texts []string) []string {
	return slices.DeleteFunc(slices.Clone(texts), func(s string) bool { return s == "" })
}
