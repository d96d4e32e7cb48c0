package v1_test

import (
	"testing"

	"idlehost/host/internal/admin/v1"
)

func TestRecordingIsSentAsFarAsItGoes(t *testing.T) {
	g := newRig(t)
	rec := g.want(t, 200, ask{method: "GET", path: "/v1/tenants/shop/recording/file", token: shop})
	if got := rec.Body.String(); got != recorded {
		t.Errorf("sent %q", got)
	}
	if h := rec.Header(); h.Get("Content-Disposition") != `attachment; filename="shop.trace"` || h.Get("Content-Type") != "application/vnd.idlehost.trace" {
		t.Errorf("header %v", h)
	}
	g.want(t, 422, ask{method: "POST", path: "/v1/tenants/shop/recording", token: boss, body: `{"file":"/etc/passwd"}`})
	g.want(t, 201, ask{method: "POST", path: "/v1/tenants/shop/recording", token: boss})
	g.want(t, 404, ask{method: "GET", path: "/v1/tenants/nobody/recording", token: boss})
}

func TestAHostMayRecordNothing(t *testing.T) {
	g := newRig(t, func(c *v1.Config) { c.Recordings = nil })
	for _, a := range []ask{
		{method: "GET", path: "/v1/tenants/shop/recording"}, {method: "POST", path: "/v1/tenants/shop/recording"},
		{method: "DELETE", path: "/v1/tenants/shop/recording"}, {method: "GET", path: "/v1/tenants/shop/recording/file"},
	} {
		a.token = boss
		g.want(t, 404, a)
	}
}
