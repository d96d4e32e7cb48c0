package proxy_test

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"idlehost/host/internal/policy"
	"idlehost/host/internal/proxy/route"
)

// byName routes two tenants by server name.
type byName struct {
	a *counting
	b *tenant
}

func (n byName) Route(h *route.ConnInfo) (route.Target, error) {
	if n.b.owns(h.ServerName) {
		return n.b, nil
	}
	return n.a, nil
}

// counting counts the requests for others' hosts.
type counting struct {
	*tenant
	misdirected atomic.Int32
}

func (c *counting) Site(host string) (*route.Site, bool) {
	site, ok := c.tenant.Site(host)
	if !ok {
		c.misdirected.Add(1)
	}
	return site, ok
}

// TestChromiumCoalesces has a browser that knows one address and one
// certificate for two hosts: it asks for the second on the connection of the
// first, is told that that is another's, and opens one of its own.
func TestChromiumCoalesces(t *testing.T) {
	chromium := tool(t, "chromium")
	a, b := newTenant(policy.Limits{}, "www.shop.example"), newTenant(policy.Limits{}, "js.shop.example")
	answer := func(kind, text string) *route.Site {
		return &route.Site{Local: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			fmt.Fprint(w, text)
		})}
	}
	a.site.Store(answer("text/html", `<!doctype html><body>a, without b<script src="https://js.shop.example/b.js"></script>`))
	b.site.Store(answer("text/javascript", `document.body.textContent = 'a and b by ' + performance.getEntriesByType('navigation')[0].nextHopProtocol`))
	first := &counting{tenant: a}
	r := start(t, setup{mode: h2s, names: []string{"www.shop.example", "js.shop.example"}, router: func(*rig) route.Router { return byName{first, b} }})
	key := sha256.Sum256(r.leaf.RawSubjectPublicKeyInfo)
	out := output(t, false, chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
		"--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
		"--disable-dev-shm-usage", "--user-data-dir="+t.TempDir(), "--timeout=30000", "--virtual-time-budget=10000",
		"--ignore-certificate-errors-spki-list="+base64.StdEncoding.EncodeToString(key[:]),
		"--host-resolver-rules=MAP *.example 127.0.0.1:"+port(r.addr), "--dump-dom", "https://www.shop.example/")
	if !strings.Contains(out, "a and b by h2") {
		t.Errorf("the page shows %s", out)
	}
	t.Logf("%d requests were misdirected", first.misdirected.Load())
	if first.misdirected.Load() == 0 {
		t.Error("the browser did not coalesce: this shows nothing")
	}
}
