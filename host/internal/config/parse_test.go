package config

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestParseReadsEverySection(t *testing.T) {
	c, err := Parse("etc/host.toml", []byte(`
[[listener]]
name = "web"
address = ":8443"
trusted_proxies = ["10.0.0.0/8", "::1"]
[[listener.tls]]
cert = "a.pem"
key = "/k/a.key"

[[listener]]
address = "127.0.0.1:9000"
protocol = "tcp"
upstream = ["tcp://127.0.0.1:5432"]

[upstream]
targets = ["http://127.0.0.1:3000", "h2c://127.0.0.1:3001"]

[plugin]
path = "adaptive.wasm"
[plugin.config]
worth = "30s"
prior = 5
scale = 1.5
strict = true

[timeouts]
idle = "30s"
tunnel = "0"
body_min_rate = 100

[limits]
connections = 1000

[[route]]
prefix = "/api"
class = 1
`))
	if err != nil {
		t.Fatal(err)
	}
	web := c.Listeners[0]
	if web.Name != "web" || web.TLS[0].Cert != "etc/a.pem" || web.TLS[0].Key != "/k/a.key" {
		t.Errorf("listener = %+v", web)
	}
	if c.Listeners[1].Upstream[0] != "tcp://127.0.0.1:5432" {
		t.Errorf("upstream = %q", c.Listeners[1].Upstream)
	}
	want := map[string]string{"worth": "30s", "prior": "5", "scale": "1.5", "strict": "true"}
	if !reflect.DeepEqual(c.Plugin.Config, want) {
		t.Errorf("plugin.config = %v, want %v", c.Plugin.Config, want)
	}
	if c.Timeouts.Idle.D() != 30*time.Second || c.Timeouts.Tunnel != 0 || c.Timeouts.StreamIdle.D() != 180*time.Second {
		t.Errorf("timeouts = %+v", c.Timeouts)
	}
	if c.Routes[0] != (Route{"/api", 1}) || c.Limits.Connections != 1000 {
		t.Errorf("routes %v, limits %+v", c.Routes, c.Limits)
	}
}

func TestParseNamesFileLineAndKey(t *testing.T) {
	tests := []struct{ name, doc, want, hint string }{
		{"unknown key", "[timeouts]\nidel = \"3s\"\n", "f.toml:2: timeouts.idel: unknown key", `"idle"`},
		{"unknown section", "\n[timeout]\nidle = \"3s\"\n", "f.toml:2: timeout: unknown key", `"timeouts"`},
		{"unlike any key", "[drain]\nzzzzzz = 1\n", "f.toml:2: drain.zzzzzz: unknown key", "known here: timeout"},
		{"second element", "[[listener]]\naddress = \":1\"\n[[listener]]\naddress = \":2\"\nprotcol = \"tcp\"\n",
			"f.toml:5: listener[1].protcol: unknown key", `"protocol"`},
		{"number for duration", "[timeouts]\n# a comment\nidle = 30\n", "f.toml:3: timeouts.idle: is a number, want a duration", `"30s"`},
		{"bad duration", "[timeouts]\nidle = \"30 s\"\n", `f.toml:2: timeouts.idle: "30 s" is not a duration`, `"30s"`},
		{"negative duration", "[timeouts]\nidle = \"-30s\"\n", `f.toml:2: timeouts.idle: "-30s" is negative`, ""},
		{"string for number", "[limits]\nconnections = \"many\"\n", "f.toml:2: limits.connections: is a string, want a whole number", ""},
		{"table for array", "[listener]\naddress = \":1\"\n", "f.toml:1: listener: is a table, want an array", "[[listener]]"},
		{"string for list", "[upstream]\ntargets = \"http://a\"\n", "f.toml:2: upstream.targets: is a string, want an array", "["},
		{"list element", "[upstream]\ntargets = [\n  \"http://a\",\n  7,\n]\n", "f.toml:4: upstream.targets[1]: is a number, want a string", ""},
		{"target scheme", "[upstream]\ntargets = [\n  \"http://a\",\n  \"ftp://b\",\n]\n", `f.toml:4: upstream.targets[1]: unknown scheme "ftp"`, "h2c"},
		{"target without scheme", "[upstream]\ntargets = [\"localhost\"]\n", `f.toml:2: upstream.targets[0]: "localhost" is not a URL`, `"http://localhost"`},
		{"missing address", "\n[[listener]]\nname = \"a\"\n", "f.toml:2: listener[0].address: is missing", "host:port"},
		{"port", "[[listener]]\naddress = \":99999\"\n", `f.toml:2: listener[0].address: "99999" is not a port`, ""},
		{"twice", "[[listener]]\naddress = \":1\"\n[[listener]]\naddress = \":1\"\n", "f.toml:4: listener[1].address: :1 is listened on already", ""},
		{"tcp without target", "[[listener]]\naddress = \":1\"\nprotocol = \"tcp\"\n", "f.toml:3: listener[0].protocol: a tcp listener needs an upstream", "tcp://"},
		{"tcp with http target", "[[listener]]\naddress = \":1\"\nprotocol = \"tcp\"\nupstream = [\"http://a\"]\n",
			"f.toml:4: listener[0].upstream: the listener needs a tcp target, http://a is not", ""},
		{"protocol", "[[listener]]\naddress = \":1\"\nprotocol = \"htpp\"\n", `f.toml:3: listener[0].protocol: unknown value "htpp"`, `"http"`},
		{"tenant", "[[listener]]\naddress = \":1\"\ntenant = \"x\"\n", `f.toml:3: listener[0].tenant: no tenant is called "x"`, ""},
		{"network", "[[listener]]\naddress = \":1\"\ntrusted_proxies = [\"10.0.0.0/33\"]\n", `f.toml:3: listener[0].trusted_proxies[0]: "10.0.0.0/33" is neither`, ""},
		{"key missing", "[[listener]]\naddress = \":1\"\n[[listener.tls]]\ncert = \"c\"\n", "f.toml:3: listener[0].tls[0].key: is missing", ""},
		{"inline key", "[[listener]]\naddress = \":1\"\ntls = [{cert = \"c\", key = \"k\", kye = \"k\"}]\n", "f.toml:3: listener[0].tls[0].kye: unknown key", `"key"`},
		{"class", "[[route]]\nprefix = \"/\"\nclass = 64\n", "f.toml:3: route[0].class: 64 is not from 1 to 63", ""},
		{"floor", "[timeouts]\nfloor = \"2h\"\nceiling = \"1h\"\n", "f.toml:2: timeouts.floor: floor 2h is above the ceiling 1h", ""},
		{"open admin", "[admin]\naddress = \":9900\"\n", "f.toml:2: admin.address: :9900 is not a loopback address", "token"},
		{"level", "[log]\nlevel = \"warning\"\n", `f.toml:2: log.level: unknown value "warning"`, `"warn"`},
		{"parameter", "[plugin.config]\na = [1]\n", "f.toml:2: plugin.config.a: is an array, want a string", ""},
		{"parameter line break", "[plugin.config]\na = \"x\\ny\"\n", "f.toml:2: plugin.config.a: value of parameter", ""},
		{"syntax", "[log]\nlevel = \n", "f.toml:2: log.level: expected value", ""},
		{"duplicate", "[log]\nlevel = \"info\"\nlevel = \"warn\"\n", "f.toml:3: ", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse("f.toml", []byte(tt.doc))
			var ps Problems
			if !errors.As(err, &ps) || len(ps) != 1 {
				t.Fatalf("error = %v, want one problem", err)
			}
			if !strings.HasPrefix(ps[0].Error(), tt.want) {
				t.Errorf("error = %q, want %q", ps[0], tt.want)
			}
			if !strings.Contains(ps[0].Hint, tt.hint) {
				t.Errorf("hint = %q, want %q", ps[0].Hint, tt.hint)
			}
		})
	}
}

func TestParseReportsAllProblemsInOrder(t *testing.T) {
	_, err := Parse("f.toml", []byte("[timeouts]\nidle = 3\nzz = 1\n[log]\nlevel = \"loud\"\n[admin]\npprof = 1\n"))
	var got []string
	var ps Problems
	errors.As(err, &ps)
	for _, p := range ps {
		got = append(got, p.Origin)
	}
	want := []string{"f.toml:2", "f.toml:3", "f.toml:5", "f.toml:7"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("origins = %q, want %q", got, want)
	}
}

func TestParseRefusesHugeFile(t *testing.T) {
	if _, err := Parse("f.toml", make([]byte, MaxSize+1)); err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("error = %v", err)
	}
}

func TestCheckNamesTheFlag(t *testing.T) {
	c := Default()
	c.Listeners = []Listener{{Address: "nowhere"}}
	c.Set("listener[0].address", "--listen")
	c.Complete()
	if err := c.Check(); err == nil || !strings.HasPrefix(err.Error(), "--listen: listener[0].address: ") {
		t.Errorf("error = %v", err)
	}
}

func TestDefaultIsValid(t *testing.T) {
	c := Default()
	c.Complete()
	if err := c.Check(); err != nil {
		t.Fatal(err)
	}
	if l := c.Listeners; len(l) != 1 || l[0].Address != DefaultAddress || l[0].Protocol != "http" || l[0].Tenant != "default" {
		t.Errorf("listeners = %+v", l)
	}
}

func TestPrintIsReadBack(t *testing.T) {
	c := Default()
	c.Complete()
	c.Plugin = Plugin{Path: "adaptive", Config: map[string]string{"a b": "1", "worth": "3s"}}
	c.Routes = []Route{{"/x", 3}}
	c.Upstream.Targets = []string{"http://a:1"}
	var b strings.Builder
	if err := c.Print(&b); err != nil {
		t.Fatal(err)
	}
	back, err := Parse("f.toml", []byte(b.String()))
	if err != nil {
		t.Fatalf("%v\n%s", err, b.String())
	}
	back.origins, c.origins, back.Plugin.Dir = nil, nil, ""
	if !reflect.DeepEqual(c, back) {
		t.Errorf("read back %+v, want %+v\n%s", back, c, b.String())
	}
}
