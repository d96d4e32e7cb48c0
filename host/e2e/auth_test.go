package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"idlehost/host/e2e/hosttest"
	"idlehost/host/internal/api"
)

// TestAdminNeedsAuthentication where others than this machine reach it.
func TestAdminNeedsAuthentication(t *testing.T) {
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	for name, args := range map[string][]string{
		"flag": {"--admin", "0.0.0.0:0"},
		"file": {"--config", writeFile(t, "host.toml", "[admin]\naddress = \"0.0.0.0:0\"\n")},
	} {
		p := hosttest.Start(t, path, append(args, "--listen", "127.0.0.1:0")...)
		if code := p.Exit(t); code != 2 || len(p.Lines("0.0.0.0:0 is not a loopback address")) == 0 || len(p.Lines("hint: ", "token_file")) == 0 {
			t.Errorf("%s: exit code %d, %q", name, code, p.Lines())
		}
	}
	tokens := writeFile(t, "tokens", "# alice\na-token-that-is-long-enough\n")
	config := writeFile(t, "guarded.toml", fmt.Sprintf("[admin]\naddress = \"0.0.0.0:0\"\ntoken_file = %q\n", tokens))
	p := hosttest.Start(t, path, "--config", config, "--listen", "127.0.0.1:0")
	p.Line(t, "admin http://")
}

// TestConfiguredToken: its bearer is an operator, and nobody else is.
func TestConfiguredToken(t *testing.T) {
	const secret = "a-token-that-is-long-enough"
	tokens := writeFile(t, "tokens", "# alice\n"+secret+"\n")
	config := writeFile(t, "host.toml", fmt.Sprintf("[admin]\ntoken_file = %q\n", tokens))
	h := startHost(t, naming(t, "house"), "--listen", "127.0.0.1:0", "--config", config, "--store", t.TempDir())
	o := newOperator(t, h)
	const unauthorized = "authentication is needed"
	o.refused(unauthorized, "tenant", "list")
	o.with("HOST_TOKEN=another-token-that-is-long").refused(unauthorized, "tenant", "list")
	o.with("HOST_TOKEN="+secret).do("tenant", "create", "a")
	o.do("tenant", "show", "a", "--token-file", writeFile(t, "token", secret+"\n"))
	curl := hosttest.Tool(t, "curl")
	for want, header := range map[string]string{"401": "X-None: 1", "200": "Authorization: Bearer " + secret} {
		if got := hosttest.Run(t, curl, "-sS", "-o", os.DevNull, "-w", "%{http_code}", "-H", header, h.Admin+"/v1/tenants"); got != want {
			t.Errorf("%s: %s, want %s", header, got, want)
		}
	}
}

// TestTenantToken reaches its own tenant, until it is revoked.
func TestTenantToken(t *testing.T) {
	h, o := startTown(t, "")
	secret := strings.TrimSpace(o.do("tenant", "token", "create", "-t", "a", "--name", "ci", "--expires", "90d"))
	tenant := o.with("HOST_TOKEN=" + secret)
	digest := tenant.push("a", "own.wasm", keeping(time.Minute, 1), "--promote")
	if r := tenant.rollout("a"); r.Active == nil || r.Active.Digest != digest {
		t.Errorf("its own rollout: %+v", r)
	}
	tenant.do("policy", "show") // the tenant is the token's own
	tenant.do("conns")
	const forbidden = "not allowed"
	for _, args := range [][]string{
		{"policy", "show", "-t", "b"}, {"policy", "push", "-t", "b", "fixed"}, {"policy", "promote", "-t", "b", digest},
		{"policy", "rollback", "-t", "b", digest}, {"policy", "logs", "-t", "b", "-n", "1"}, {"conns", "-t", "b"},
		{"tenant", "show", "b"}, {"tenant", "token", "create", "-t", "b", "--name", "mine"}, {"tenant", "token", "list", "-t", "b"},
		{"tenant", "key", "list", "-t", "b"}, {"audit", "-t", "b"}, {"policy", "show", "-t", "none"},
		{"tenant", "list"}, {"tenant", "create", "c"}, {"tenant", "set", "a", "--connections", "1000000"}, {"tenant", "rm", "a"},
		{"tenant", "token", "create", "--operator", "--name", "root"}, {"tenant", "token", "list", "--operator"},
	} {
		tenant.refused(forbidden, args...)
	}
	var list api.Page[api.Token]
	o.read(&list, "tenant", "token", "list", "-t", "a")
	if len(list.Items) != 1 || list.Items[0].Secret != "" || list.Items[0].Expires.Before(time.Now().Add(89*24*time.Hour)) {
		t.Fatalf("tokens of a: %+v", list.Items)
	}
	o.do("tenant", "token", "rm", "-t", "a", list.Items[0].ID)
	tenant.refused("authentication is needed", "policy", "show")
	if got := askH1(t, h.Addr)("a.example"); got != "a" {
		t.Errorf("a's clients: %s", got)
	}
}

// TestClientCertificates come to the admin listener over TLS, from curl and
// from the client commands.
func TestClientCertificates(t *testing.T) {
	curl := hosttest.Tool(t, "curl")
	server, ca, other := newCertificate(t), newAuthority(t), newAuthority(t)
	config := writeFile(t, "host.toml", fmt.Sprintf(`
[admin]
tls_cert = %q
tls_key = %q
client_ca = %q
[[admin.client]]
name = "alice"
[[admin.client]]
name = "ci of a"
tenant = "a"
`, server.cert, server.key, ca.file))
	h := startHost(t, naming(t, "house"), "--listen", "127.0.0.1:0", "--config", config, "--store", t.TempDir())
	if !strings.HasPrefix(h.Admin, "https://") {
		t.Fatalf("admin listener: %s", h.Admin)
	}
	o := newOperator(t, h)
	cert, key := ca.client("alice")
	alice := []string{"--ca", server.cert, "--cert", cert, "--key", key}
	for _, name := range []string{"a", "b"} {
		o.do(append([]string{"tenant", "create", name}, alice...)...)
	}
	for _, c := range []struct {
		name, path, want string
		from             *authority
	}{
		{"alice", "/v1/tenants", "200", ca}, {"alice", "/v1/tenants/b", "200", ca},
		{"ci of a", "/v1/tenants/a", "200", ca}, {"ci of a", "/v1/tenants/b", "403", ca}, {"ci of a", "/v1/tenants", "403", ca},
		{"mallory", "/v1/tenants", "401", ca}, {"alice", "/v1/tenants", "401", other}, {"", "/v1/tenants", "401", nil},
	} {
		args := []string{"-sS", "-o", os.DevNull, "-w", "%{http_code}", "--cacert", server.cert}
		if c.from != nil {
			cert, key := c.from.client(c.name)
			args = append(args, "--cert", cert, "--key", key)
		}
		out, text, _ := operator{t: t, program: curl}.try(append(args, h.Admin+c.path)...)
		refused := c.from == other && out == "000" // in the handshake already
		if out != c.want && !refused {
			t.Errorf("%s at %s: %s %s, want %s", c.name, c.path, out, text, c.want)
		}
	}
	var audit api.Page[api.Entry]
	o.read(&audit, append([]string{"audit"}, alice...)...)
	if e := audit.Items[0]; e.Actor != "certificate alice" {
		t.Errorf("audit log: %+v", e)
	}
}

// TestSignatures: minisign signs what is uploaded, and what nobody has signed,
// or somebody else, is refused.
func TestSignatures(t *testing.T) {
	minisign := hosttest.Tool(t, "minisign")
	_, o := startTown(t, "")
	dir := t.TempDir()
	keys := func(name string) (public, secret string) {
		public, secret = filepath.Join(dir, name+".pub"), filepath.Join(dir, name+".key")
		hosttest.Run(t, minisign, "-G", "-W", "-f", "-p", public, "-s", secret)
		return public, secret
	}
	public, secret := keys("a")
	_, stranger := keys("stranger")
	module := writeFile(t, "policy.wasm", string(keeping(time.Minute, 1)))
	sign := func(secret, file string, args ...string) string {
		out := filepath.Join(t.TempDir(), "policy.minisig")
		hosttest.Run(t, minisign, append([]string{"-S", "-s", secret, "-m", file, "-x", out}, args...)...)
		return out
	}
	o.do("tenant", "key", "add", "-t", "a", public, "--comment", "laptop")
	o.do("tenant", "key", "require", "-t", "a", "on")
	const wrong = "signature missing or wrong"
	push := []string{"policy", "push", "-t", "a", module}
	o.refused(wrong, push...)
	o.refused(wrong, append(push, "--signature", sign(stranger, module))...)
	another := writeFile(t, "policy.wasm", string(keeping(time.Minute, 2)))
	o.refused(wrong, append(push, "--signature", sign(secret, another))...)
	token := strings.TrimSpace(o.do("tenant", "token", "create", "-t", "a", "--name", "ci"))
	o.with("HOST_TOKEN="+token).refused("not allowed", "tenant", "key", "require", "off")
	if out := o.do(append(push, "--signature", sign(secret, module))...); !strings.Contains(out, "signed by ") {
		t.Errorf("a signed upload: %s", out)
	}
	o.do("policy", "push", "-t", "a", another, "--name", "legacy", "--signature", sign(secret, another, "-l"))
	o.do("policy", "promote", "-t", "a", "legacy")
	o.do("tenant", "key", "require", "-t", "a", "off")
	o.do("policy", "push", "-t", "a", writeFile(t, "unsigned.wasm", string(keeping(time.Minute, 3))))
}
