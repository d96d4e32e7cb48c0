package main_test

import (
	"fmt"
	"go/ast"
	"slices"
	"strings"
	"testing"
)

// imports is the import graph of the module. It is a statement of policy, in
// the notation of go/build/deps_test.go: "a < b" means that b may import a.
// It is not transitive: what b imports, it names. Packages without a slash in
// front lie under host/internal.
//
// DO NOT CHANGE THIS DATA TO FIX BUILDS. The arrows that matter: idle does not
// know Wasm, engine does not know connections, proxy knows neither Wasm nor
// tenants. They meet in policy, and only app wires them together.
const imports = `
	NONE < /sdk/abi, /sdk/abi/gen, /plugins, wheel, fair, space, ratelimit, sandbox/confine, testnet, sandbox/wasmtest, sandbox/gate, sandbox/outline, demo, proxy/leantls, lab/study;
	sandbox/gate, sandbox/wasmtest < sandbox/gate/gatetest;
	sandbox/gate < sandbox/meter;
	policy, fair, sandbox/confine, sandbox/outline < sandbox/compile;
	policy, sandbox/wasmtest, /sdk/abi < sandbox/hostile;

	/sdk/abi < policy;
	policy, /sdk/abi < books, config;
	policy, fair, /sdk/abi < tenant;
	NONE < tenant/spec, proxy/proxyproto;
	tenant/spec < store, api, config, tenant;
	policy < store;
	policy, store, tenant/spec < store/storetest;
	policy, store, space, tenant/spec < store/file;
	trace < trace/tracetest;
	policy, store, space, fair, ratelimit, api, tenant/spec < control;
	api, tenant/spec < client;
	api, tenant/spec, ratelimit < admin/v1;
	policy, fair, sandbox/gate, sandbox/meter, sandbox/outline, /sdk/abi < sandbox/engine;
	policy, /sdk/abi < sandbox/worker/channel;
	policy, sandbox/engine, /sdk/abi < sandbox/worker/control;
	policy, sandbox/engine, sandbox/worker/channel, sandbox/worker/control < sandbox/worker/child;
	policy, sandbox/engine, fair, sandbox/confine, sandbox/worker/channel, sandbox/worker/control, sandbox/worker/child, /sdk/abi < sandbox/worker;
	policy, /sdk/abi < trace;
	policy, trace, /sdk/abi < trace/logs, recorder;
	policy, books, wheel, trace, /sdk/abi < idle;
	policy, idle, /sdk/abi < observe;
	idle, observe < overload;

	policy, idle, proxy/leantls < proxy/upstream/h1;
	policy, idle, proxy/upstream/h1, /sdk/abi < proxy/upstream;
	policy, idle, proxy/leantls, /sdk/abi < proxy/h2;
	policy, idle, proxy/leantls, /sdk/abi < proxy/tunnel;
	policy, idle, proxy/upstream, proxy/tunnel, /sdk/abi < proxy/tcpproxy;
	idle, proxy/upstream < proxy/route;
	policy, idle, proxy/upstream, proxy/tunnel, proxy/h2, proxy/route, /sdk/abi < proxy/httpproxy;
	policy, idle, proxy/upstream, proxy/h2, proxy/tunnel, proxy/tcpproxy, proxy/httpproxy, proxy/route, proxy/leantls, proxy/proxyproto, /sdk/abi < proxy;

	api, ratelimit, admin/v1 < admin;
	policy, idle, books, fair, sandbox/engine, sandbox/compile, tenant, tenant/spec, config, proxy, proxy/upstream, proxy/route,
	demo, observe, overload, admin, admin/v1, api, control, space, store, store/file, check, trace, recorder, sandbox/worker, sandbox/worker/child, /plugins, /sdk/abi < app;
	policy, config, sandbox/engine, sandbox/gate, sandbox/worker, /sdk/abi < check;

	policy, trace, /sdk/abi < lab/demand;
	policy, trace, lab/demand, lab/study, /sdk/abi < lab/bounds;
	policy, idle, books, sandbox/engine, trace, lab/demand, lab/bounds, lab/study, /sdk/abi < lab;
	lab/study < lab/report;
	lab, lab/study < lab/tune;

	app, api, tenant/spec, client, config, check, sandbox/engine, sandbox/compile, trace, trace/logs, lab, lab/study, lab/report, lab/tune, sandbox/worker, /plugins < cli;
	cli < /host;

	/sdk/abi < /sdk/go, /sdk/tck;
	/sdk/go, /sdk/abi < /sdk/go/policytest;
	/sdk/go < /examples/hello-go, /examples/adaptive-go;

	lab/study, /plugins < /host/bench/rank;
	NONE < /host/longtest;
	/host/longtest < /host/longtest/gotest;
	testnet < /host/e2e/hosttest;
	/host/bench/attacks < /host/bench/table;
	NONE < /host/e2e, /host/e2e/neighbour, /host/bench, /host/bench/bare, /host/bench/attacks, /host/bench/scale, /host/bench/peers;
`

// only names the packages that may import something, and why nobody else may.
var only = []struct{ path, packages, why string }{
	{"github.com/tetratelabs/wazero", "sandbox/engine sandbox/compile /sdk/tck", "one room runs guests; the kit stands for a foreign host"},
	{"github.com/prometheus", "observe admin", "rooms report through interfaces, observe counts"},
	{"github.com/BurntSushi/toml", "config /sdk/abi/gen", "the file format is config's"},
	{"github.com/spf13", "cli", "flags are parsed in one place"},
	{"golang.org/x/net/http2", "proxy/h2 proxy/httpproxy proxy/upstream", "its home moved to net/http with Go 1.27: keep its use in one place"},
	{"golang.org/x/time", "ratelimit control admin/v1 observe proxy/httpproxy", "it limits rates only"},
	{"go.etcd.io/bbolt", "store/file", "one room knows how the store lies on disk"},
	{"github.com/jedisct1/go-minisign", "control", "signatures are a rule of control"},
	{"github.com/getkin/kin-openapi", "", "the document is held against the handlers by tests"},
	{"github.com/schollz/progressbar", "cli", "people are at the command line only"},
	{"github.com/coder/websocket", "", "a client for tests"},
	{"google.golang.org/grpc", "", "a client for tests"},
	{"github.com/landlock-lsm", "sandbox/confine", "one package takes rights away"},
	{"kernel.org/pub/linux/libs/security/libcap", "sandbox/confine", "one package takes rights away"},
	{"idlehost/host/internal/testnet", "/host/e2e/hosttest", "fakes are for tests"},
	{"idlehost/host/internal/sandbox/wasmtest", "sandbox/gate/gatetest sandbox/hostile", "fakes are for tests"},
	{"idlehost/host/internal/sandbox/gate/gatetest", "", "fakes are for tests"},
	{"idlehost/host/internal/store/storetest", "", "it is what stores are tested by"},
	{"idlehost/host/internal/trace/tracetest", "", "it reads recordings for tests"},
	{"idlehost/host/longtest", "", "the program carries no test code"},
	{"idlehost/host/e2e/hosttest", "", "it runs the program for tests"},
	{"testing", "testnet sandbox/wasmtest sandbox/gate/gatetest store/storetest trace/tracetest /sdk/tck /sdk/go/policytest /host/e2e/hosttest /host/longtest", "the program carries no test code"},
	{"unsafe", "sandbox/confine idle sandbox/engine proxy/leantls sandbox/worker/channel sandbox/worker/child /sdk/abi /sdk/go", "memory layouts of the ABI, the kernel, shared memory and crypto/tls only"},
}

// never names what a room must not know, and why.
var never = []struct{ pkg, path, why string }{
	{"wheel", "net", "a pure data structure"},
	{"wheel", "time", "the caller says what time it is"},
	{"books", "net", "books know keys, not connections"},
	{"idle", "net/http", "the layer serves any protocol"},
	{"idle", "log/slog", "the layer reports through its Observer"},
	{"sandbox/engine", "net", "a guest has no network, nor has its engine"},
	{"sandbox/engine", "log/slog", "the engine returns, others log"},
	{"policy", "net", "plain data"},
	{"config", "net/http", "no side effects"},
	{"config", "os", "no side effects"},
	{"trace", "net", "a recording knows pseudonyms, not addresses"},
	{"lab", "net/http", "experiments talk to nobody"},
	{"lab/report", "net/http", "a report is a file"},
}

// permissions maps a package to the set it may import.
func permissions(t *testing.T) map[string]map[string]bool {
	may := map[string]map[string]bool{}
	for rule := range strings.SplitSeq(imports, ";") {
		if strings.TrimSpace(rule) == "" {
			continue
		}
		left, right, ok := strings.Cut(rule, "<")
		if !ok {
			t.Fatalf("import graph: rule %q has no <", rule)
		}
		for _, b := range names(right) {
			if may[b] == nil {
				may[b] = map[string]bool{}
			}
			for _, a := range names(left) {
				may[b][a] = true
			}
		}
	}
	return may
}

// names splits a list of packages and makes them import paths.
func names(list string) (paths []string) {
	for _, n := range strings.FieldsFunc(list, func(r rune) bool { return strings.ContainsRune(", \t\n", r) }) {
		paths = append(paths, full(n))
	}
	return paths
}

func full(name string) string {
	if strings.HasPrefix(name, "/") {
		return module + name
	}
	return module + "/host/internal/" + name
}

func TestImportGraph(t *testing.T) {
	may := permissions(t)
	for _, p := range packages(t) {
		allowed, known := may[p.path]
		if !known && len(p.code()) > 0 {
			t.Errorf("package %s is not in the import graph: give it a place", p.path)
		}
		for _, f := range p.code() {
			for _, path := range f.imports() {
				if strings.HasPrefix(path, module+"/") && !allowed[path] {
					t.Errorf("%s: %s may not import %s", f.name, p.path, path)
				}
			}
		}
	}
}

func TestOnlyImports(t *testing.T) {
	for _, p := range packages(t) {
		for _, f := range p.code() {
			for _, path := range f.imports() {
				for _, r := range only {
					if within(path, r.path) && !slices.Contains(names(r.packages), p.path) && !under(p.path, r.path) {
						t.Errorf("%s: only [%s] may import %s: %s", f.name, r.packages, path, r.why)
					}
				}
			}
		}
	}
}

func TestNeverImports(t *testing.T) {
	for _, p := range packages(t) {
		for _, r := range never {
			if p.path != full(r.pkg) {
				continue
			}
			for _, f := range p.code() {
				if slices.Contains(f.imports(), r.path) {
					t.Errorf("%s: %s must not import %s: %s", f.name, r.pkg, r.path, r.why)
				}
			}
		}
	}
}

// TestMeetingPlace holds the vocabulary to the standard library and the ABI.
func TestMeetingPlace(t *testing.T) {
	for _, p := range packages(t) {
		if p.path != full("policy") && p.path != full("wheel") && p.path != full("books") {
			continue
		}
		for _, f := range p.code() {
			for _, path := range f.imports() {
				if first, _, _ := strings.Cut(path, "/"); strings.Contains(first, ".") {
					t.Errorf("%s: imports %s, which is not of the standard library", f.name, path)
				}
			}
		}
	}
}

// TestGraphIsAcyclic keeps the statement itself honest.
func TestGraphIsAcyclic(t *testing.T) {
	may := permissions(t)
	state := map[string]int{}
	var visit func(p string, trail []string)
	visit = func(p string, trail []string) {
		switch trail = append(trail, p); state[p] {
		case 1:
			t.Fatalf("import graph has a cycle: %s", strings.Join(trail, " < "))
		case 2:
			return
		}
		state[p] = 1
		for a := range may[p] {
			visit(a, trail)
		}
		state[p] = 2
	}
	for p := range may {
		visit(p, nil)
	}
}

func within(path, root string) bool { return path == root || strings.HasPrefix(path, root+"/") }

// under reports whether p is a part of the package that a rule is about.
func under(p, rule string) bool { return strings.HasPrefix(rule, module) && within(p, rule) }

// imports returns the import paths of a file.
func (f *source) imports() (paths []string) {
	for _, s := range f.ast.Imports {
		paths = append(paths, strings.Trim(s.Path.Value, `"`))
	}
	return paths
}

// calls returns "package.Function" with its position for every call of a
// package's function, by the package's real name.
func (f *source) calls() (out []string) {
	local := map[string]string{}
	for _, path := range f.imports() {
		local[path[strings.LastIndex(path, "/")+1:]] = path
	}
	ast.Inspect(f.ast, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		if sel, ok := call.Fun.(*ast.SelectorExpr); ok {
			if x, ok := sel.X.(*ast.Ident); ok && local[x.Name] != "" {
				out = append(out, fmt.Sprintf("%s.%s %d", local[x.Name], sel.Sel.Name, f.fset.Position(call.Pos()).Line))
			}
		}
		return true
	})
	return out
}
