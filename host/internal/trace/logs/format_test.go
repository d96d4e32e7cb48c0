package logs

import (
	"errors"
	"strings"
	"testing"
	"time"

	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

// parsed reads one line, of the kind that it looks like.
func parsed(t *testing.T, line string, cfg Config) (string, row, error) {
	t.Helper()
	cfg = cfg.complete()
	f, head, err := sniff([][]byte{[]byte(line)}, &cfg)
	if err != nil || head {
		t.Fatalf("%s: %v, %v", line, head, err)
	}
	var r row
	err = f.parse([]byte(line), &r)
	return f.name(), r, err
}

func at(t *testing.T, text string) int64 {
	t.Helper()
	moment, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		t.Fatal(err)
	}
	return moment.UnixNano()
}

// name is the pseudonym of an address.
func name(address string, agent ...string) uint64 {
	p := newPseudonyms(SeedKey(0))
	if len(agent) > 0 {
		return p.of([]byte(address), []byte(agent[0]))
	}
	return p.of([]byte(address), nil)
}

const (
	caddyLine = `{"level":"info","ts":1646861401.5,"logger":"http.log.access","msg":"handled request","request":{"remote_ip":"192.0.2.7","remote_port":"41342","client_ip":"192.0.2.8","proto":"HTTP/2.0","method":"GET","host":"localhost","uri":"/","headers":{"User-Agent":["curl/7.82.0"],"Accept":["*/*"]}},"bytes_read":3,"user_id":"","duration":0.25,"size":10900,"status":200,"resp_headers":{"Server":["Caddy"]}}`

	traefikLine = `{"ClientAddr":"192.0.2.8:54321","ClientHost":"192.0.2.8","ClientPort":"54321","DownstreamContentSize":10900,"DownstreamStatus":200,"Duration":250000000,"RequestContentSize":3,"RequestProtocol":"HTTP/2.0","StartLocal":"2022-03-09T22:30:01.25+01:00","StartUTC":"2022-03-09T21:30:01.25Z","request_User-Agent":"curl/7.82.0","time":"2022-03-09T22:30:02+01:00"}`

	envoyLine = `{"start_time":"2022-03-09T21:30:01.250Z","method":"GET","path":"/","protocol":"HTTP/2","response_code":200,"bytes_received":3,"bytes_sent":10900,"duration":250,"x_forwarded_for":null,"user_agent":"curl/7.82.0","downstream_remote_address":"192.0.2.8:54321"}`

	nginxLine = `{"msec":"1646861401.500","time_local":"09/Mar/2022:22:30:01 +0100","remote_addr":"192.0.2.8","request":"GET / HTTP/2.0","status":"200","bytes_sent":"10900","request_length":"3","request_time":"0.250","http_user_agent":"curl/7.82.0"}`
)

// TestServersTellTheSame: one request, as servers write it in JSON.
func TestServersTellTheSame(t *testing.T) {
	for kind, line := range map[string]string{
		"JSON (Caddy)": caddyLine, "JSON (Traefik)": traefikLine, "JSON (Envoy)": envoyLine, "JSON": nginxLine,
	} {
		for client, who := range map[string]uint64{byAddress: name("192.0.2.8"), byAgent: name("192.0.2.8", "curl/7.82.0")} {
			got, r, err := parsed(t, line, Config{Client: client})
			r.logged = 0
			want := row{at: at(t, "2022-03-09T21:30:01.25Z"), length: 250e6, client: who, in: 3, out: 10900, protocol: abi.ProtocolHTTP2}
			if err != nil || got != kind || r != want {
				t.Errorf("%s: %s, %+v, %v; want %+v", kind, got, r, err, want)
			}
		}
	}
}

func TestFieldsAreNamed(t *testing.T) {
	line := `{"when":"2022-03-09T21:30:01Z","who":{"key":"bob"},"took":120,"remote_addr":"192.0.2.1","n":7,"class":3,"state":101}`
	cfg := Config{Client: "who.key", Unit: time.Millisecond, Stamp: "start",
		Fields: map[string]string{"time": "when", "duration": "took", "bytes": "n", "route": "class", "status": "state"}}
	_, r, err := parsed(t, line, cfg)
	want := row{logged: at(t, "2022-03-09T21:30:01Z"), at: at(t, "2022-03-09T21:30:01Z"), length: 120e6, client: name("bob"), out: 7,
		route: 3, protocol: abi.ProtocolWebSocket, tunnel: true}
	if err != nil || r != want {
		t.Errorf("%+v, %v; want %+v", r, err, want)
	}
	cfg.Stamp = "end"
	if _, r, err = parsed(t, line, cfg); err != nil || r.at != want.at-120e6 || r.logged != want.logged {
		t.Errorf("of its end: %+v, %v", r, err)
	}
}

func TestConfigurationsThatDoNotFit(t *testing.T) {
	const json, common, tsv = `{"time":1646861401,"client":"a"}`, `192.0.2.1 - - [10/Oct/2000:13:55:36 -0700] "GET / HTTP/1.0" 200 5`, "time_ms\tclient"
	for _, c := range []struct {
		line string
		cfg  Config
		want string
	}{
		{json, Config{Fields: map[string]string{"tme": "x"}}, `there is no field "tme"; there are time, client,`},
		{json, Config{Fields: map[string]string{"time": ""}}, "field time is given no name"},
		{json, Config{Fields: map[string]string{"time": "x", "client": "x"}}, `field "x" is both time and client`},
		{json, Config{Stamp: "middle"}, `a time is that of the start or the end, not "middle"`},
		{common, Config{Fields: map[string]string{"time": "x"}}, "its lines have none by name"},
		{common, Config{Client: "cookie"}, `a client is its field "cookie"`},
		{common, Config{Client: byAgent}, "no agents in the Common Log Format"},
	} {
		cfg := c.cfg.complete()
		_, _, err := sniff([][]byte{[]byte(c.line)}, &cfg)
		if !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, want %q", err, c.want)
		}
	}
	for _, cfg := range []Config{{Client: byAgent}, {Client: "key"}, {Fields: map[string]string{"time": "t"}}} {
		cfg = cfg.complete()
		if _, _, err := sniff([][]byte{[]byte(tsv)}, &cfg); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), "no column is the") {
			t.Errorf("%+v: %v", cfg, err)
		}
	}
}

func TestCommonAndCombined(t *testing.T) {
	const when = `[10/Oct/2000:13:55:36 -0700]`
	for _, c := range []struct {
		line, kind, client string
		out                uint64
		protocol           policy.Protocol
		tunnel             bool
	}{
		{`192.0.2.1 - frank ` + when + ` "GET /a.gif HTTP/1.0" 200 2326`, "Common", "192.0.2.1", 2326, abi.ProtocolHTTP1, false},
		{`host.example - - ` + when + ` "GET /" 304 -`, "Common", "host.example", 0, abi.ProtocolHTTP1, false},
		{`2001:db8::1 - John Smith ` + when + ` "GET / HTTP/2.0" 200 5 "-" "curl/7"`, "Combined", "2001:db8::1", 5, abi.ProtocolHTTP2, false},
		{`www.example.org:443 192.0.2.1 - - ` + when + ` "GET / HTTP/3" 200 5 "https://a" "b \"c\" d" "more" 17`, "Combined", "192.0.2.1", 5, abi.ProtocolHTTP2, false},
		{`192.0.2.1 - - ` + when + ` "GET /"quoted" HTTP/1.0" 404 9`, "Common", "192.0.2.1", 9, abi.ProtocolHTTP1, false},
		{`192.0.2.1 - - ` + when + ` "\x16\x03\x01" 400 226 "-" "-"`, "Combined", "192.0.2.1", 226, abi.ProtocolHTTP1, false},
		{`192.0.2.1 - - ` + when + ` "GET /ws HTTP/1.1" 101 88 "-" "Mozilla"`, "Combined", "192.0.2.1", 88, abi.ProtocolWebSocket, true},
		{`192.0.2.1 - - ` + when + ` "CONNECT a:443 HTTP/1.1" 200 88`, "Common", "192.0.2.1", 88, abi.ProtocolHTTP1, true},
		{`192.0.2.1 - - ` + when + ` "" 400 0 "-" "-"`, "Combined", "192.0.2.1", 0, abi.ProtocolHTTP1, false},
	} {
		kind, r, err := parsed(t, c.line, Config{})
		want := row{logged: at(t, "2000-10-10T20:55:36Z"), at: at(t, "2000-10-10T20:55:36Z"), client: name(c.client), out: c.out, protocol: c.protocol, tunnel: c.tunnel}
		if err != nil || kind != c.kind || r != want {
			t.Errorf("%s\n%s, %+v, %v\nwant %+v", c.line, kind, r, err, want)
		}
	}
	_, r, err := parsed(t, `192.0.2.1 - - `+when+` "GET / HTTP/1.1" 200 5 "r" "an \"agent\""`, Config{Client: byAgent})
	if err != nil || r.client != name("192.0.2.1", `an \"agent\"`) {
		t.Errorf("address and agent: %+v, %v", r, err)
	}
}

func TestWhatIsWrongWithALine(t *testing.T) {
	l, err := newCLF(true, &Config{Client: byAgent})
	if err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]string{
		`x`:               "no time in brackets",
		`a - - [10/Oct/2`: "no time in brackets",
		` [10/Oct/2000:13:55:36 -0700] "GET /" 200 5`:                           "no client in front of the time",
		`a - - [10/Oct/2000:13:55:36 -0700] GET / 200 5`:                        "no quoted request behind the time",
		`a - - [10/Oct/2000:13:55:36 -0700] "GET / 200 5`:                       "no quoted request behind the time",
		`a - - [10/Oct/2000:13:55:36 -0700] "GET /" 200 5 "-"`:                  "no quoted agent behind the referer",
		`a - - [10/Oct/2000:13:55:36] "GET /" 200 5 "-" "-"`:                    `time "10/Oct/2000:13:55:36": no time zone, and none is given`,
		`a - - [10/Oct/2000:13:55:36 -0700] "GET /" 200 5x "-" "-"`:             `bytes "5x": not a number`,
		`- - - [10/Oct/2000:13:55:36 -0700] "GET /" 200 5 "-" "-"`:              "client: there is none",
		`a - - [10/Oct/1900:13:55:36 -0700] "GET /" 200 5 "-" "-"`:              `time "10/Oct/1900:13:55:36 -0700": not a time`,
		`a - - [31/Dec/1969:23:55:36 -0700] "GET /" 200 5 "-" "-"`:              `time "31/Dec/1969:23:55:36 -0700": not a time`,
		`a - - [10/Oct/2000:13:55:36 -0700] "GET /" 200 9e9 "-" "-"`:            `bytes "9e9": not a number`,
		`a - - [10/Oct/2000:13:55:36 -0700] "GET /" 200 99999999999999 "-" "-"`: `bytes "99999999999999": out of range`,
	} {
		var r row
		if err := l.parse([]byte(line), &r); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", line, err, want)
		}
	}
}

func TestAddresses(t *testing.T) {
	for text, want := range map[string]string{
		"192.0.2.1": "192.0.2.1", "192.0.2.1:80": "192.0.2.1", "[2001:db8::1]:80": "2001:db8::1", "[2001:db8::1]": "2001:db8::1",
		"2001:db8::1": "2001:db8::1", "::1": "::1", "host.example:80": "host.example:80", "user:1": "user:1", "[": "[", "[]": "[]", "1234": "1234",
	} {
		if got := string(withoutPort([]byte(text))); got != want {
			t.Errorf("%s is %s, want %s", text, got, want)
		}
	}
}

// FuzzLine reads any line as every format: nothing panics, and what is taken
// for a request is within bounds.
func FuzzLine(f *testing.F) {
	for _, seed := range []string{caddyLine, traefikLine, envoyLine, nginxLine, "5\ta\t7\t1.5\twebsocket",
		`a:1 b - - [10/Oct/2000:13:55:36 -0700] "GET /"x" HTTP/1.0" 200 2326 "-" "\""`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		cfg := Config{Client: byAgent, Zone: time.UTC}.complete()
		table, err := newTSV([]byte("time_ms\tclient\tbytes\tdur_ms\tkind\troute\tagent"), &cfg)
		if err != nil {
			t.Fatal(err)
		}
		formats := []format{table}
		for _, combined := range []bool{true, false} {
			c := cfg
			if !combined {
				c.Client = byAddress
			}
			l, err := newCLF(combined, &c)
			if err != nil {
				t.Fatal(err)
			}
			formats = append(formats, l)
		}
		for _, first := range []string{caddyLine, traefikLine, envoyLine, nginxLine} {
			j, err := newJSON([][]byte{[]byte(first)}, &cfg)
			if err != nil {
				t.Fatal(err)
			}
			formats = append(formats, j)
		}
		for _, l := range formats {
			var r row
			if l.parse(line, &r) != nil {
				continue
			}
			if r.client == 0 || r.at < 0 || r.logged < r.at || r.logged > latest || r.length < 0 || r.length > longest {
				t.Fatalf("%s: %q is %+v", l.name(), line, r)
			}
		}
	})
}
