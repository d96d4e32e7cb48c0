package cli

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"

	"idlehost/host/internal/config"
)

// parse returns what a command line comes to.
func parse(t *testing.T, args ...string) (*config.Config, error) {
	t.Helper()
	f := newFlags()
	root := newRoot(f)
	if err := root.ParseFlags(args); err != nil {
		t.Fatal(err)
	}
	return load(f)
}

func TestFlagsOverrideTheFile(t *testing.T) {
	file := t.TempDir() + "/host.toml"
	os.WriteFile(file, []byte(`
[[listener]]
address = ":1"
[upstream]
targets = ["http://file"]
[plugin]
path = "adaptive"
[plugin.config]
worth = "1s"
[timeouts]
idle = "9s"
[log]
level = "warn"
`), 0o600)
	c, err := parse(t, "--config", file)
	if err != nil {
		t.Fatal(err)
	}
	if c.Listeners[0].Address != ":1" || c.Plugin.Config["worth"] != "1s" || c.Log.Level != "warn" {
		t.Errorf("file alone: %+v", c)
	}
	_, err = parse(t, "--config", file, "--listen", "tcp://:3", "--listen", "tcp://:4", "--upstream", "http://a")
	if err == nil || !strings.Contains(err.Error(), "--listen: listener[0].protocol: the listener needs a tcp target") {
		t.Errorf("a tcp listener with http targets: %v", err)
	}
	c, err = parse(t, "--config", file, "--listen", ":2", "--upstream", "http://a", "--upstream", "h2c://b",
		"--plugin", "fixed", "--plugin-config", "idle=3s", "--plugin-config", "tunnel=a=b", "--admin", "off", "--log-level", "debug",
		"--log-format", "json", "--pprof")
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Listeners) != 1 || c.Listeners[0].Address != ":2" || len(c.Upstream.Targets) != 2 || c.Upstream.Targets[1] != "h2c://b" {
		t.Errorf("listeners %+v, upstream %+v", c.Listeners, c.Upstream)
	}
	if p := c.Plugin; p.Path != "fixed" || len(p.Config) != 2 || p.Config["tunnel"] != "a=b" || p.Dir != "" {
		t.Errorf("plugin %+v", p)
	}
	if c.Admin.Address != config.Off || !c.Admin.Pprof || c.Log.Level != "debug" || c.Log.Format != "json" {
		t.Errorf("admin %+v, log %+v", c.Admin, c.Log)
	}
	if c.Timeouts.Idle.D() != 9*time.Second {
		t.Error("what no flag says is lost from the file")
	}
}

func TestPluginConfigAddsToTheFile(t *testing.T) {
	file := t.TempDir() + "/host.toml"
	os.WriteFile(file, []byte("[plugin]\npath = \"adaptive\"\n[plugin.config]\nworth = \"1s\"\nprior = 3\n"), 0o600)
	c, err := parse(t, "--config", file, "--plugin-config", "worth=2s")
	if err != nil {
		t.Fatal(err)
	}
	if p := c.Plugin; p.Config["worth"] != "2s" || p.Config["prior"] != "3" {
		t.Errorf("plugin %+v", p)
	}
}

func TestCertificatesGoToEveryHTTPListener(t *testing.T) {
	c, err := parse(t, "--listen", ":1", "--listen", ":2", "--tls-cert", "a", "--tls-key", "b", "--tls-cert", "c", "--tls-key", "d")
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range c.Listeners {
		if len(l.TLS) != 2 || l.TLS[1] != (config.Certificate{Cert: "c", Key: "d"}) {
			t.Errorf("%s: %+v", l.Address, l.TLS)
		}
	}
	c, err = parse(t, "--tls-cert", "a", "--tls-key", "b")
	if err != nil || len(c.Listeners) != 1 || c.Listeners[0].Address != config.DefaultAddress || len(c.Listeners[0].TLS) != 1 {
		t.Errorf("without --listen: %+v, %v", c, err)
	}
}

func TestMistakesExitWith2(t *testing.T) {
	bad := t.TempDir() + "/bad.toml"
	os.WriteFile(bad, []byte("[timeouts]\nidel = \"3s\"\nbody = 7\n"), 0o600)
	for _, tt := range []struct {
		args string
		want []string
	}{
		{"--nope", []string{"host: error: unknown flag: --nope", "host: hint: see host --help"}},
		{"verson", []string{`host: error: unknown command "verson"`, "host: hint: did you mean version?"}},
		{"version x", []string{"host: error: host version takes no argument, not 1 arguments"}},
		{"config check", []string{"host: error: host config check takes one file", "host: hint: usage: host config check FILE"}},
		{"config chek x", []string{`host: error: unknown command "chek"`, "did you mean check?"}},
		{"--listen nowhere", []string{`host: error: --listen: listener[0].address: "nowhere" is not host:port`, "host: hint: such as"}},
		{"--upstream localhost:3000", []string{"host: error: --upstream: upstream.targets[0]: ", "host: hint: "}},
		{"--tls-cert a", []string{"host: error: 1 certificates and 0 keys", "host: hint: give each --tls-cert its --tls-key"}},
		{"--plugin-config a=1", []string{"no policy is in charge", "--plugin"}},
		{"--plugin fixed --plugin-config a", []string{`"a" is not key=value`, "--plugin-config idle=30s"}},
		{"--plugin fixd", []string{`host: error: --plugin: plugin.path: "fixd" is neither a file nor a bundled policy`, "host: hint: bundled: adaptive, fixed"}},
		{"--admin :9900", []string{"host: error: --admin: admin.address: :9900 is not a loopback address", "token_env"}},
		{"--log-level loud", []string{`host: error: --log-level: log.level: unknown value "loud"`}},
		{"--log-format jsn", []string{`unknown value "jsn"`, `did you mean "json"?`}},
		{"--config /nonexistent/host.toml", []string{"host: error: configuration: open /nonexistent/host.toml"}},
		{"--config " + bad, []string{"bad.toml:2: timeouts.idel: unknown key", `host: hint: did you mean "idle"?`, "bad.toml:3: timeouts.body: is a number"}},
		{"config check " + bad, []string{"bad.toml:2: timeouts.idel: unknown key", "bad.toml:3: timeouts.body: is a number"}},
	} {
		var out, errs bytes.Buffer
		code := Main(t.Context(), strings.Fields(tt.args), strings.NewReader(""), &out, &errs)
		if code != ExitUsage {
			t.Errorf("%s: exit code %d", tt.args, code)
		}
		for _, w := range tt.want {
			if !strings.Contains(errs.String(), w) {
				t.Errorf("%s: no %s in\n%s", tt.args, w, errs.String())
			}
		}
		if out.Len() > 0 {
			t.Errorf("%s: stdout %q", tt.args, out.String())
		}
	}
}

func TestHelpShowsEveryFlagOnce(t *testing.T) {
	var out bytes.Buffer
	if code := Main(t.Context(), []string{"--help"}, nil, &out, &out); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	for _, flag := range []string{"listen", "upstream", "tls-cert", "tls-key", "plugin", "plugin-config", "config", "admin", "pprof", "log-format", "log-level"} {
		if n := strings.Count(out.String(), "\n      --"+flag+" "); n != 1 {
			t.Errorf("--%s is shown %d times", flag, n)
		}
	}
	for _, part := range []string{"Examples:", "Commands:", "Traffic:", "Policy:", "Operation:", "completion", "Exit codes"} {
		if !strings.Contains(out.String(), part) {
			t.Errorf("no %s", part)
		}
	}
}
