package config

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
	"time"

	"idlehost/host/internal/tenant/spec"
)

const manyTenants = `
[[listener]]
address = ":8443"
proxy_from = ["10.0.0.0/8"]
[[listener.tls]]
cert = "a.pem"
key = "a.key"

[[listener]]
address = ":8080"

[[listener]]
address = ":9000"
protocol = "tcp"
tenant = "shop"
upstream = ["tcp://127.0.0.1:5432"]

[store]
dir = "data"

[tenants]
default = "house"
unknown = "refuse"
rest_after = "1m"

[[tenant]]
name = "shop"
hosts = ["shop.example", "*.shop.example"]
destinations = ["192.0.2.1:443", "192.0.2.0/24", "2001:db8::1"]
upstream = ["http://127.0.0.1:3000"]
[tenant.plugin]
path = "adaptive"
[tenant.plugin.config]
worth = "30s"
[tenant.limits]
client_connections = 10
floor = "1s"
[tenant.guard]
faults = 0.01
late_requests = -1

[admin]
address = ":9900"
tls_cert = "c.pem"
tls_key = "c.key"
client_ca = "ca.pem"
[[admin.client]]
name = "alice"
[[admin.client]]
name = "bob"
tenant = "shop"
`

func TestTenantsAreDeclared(t *testing.T) {
	c, err := Parse("etc/host.toml", []byte(manyTenants))
	if err != nil {
		t.Fatal(err)
	}
	c.Complete()
	want := []Tenant{{
		Name: "shop", Plugin: Plugin{Path: "adaptive", Config: map[string]string{"worth": "30s"}, Dir: "etc"},
		Spec: spec.Spec{
			Hosts:        []string{"shop.example", "*.shop.example"},
			Destinations: []string{"192.0.2.1:443", "192.0.2.0/24", "2001:db8::1"}, Upstreams: []string{"http://127.0.0.1:3000"},
			Limits: spec.Limits{ClientConnections: 10, Floor: Duration(time.Second)},
			Guard:  spec.Guard{Faults: 0.01, LateRequests: -1},
		},
	}}
	if !reflect.DeepEqual(c.Declared, want) {
		t.Errorf("tenants = %+v", c.Declared)
	}
	var by []string
	for _, l := range c.Listeners {
		by = append(by, l.TenantBy+" "+l.Tenant)
	}
	if got := strings.Join(by, ", "); got != "sni , host , listener shop" {
		t.Errorf("listeners know their tenants by %s", got)
	}
	if c.Store.Dir != "etc/data" || c.Admin.ClientCA != "etc/ca.pem" || !c.Admin.Guarded() {
		t.Errorf("store %+v, admin %+v", c.Store, c.Admin)
	}
	var out bytes.Buffer
	if err := c.Print(&out); err != nil {
		t.Fatal(err)
	}
	again, err := Parse("host.toml", out.Bytes())
	if err != nil {
		t.Fatalf("%v in\n%s", err, out.String())
	}
	again.Declared[0].Plugin.Dir = "etc"
	if !reflect.DeepEqual(again.Declared, want) || again.Tenants != c.Tenants {
		t.Errorf("printed and read: %+v", again.Declared)
	}
}

func TestOneTenantIsTheListeners(t *testing.T) {
	c := Default()
	c.Complete()
	if l := c.Listeners[0]; l.TenantBy != "listener" || l.Tenant != "default" {
		t.Errorf("listener = %+v", l)
	}
}

func TestBadTenantsAreNamed(t *testing.T) {
	for _, c := range []struct{ doc, want string }{
		{"[[tenant]]\nname = \"A b\"", `f.toml:2: tenant[0].name: "A b" is not a name`},
		{"[[tenant]]\nname = \"-a\"", `f.toml:2: tenant[0].name: "-a" is not a name`},
		{"[[tenant]]\nname = \"default\"", `tenant[0].name: "default" names the default tenant already`},
		{"[[tenant]]\nname = \"a\"\n[[tenant]]\nname = \"a\"", `f.toml:4: tenant[1].name: "a" names another tenant already`},
		{"[[tenant]]\nname = \"a\"\nhosts = [\"x.y\"]\n[[tenant]]\nname = \"b\"\nhosts = [\"x.y\"]", `tenant[1].hosts[0]: x.y belongs to a already`},
		{"[[tenant]]\nname = \"a\"\nhosts = [\"-x.y\"]", `tenant[0].hosts[0]: "-x.y" is not a host name: a label begins or ends with -`},
		{"[[tenant]]\nname = \"a\"\nhosts = [\"x.y\"]\n[[tenant]]\nname = \"b\"\nhosts = [\"X.Y.\"]", `tenant[1].hosts[0]: x.y belongs to a already`},
		{"[[tenant]]\nname = \"a\"\nhosts = [\"x.y\", \"x.y\"]", `tenant[0].hosts[1]: x.y is there twice`},
		{"[[tenant]]\nname = \"a\"\n[tenant.limits]\nmemory_pages = 65537", `f.toml:4: tenant[0].limits.memory_pages: 65537 is more than WebAssembly has`},
		{"[[tenant]]\nname = \"a\"\nhosts = [\"a.*.y\"]", `is not a host name`},
		{"[[tenant]]\nname = \"a\"\ndestinations = [\"x\"]", `tenant[0].destinations[0]: "x" is no address`},
		{"[[tenant]]\nname = \"a\"\nupstream = [\"x\"]", `tenant[0].upstream[0]: "x" is not a URL`},
		{"[[tenant]]\nname = \"a\"\nisolate = \"alone\"", `f.toml:3: tenant[0].isolate: unknown value "alone"`},
		{"[[tenant]]\nname = \"a\"\n[tenant.limits]\nlog_rate = -1", `f.toml:4: tenant[0].limits.log_rate: -1 is negative`},
		{"[[tenant]]\nname = \"a\"\n[tenant.limits]\nfloor = \"2s\"\nceiling = \"1s\"", `floor 2s is above the ceiling 1s`},
		{"[[tenant]]\nname = \"a\"\n[tenant.guard]\nfaults = nan", `tenant[0].guard.faults: NaN is not from -1 to 1`},
		{"[[tenant]]\nname = \"a\"\n[tenant.plugin.on_fault]\ntrip = \"keep\"", `tenant[0].plugin.on_fault.trip: "trip" is no cause of a fault`},
		{"[[tenant]]\nname = \"a\"\n[[listener]]\naddress = \":1\"\ntenant_by = \"sni\"", `sees no server name`},
		{"[[tenant]]\nname = \"a\"\n[[listener]]\naddress = \":1\"\ntenant_by = \"destination\"", `only the PROXY protocol names destinations`},
		{"[[listener]]\naddress = \":1\"\ntenant = \"default\"\ntenant_by = \"host\"", `every connection is default's already`},
		{"[[listener]]\naddress = \":1\"\nproxy_from = [\"x\"]", `listener[0].proxy_from[0]: "x" is neither`},
		{"[tenants]\nunknown = \"x\"", `tenants.unknown: unknown value "x"`},
		{"[admin]\nclient_ca = \"x\"", `clients' certificates need TLS`},
		{"[admin]\ntls_cert = \"x\"", `belong together`},
		{"[[admin.client]]\nname = \"x\"", `nobody's certificates are trusted`},
	} {
		_, err := Parse("f.toml", []byte(c.doc))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want %q", c.doc, err, c.want)
		}
	}
}
