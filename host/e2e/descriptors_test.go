package e2e

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"idlehost/host/e2e/hosttest"
)

// few is how many descriptors a host has in these tests, and flood how many
// connections an attacker opens at a time.
const (
	few   = 200
	flood = 300
)

// crowdedHost is a host with few descriptors and two tenants, of whom a attacks:
// over HTTP in clear and over TLS by their hosts, and each on a TCP listener of
// its own.
type crowdedHost struct {
	*hosttest.Host
	t        *testing.T
	begun    chan struct{} // a request for /hold has reached its upstream
	release  chan struct{} // ends them
	releases sync.Once
	again    int // how often the neighbour had to try again

	mu    sync.Mutex // guards the following
	conns []net.Conn // of all clients
}

func startCrowdedHost(t *testing.T) *crowdedHost {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	narrow := filepath.Join(t.TempDir(), "host")
	text := fmt.Sprintf("#!/bin/sh\nulimit -n %d\nexec %s \"$@\"\n", few, path)
	if err := os.WriteFile(narrow, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	v := &crowdedHost{t: t, begun: make(chan struct{}, 4*flood), release: make(chan struct{})}
	t.Cleanup(v.end)
	t.Cleanup(v.hangUp)
	cert := newCertificate(t, "a.example", "b.example")
	config := clearAndTLS(cert)
	for _, name := range []string{"a", "b"} {
		config += fmt.Sprintf("[[listener]]\nname = %q\naddress = \"127.0.0.1:0\"\nprotocol = \"tcp\"\n"+
			"tenant_by = \"listener\"\ntenant = %q\nupstream = [%q]\n", name, name, startGreeter(t))
	}
	for _, name := range []string{"a", "b"} {
		config += fmt.Sprintf("[[tenant]]\nname = %q\nhosts = [\"%s.example\"]\nupstream = [%q]\n", name, name, v.upstream(name))
	}
	v.Host = hosttest.StartHost(t, narrow, "--config", writeFile(t, "host.toml", config))
	return v
}

// upstream says a name, and holds what asks for /hold.
func (v *crowdedHost) upstream(name string) string {
	b := newBackend(v.t)
	b.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, name) })
	b.mux.HandleFunc("/hold", func(w http.ResponseWriter, r *http.Request) {
		v.begun <- struct{}{}
		<-v.release
		fmt.Fprint(w, name)
	})
	return b.url("http")
}

func (v *crowdedHost) end() { v.releases.Do(func() { close(v.release) }) }

// dial opens a connection to a listener.
func (v *crowdedHost) dial(listener int) (net.Conn, error) {
	c, err := net.DialTimeout("tcp", v.Addrs[listener], hosttest.Patience)
	if err != nil {
		return nil, err
	}
	v.mu.Lock()
	v.conns = append(v.conns, c)
	v.mu.Unlock()
	c.SetDeadline(time.Now().Add(4 * hosttest.Patience))
	return c, nil
}

// hangUp ends what all clients have open.
func (v *crowdedHost) hangUp() {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, c := range v.conns {
		c.Close()
	}
}

// over TLS, as a client of a tenant.
func (v *crowdedHost) dialTLS(host string) (net.Conn, error) {
	c, err := v.dial(1)
	if err != nil {
		return nil, err
	}
	return tls.Client(c, &tls.Config{ServerName: host, InsecureSkipVerify: true}), nil
}

// hold sends a request that its upstream holds, and returns what comes of it.
func (v *crowdedHost) hold(host string) <-chan string {
	got := make(chan string, 1)
	c, err := v.dial(0)
	if err != nil {
		v.t.Fatal(err)
	}
	go func() {
		fmt.Fprintf(c, "GET /hold HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", host)
		got <- answer(c)
	}()
	<-v.begun
	return got
}

// answer reads an answer's last word.
func answer(c net.Conn) string {
	res, err := io.ReadAll(io.LimitReader(c, 1<<16))
	if len(res) == 0 {
		return fmt.Sprint("nothing, ", err)
	}
	_, text, _ := strings.Cut(string(res), "\r\n\r\n")
	return text
}

// attacks are what a's client does with one connection; an error is the host's
// way to refuse it.
var attacks = []struct {
	name string
	do   func(*crowdedHost) error
}{
	{"idle", func(v *crowdedHost) error { return v.ask(v.dial(0)) }},
	{"idle over TLS", func(v *crowdedHost) error { return v.ask(v.dialTLS("a.example")) }},
	{"silent", func(v *crowdedHost) error { _, err := v.dial(0); return err }},
	{"silent where TLS is spoken", func(v *crowdedHost) error { _, err := v.dial(1); return err }},
	{"half a header", func(v *crowdedHost) error { return v.say(0, "GET / HTTP/1.1\r\nHost: a.example\r\n") }},
	{"HTTP/2 without a stream", func(v *crowdedHost) error {
		return v.say(0, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00")
	}},
	{"busy", func(v *crowdedHost) error { return v.say(0, "GET /hold HTTP/1.1\r\nHost: a.example\r\n\r\n") }},
	{"tunnels", func(v *crowdedHost) error { return v.say(2, "hello") }},
}

func (v *crowdedHost) ask(c net.Conn, err error) error {
	if err != nil {
		return err
	}
	if got := askOn(c)("a.example"); got != "a" {
		return fmt.Errorf("refused: %s", got)
	}
	return nil
}

func (v *crowdedHost) say(listener int, text string) error {
	c, err := v.dial(listener)
	if err == nil {
		_, err = io.WriteString(c, text)
	}
	return err
}

// TestFewDescriptors has one tenant open more connections than the host has
// descriptors, and go on: its neighbour is served, and so is the operator, all
// the time; what was under way ends well.
func TestFewDescriptors(t *testing.T) {
	for _, attack := range attacks {
		t.Run(strings.ReplaceAll(attack.name, " ", "_"), func(t *testing.T) {
			v := startCrowdedHost(t)
			held := map[string]<-chan string{"a": v.hold("a.example"), "b": v.hold("b.example")}
			tunnel := v.tunnel()
			tunnel("before")
			var attackers sync.WaitGroup
			for range 6 {
				attackers.Go(func() {
					for range 2 * flood / 6 {
						attack.do(v) // refused, some of the time
					}
				})
			}
			attacked := make(chan struct{})
			go func() { attackers.Wait(); close(attacked) }()
			for rounds := 0; ; rounds++ {
				v.neighbourIsServed(rounds)
				select {
				case <-attacked:
				default:
					continue
				}
				if rounds > 20 {
					break
				}
			}
			tunnel("after")
			cpu, _ := v.CPU()
			t.Logf("%d connections of a's; b had to try again %d times; %v of processor time", 2*flood, v.again, cpu)
			if v.again > 10 {
				t.Errorf("b had to try again %d times", v.again)
			}
			if t.Failed() {
				v.dump()
			}
			v.end()
			for name, got := range held {
				if text := <-got; !strings.HasPrefix(text, name) {
					t.Errorf("what was under way for %s: %q", name, text)
				}
			}
			v.hangUp()
			hosttest.Until(t, "the attacker is served again, in every way", func() bool {
				return v.askAs("a", 0) == "a" && v.askAs("a", 1) == "a"
			})
		})
	}
}

// tunnel opens a tunnel of b's, and returns what sends something through it.
func (v *crowdedHost) tunnel() func(string) {
	c, err := v.dial(3)
	if err != nil {
		v.t.Fatal(err)
	}
	return func(text string) {
		v.t.Helper()
		io.WriteString(c, text)
		got := make([]byte, len("220 ready\r\n")+len(text))
		if text == "after" {
			got = got[:len(text)]
		}
		if _, err := io.ReadFull(c, got); err != nil || !strings.HasSuffix(string(got), text) {
			v.t.Errorf("the tunnel says %q, %v", got, err)
		}
	}
}

// neighbourIsServed asks on new connections in every way. In a flood a client
// may have to try again, as clients do whose connection ends before an answer;
// the operator need not.
func (v *crowdedHost) neighbourIsServed(round int) {
	v.t.Helper()
	for what, ask := range map[string]func() string{
		"HTTP":   func() string { return v.askAs("b", 0) },
		"TLS":    func() string { return v.askAs("b", 1) },
		"tunnel": v.greeting,
	} {
		got := ask()
		if got != "b" {
			v.again++
			got = ask()
		}
		if got != "b" {
			v.t.Errorf("round %d, b over %s: %s, twice", round, what, got)
		}
	}
	res, err := http.Get(v.Admin + "/readyz")
	if err != nil || res.StatusCode != http.StatusOK {
		v.t.Errorf("round %d, admin: %v, %v", round, res, err)
		return
	}
	io.Copy(io.Discard, res.Body)
	res.Body.Close()
}

// askAs asks for a tenant on a new connection.
func (v *crowdedHost) askAs(tenant string, listener int) string {
	dial := func() (net.Conn, error) { return v.dial(listener) }
	if listener == 1 {
		dial = func() (net.Conn, error) { return v.dialTLS(tenant + ".example") }
	}
	c, err := dial()
	if err != nil {
		return err.Error()
	}
	defer c.Close()
	return askOn(c)(tenant + ".example")
}

// greeting is what b's tunnel says first.
func (v *crowdedHost) greeting() string {
	c, err := v.dial(3)
	if err != nil {
		return err.Error()
	}
	defer c.Close()
	if _, err := io.ReadFull(c, make([]byte, len("220 ready\r\n"))); err != nil {
		return err.Error()
	}
	return "b"
}

// dump logs what the host holds.
func (v *crowdedHost) dump() {
	res, err := http.Get(v.Admin + "/metrics")
	if err != nil {
		v.t.Log(err)
		return
	}
	defer res.Body.Close()
	text, _ := io.ReadAll(res.Body)
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "host_idle_") && !strings.Contains(line, "_gap_") || strings.HasPrefix(line, "process_open_fds") {
			v.t.Log(strings.TrimSpace(line))
		}
	}
}
