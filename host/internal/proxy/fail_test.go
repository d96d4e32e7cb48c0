package proxy_test

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

// deaf listens and does with connections what f does.
func deaf(t *testing.T, f func(net.Conn)) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			f(c)
		}
	}()
	t.Cleanup(func() { ln.Close(); <-done })
	return ln.Addr().String()
}

// nowhere is an address that refuses connections.
func nowhere(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

func TestFailuresThatAClientCanRead(t *testing.T) {
	reset := func(c net.Conn) {
		bufio.NewReader(c).ReadString('\n')
		c.(*net.TCPConn).SetLinger(0)
		c.Close()
	}
	nonsense := func(c net.Conn) {
		bufio.NewReader(c).ReadString('\n')
		io.WriteString(c, "220 smtp.example ESMTP\r\n")
		c.Close()
	}
	silent := func(c net.Conn) { t.Cleanup(func() { c.Close() }) }
	waits := law(abi.PhaseUpstream, policy.Timeout{Idle: 30 * time.Millisecond})
	tests := []struct {
		name    string
		targets func(*testing.T) []string
		law     policy.Timeouts
		status  int
		says    string
		logged  string
	}{
		{"refused", func(t *testing.T) []string { return []string{"http://" + nowhere(t)} }, policy.Timeouts{}, 502, "cannot be reached", "connection refused"},
		{"refused-h2c", func(t *testing.T) []string { return []string{"h2c://" + nowhere(t)} }, policy.Timeouts{}, 502, "cannot be reached", "connection refused"},
		{"reset", func(t *testing.T) []string { return []string{"http://" + deaf(t, reset)} }, policy.Timeouts{}, 502, "broke off", "reset"},
		{"nonsense", func(t *testing.T) []string { return []string{"http://" + deaf(t, nonsense)} }, policy.Timeouts{}, 502, "broke off", "malformed"},
		{"not-tls", func(t *testing.T) []string { return []string{"https://" + deaf(t, nonsense)} }, policy.Timeouts{}, 502, "cannot be reached", "tls handshake"},
		{"silent", func(t *testing.T) []string { return []string{"http://" + deaf(t, silent)} }, waits, 504, "in time", "phase=upstream"},
		{"silent-h2c", func(t *testing.T) []string { return []string{"h2c://" + deaf(t, silent)} }, waits, 504, "in time", "phase=upstream"},
		{"none", func(t *testing.T) []string { return nil }, policy.Timeouts{}, 503, "no server", "no upstream"},
		{"only-tcp", func(t *testing.T) []string { return []string{"tcp://127.0.0.1:1"} }, policy.Timeouts{}, 503, "no server", "no upstream"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			run(t, func(t *testing.T, m mode) {
				r := start(t, setup{mode: m, targets: test.targets(t), dialled: test.law})
				for _, method := range []string{"GET", "POST"} {
					res := r.do(r.request(method, "/secret?token=hush", nil))
					b, _ := io.ReadAll(res.Body)
					if res.StatusCode != test.status || !strings.Contains(string(b), test.says) {
						t.Errorf("%s: %d %q, want %d and %q", method, res.StatusCode, b, test.status, test.says)
					}
					if strings.Contains(string(b), "127.0.0.1") {
						t.Errorf("%s: the answer tells an address: %q", method, b)
					}
				}
				log := r.log.String()
				if !strings.Contains(log, "level=WARN") || !strings.Contains(log, test.logged) {
					t.Errorf("log without %q:\n%s", test.logged, log)
				}
				if strings.Contains(log, "hush") {
					t.Errorf("the log holds the query:\n%s", log)
				}
			}, h1, h2s)
		})
	}
}

func TestFailureAsJSON(t *testing.T) {
	r := start(t, setup{mode: h1, targets: []string{"http://" + nowhere(t)}})
	req := r.request("GET", "/", nil)
	req.Header.Set("Accept", "application/json")
	res := r.do(req)
	var got struct {
		Status        int
		Error, Detail string
	}
	if err := json.NewDecoder(res.Body).Decode(&got); err != nil || got.Status != 502 || got.Error != "Bad Gateway" || got.Detail == "" {
		t.Errorf("answer %+v, %v; want 502 Bad Gateway with a detail", got, err)
	}
	if ct := res.Header.Get("Content-Type"); ct != "application/json" {
		t.Errorf("Content-Type %q", ct)
	}
}

func TestNextTargetIsTriedWhenOneIsDown(t *testing.T) {
	run(t, func(t *testing.T, m mode) {
		up := newOrigin(t, setup{server: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.Copy(w, r.Body)
		})})
		defer up.Close()
		r := start(t, setup{mode: m, targets: []string{"http://" + nowhere(t), up.URL, "http://" + nowhere(t)}})
		defer r.end()
		for range 6 {
			res := r.do(r.request("POST", "/", "content"))
			if b, _ := io.ReadAll(res.Body); res.StatusCode != 200 || string(b) != "content" {
				t.Fatalf("answer %d %q, want 200 \"content\"", res.StatusCode, b)
			}
		}
	}, h1, h2s)
}

// closer refuses every connection.
type closer struct{ side policy.Side }

func (c closer) Decide(a *policy.Ask) policy.Verdict {
	if a.Event.Kind == uint8(abi.KindAccept) && a.Event.Side == uint8(c.side) {
		return policy.Verdict{Action: abi.ActionClose}
	}
	return policy.Verdict{}
}

func TestRefusedClientReadsWhy(t *testing.T) {
	r := start(t, setup{mode: h1, server: http.NotFoundHandler(), decider: closer{abi.SideAccepted}})
	res := r.get("/")
	if b, err := io.ReadAll(res.Body); res.StatusCode != 503 || !strings.Contains(string(b), "too many") || err != nil {
		t.Errorf("answer %d %q, %v; want 503 for too many connections", res.StatusCode, b, err)
	}
	if !res.Close {
		t.Error("the connection is not said to be closed")
	}
}

func TestRefusedClientOverTLS(t *testing.T) {
	r := start(t, setup{mode: h2s, server: http.NotFoundHandler(), decider: closer{abi.SideAccepted}})
	if _, err := r.client.Get(r.url); err == nil {
		t.Error("answered")
	}
	eventually(t, "nothing open", func() bool { return r.gov.Open() == 0 })
}

func TestUpstreamConnectionRefusedByPolicy(t *testing.T) {
	r := start(t, setup{mode: h1, server: http.NotFoundHandler(), decider: closer{abi.SideDialled}})
	res := r.get("/")
	if b, _ := io.ReadAll(res.Body); res.StatusCode != 503 || !strings.Contains(string(b), "allowed") {
		t.Errorf("answer %d %q, want 503 for no connection to the server", res.StatusCode, b)
	}
}

func TestSlowAnswerIsNotAskedForTwice(t *testing.T) {
	run(t, func(t *testing.T, m mode) {
		asked := make(chan string, 10)
		hold := make(chan struct{})
		r := start(t, setup{mode: m, dialled: law(abi.PhaseUpstream, policy.Timeout{Idle: 50 * time.Millisecond}),
			server: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked <- r.URL.Path
				if r.URL.Path == "/slow" {
					<-hold
				}
			})})
		defer close(hold)
		r.get("/quick").Body.Close() // its connection is reused: net/http would repeat a GET on such a one
		<-asked
		if res := r.get("/slow"); res.StatusCode != 504 {
			t.Errorf("status %d", res.StatusCode)
		}
		if <-asked; len(asked) > 0 {
			t.Errorf("the upstream was asked again, for %s", <-asked)
		}
	}, h1, h2s)
}
