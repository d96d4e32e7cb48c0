package logs

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"idlehost/host/internal/testnet"
	"idlehost/host/internal/trace"
)

// nginxConf has nginx log every request twice, and stay one process that may
// read what the test may; its answers to /slow are sent
// at so many bytes a second that they take about half a second.
const nginxConf = `daemon off;
master_process off;
pid DIR/pid;
error_log DIR/error;
events { worker_connections 64; }
http {
	log_format lines escape=json '{"time":"$time_iso8601","remote_addr":"$remote_addr","request":"$request","status":$status,'
		'"body_bytes_sent":$body_bytes_sent,"request_length":$request_length,"request_time":$request_time,"http_user_agent":"$http_user_agent"}';
	access_log DIR/combined combined;
	access_log DIR/lines lines;
	client_body_temp_path DIR/body; proxy_temp_path DIR/proxy; fastcgi_temp_path DIR/fastcgi; uwsgi_temp_path DIR/uwsgi; scgi_temp_path DIR/scgi;
	server {
		listen 127.0.0.1:PORT;
		root DIR;
		location /slow { alias DIR/slow; limit_rate 4000; }
	}
}
`

// startNginx runs nginx in a folder until stop is called, which waits for it
// to have written its logs.
func startNginx(t *testing.T, dir string) (address string, stop func()) {
	nginx, err := exec.LookPath("nginx")
	if err != nil {
		t.Skip("no nginx here: ", err)
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address = free.Addr().String()
	free.Close()
	_, port, _ := strings.Cut(address, ":")
	conf := strings.NewReplacer("DIR", dir, "PORT", port).Replace(nginxConf)
	for name, text := range map[string]string{"conf": conf, "page": strings.Repeat("x", 1000), "slow": strings.Repeat("y", 6000)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*testnet.Patience)
	cmd := exec.CommandContext(ctx, nginx, "-p", dir, "-c", filepath.Join(dir, "conf"), "-e", filepath.Join(dir, "error"))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	stop = func() {
		if cmd.Process.Signal(os.Interrupt) == nil {
			<-ended
		}
		cancel()
	}
	for end := time.Now().Add(testnet.Patience); time.Now().Before(end); {
		if c, err := net.Dial("tcp", address); err == nil {
			c.Close()
			return address, stop
		}
		select {
		case err := <-ended:
			cancel()
			said, _ := os.ReadFile(filepath.Join(dir, "error"))
			t.Skipf("nginx does not run here: %v: %s", err, said)
		case <-time.After(50 * time.Millisecond):
		}
	}
	stop()
	t.Fatal("nginx does not answer")
	return "", nil
}

// TestLogsOfNginx: what curl asked for is what its logs are read as.
func TestLogsOfNginx(t *testing.T) {
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Skip("no curl here: ", err)
	}
	dir := t.TempDir()
	address, stop := startNginx(t, dir)
	const agents, pages = 3, 8
	for i := range agents {
		args := []string{"-s", "-A", fmt.Sprintf(`agent "%d" \é`, i)}
		for range pages {
			args = append(args, "-o", os.DevNull, "http://"+address+"/page")
		}
		args = append(args, "-o", os.DevNull, "http://"+address+`/none?"quoted"=1`, "-o", os.DevNull, "http://"+address+"/slow")
		if out, err := exec.CommandContext(t.Context(), curl, args...).CombinedOutput(); err != nil {
			stop()
			t.Fatalf("curl: %v: %s", err, out)
		}
	}
	stop()
	const rows = agents * (pages + 2)
	least := uint64(agents * (pages*1000 + 6000))
	for file, format := range map[string]string{"combined": "Combined", "lines": "JSON"} {
		for client, want := range map[string]int64{"address": 1, "address+agent": agents} {
			s, err := Open(filepath.Join(dir, file), Config{Client: client})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			under, out, longest := read(t, s)
			st := s.Stats()
			if st.Format != format || st.Rows != rows || st.Clients != want || st.Bad+st.Dropped+st.Shortened > 0 || time.Since(st.First) > time.Hour {
				t.Errorf("%s by %s: %+v", file, client, st)
			}
			if out < least || out > least+agents*1000 || under != 0 {
				t.Errorf("%s by %s: %d bytes, want a little more than %d; %d in flight", file, client, out, least, under)
			}
			if slow := longest > 300*time.Millisecond; slow != (file == "lines") {
				t.Errorf("%s by %s: the longest request took %v", file, client, longest)
			}
		}
	}
}

// read returns how many requests do not end, the bytes of all, and the longest
// time in which a connection was never without one.
func read(t *testing.T, s trace.Source) (under int, out uint64, longest time.Duration) {
	type life struct {
		under int
		since int64
		out   uint64
	}
	lives := map[uint64]*life{}
	for r := new(trace.Record); s.Next(r) == nil; {
		l := lives[r.Conn]
		switch r.Kind {
		case trace.KindOpen:
			lives[r.Conn] = &life{}
		case trace.KindBegin:
			if l.under++; l.under == 1 {
				l.since = r.Time
			}
		case trace.KindEnd:
			if l.under--; l.under == 0 {
				longest = max(longest, time.Duration(r.Time-l.since))
			}
			l.out = r.BytesOut
		}
	}
	for _, l := range lives {
		under += l.under
		out += l.out
	}
	return under, out, longest
}
