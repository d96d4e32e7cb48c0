package e2e

import (
	"fmt"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"idlehost/host/e2e/hosttest"
	"idlehost/host/longtest"
)

const nginxConf = `
daemon off;
master_process off;
pid %[1]s/pid;
error_log %[1]s/error.log;
%[3]s
events { worker_connections 1024; }
http {
	access_log off;
	client_body_temp_path %[1]s/body;
	proxy_temp_path %[1]s/proxy;
	fastcgi_temp_path %[1]s/fastcgi;
	uwsgi_temp_path %[1]s/uwsgi;
	scgi_temp_path %[1]s/scgi;
	keepalive_timeout 1s;
	server {
		listen 127.0.0.1:%[2]d;
		location / { return 200 "ok\n"; }
	}
}
`

// startNginx runs nginx as an upstream that closes its idle connections after
// a second, without saying so beforehand.
func startNginx(t *testing.T) string {
	t.Helper()
	nginx := hosttest.Tool(t, "nginx")
	dir, port := t.TempDir(), hosttest.FreePort(t)
	run := ""
	if u, err := user.Current(); err == nil && u.Uid == "0" {
		run = "user root;"
	}
	conf := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(conf, fmt.Appendf(nil, nginxConf, dir, port, run), 0o600); err != nil {
		t.Fatal(err)
	}
	hosttest.Start(t, nginx, "-p", dir, "-e", filepath.Join(dir, "error.log"), "-c", conf)
	addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	hosttest.Until(t, "nginx answers", func() bool {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	return "http://" + addr
}

// TestUpstreamIdleRace sends requests at the very moments at which the
// upstream closes its idle connections. None may be answered 502.
func TestUpstreamIdleRace(t *testing.T) {
	t.Parallel() // it mostly waits
	h := startHost(t, startNginx(t))
	around := func(n int) time.Duration { // 990 to 1010 ms, in steps of 1 ms
		return time.Second + time.Duration(n%21-10)*time.Millisecond
	}
	const clients, want = 100, 500
	l := startLoad(h.URL("http", "/"), clients, around)
	hosttest.Until(t, fmt.Sprintf("%d requests are answered", want), func() bool { return l.good.Load() >= want })
	l.end(t)
	if n := h.Metric(t, "host_idle_closed_connections_total", `side="dialled"`, `reason="peer"`); n == 0 {
		t.Error("no connection was closed by the upstream: the race did not take place")
	}
}

// TestNginxLoad has nginx answer without a pause.
func TestNginxLoad(t *testing.T) {
	h := startHost(t, startNginx(t), "--plugin", "adaptive.wasm")
	l := startLoad(h.URL("http", "/"), 20, func(int) time.Duration { return 0 })
	want := int64(longtest.Count(t, 2000, 100_000, "requests"))
	hosttest.Until(t, fmt.Sprintf("%d requests are answered", want), func() bool { return l.good.Load() >= want })
	l.end(t)
}
