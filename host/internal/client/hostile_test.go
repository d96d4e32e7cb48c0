package client

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"idlehost/host/internal/api"
)

const token = "idh_aaaaaaaaaa_secret"

// serve returns a client of a server over a real connection.
func serve(t *testing.T, f http.HandlerFunc) *Client {
	t.Helper()
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	c, err := New(Config{Server: s.URL + "/", Token: token})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestWhatIsNoAnswerOfTheAPIIsAnError(t *testing.T) {
	for _, tt := range []struct {
		name         string
		status       int
		kind, body   string
		want, hinted string
	}{
		{"a web page", 200, "text/html", "<html>", `the answer is "text/html", not application/json`, "is this the admin address of a host?"},
		{"no type", 200, "-", "{}", `the answer is "", not application/json`, "admin address"},
		{"nothing", 200, jsonType, "", "the answer is empty", "admin address"},
		{"half", 200, jsonType, `{"name":`, "is not what the API answers: unexpected EOF", ""},
		{"wrong types", 200, jsonType, `{"name":7}`, "cannot unmarshal number", ""},
		{"a list", 200, jsonType, `[]`, "cannot unmarshal array", ""},
		{"two", 200, jsonType, `{}{}`, "goes on behind its end", ""},
		{"not found", 404, "text/plain; charset=utf-8", "404 page not found\n", "status 404: 404 page not found", "admin address"},
		{"a long text", 502, "text/plain", strings.Repeat("é", 500), "status 502: ééé", ""},
		{"a page of a proxy", 502, "text/html", "<html>", "status 502: Bad Gateway", ""},
		{"half a problem", 500, api.ProblemType, `{"title":`, "status 500: Internal Server Error", ""},
		{"a problem that is none", 500, api.ProblemType, `[1]`, "status 500: Internal Server Error", ""},
		{"a redirect", 307, "", "", "the server wants to be asked elsewhere: http://elsewhere.example/", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			asked := 0
			c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				asked++
				w.Header().Set("Content-Type", tt.kind)
				if tt.kind == "-" {
					w.Header()["Content-Type"] = nil
				}
				if tt.status == 307 {
					w.Header().Set("Location", "http://elsewhere.example/")
				}
				w.WriteHeader(tt.status)
				io.WriteString(w, tt.body)
			})
			_, err := c.Whoami(t.Context())
			var ours *AnswerError
			if !errors.As(err, &ours) || !strings.Contains(err.Error(), tt.want) || !strings.Contains(ours.Hint(), tt.hinted) {
				t.Errorf("%v, hint %q", err, ours.Hint())
			}
			if !strings.Contains(err.Error(), "GET http://127.0.0.1:") || strings.Contains(err.Error(), "secret") || len(err.Error()) > 600 {
				t.Errorf("%v", err)
			}
			if asked != 1 {
				t.Errorf("asked %d times", asked)
			}
		})
	}
}

func TestProblemsComeAsTheyAre(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", api.ProblemType)
		w.WriteHeader(422)
		io.WriteString(w, `{"type":"urn:idlehost:problem:policy-refused","status":200,"detail":"gate: too large","cause":"compile","report":{"a":1}}`)
	})
	_, _, err := c.Upload(t.Context(), "a", api.Upload{}, nil)
	var p *api.Problem
	if !errors.As(err, &p) || p.Status != 422 || p.Cause != "compile" || string(p.Report) != `{"a":1}` || Kind(err) != api.KindRefused {
		t.Errorf("error %+v, want the 422 that was sent, with its cause and report", err)
	}
	if err.Error() != "Unprocessable Entity: gate: too large" {
		t.Error(err)
	}
	if Kind(io.EOF) != "" {
		t.Error("an error of another kind has a kind")
	}
}

// endless sends a body without end; the client must not read it.
func TestEndlessAnswersAreCutOff(t *testing.T) {
	chunk := strings.Repeat(" ", 1<<20)
	for _, status := range []int{200, 500} {
		c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", jsonType)
			w.WriteHeader(status)
			for {
				if _, err := io.WriteString(w, chunk); err != nil {
					return
				}
			}
		})
		_, err := c.Whoami(t.Context())
		var ours *AnswerError
		if !errors.As(err, &ours) || status == 200 && !strings.Contains(err.Error(), "longer than any answer") {
			t.Errorf("%d: %v", status, err)
		}
	}
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", streamType)
		for {
			if _, err := io.WriteString(w, chunk); err != nil {
				return
			}
		}
	})
	if err := c.Decisions(t.Context(), "a", func(api.Decision) error { return nil }); err == nil || !strings.Contains(err.Error(), "token too long") {
		t.Error(err)
	}
}

func TestAnAnswerThatBreaksOff(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", jsonType)
		w.Header().Set("Content-Length", "100")
		io.WriteString(w, "{")
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	})
	_, err := c.Whoami(t.Context())
	var ours *ConnectError
	if !errors.As(err, &ours) || !strings.Contains(err.Error(), "the answer broke off: unexpected EOF") {
		t.Error(err)
	}
}

func TestTheTokenDoesNotTravel(t *testing.T) {
	for _, server := range []string{"http://192.0.2.1:9900", "http://host.example", "http://localhost.example", "http://[2001:db8::1]:9900"} {
		var clear *ClearTextError
		if _, err := New(Config{Server: server, Token: token}); !errors.As(err, &clear) || strings.Contains(err.Error(), "secret") || clear.Hint() == "" {
			t.Errorf("%s: %v", server, err)
		}
		if _, err := New(Config{Server: server, Token: token, Insecure: true}); err != nil {
			t.Errorf("%s, insecure: %v", server, err)
		}
		if _, err := New(Config{Server: server}); err != nil {
			t.Errorf("%s, without a token: %v", server, err)
		}
	}
	for _, server := range []string{"", "http://127.0.0.1", "http://127.8.8.8:1", "http://[::1]:9900", "http://LOCALHOST:9900", "https://host.example"} {
		if _, err := New(Config{Server: server, Token: token}); err != nil {
			t.Errorf("%s: %v", server, err)
		}
	}
	elsewhere := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("%s was asked with %v", r.URL, r.Header)
	})
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, elsewhere.Server()+r.URL.Path, http.StatusTemporaryRedirect)
	})
	if _, err := c.Whoami(t.Context()); err == nil {
		t.Error("a redirect is followed")
	}
}

func TestConfigurationsThatMakeNoSense(t *testing.T) {
	empty := t.TempDir() + "/empty.pem"
	os.WriteFile(empty, nil, 0o600)
	for _, tt := range []struct {
		config Config
		want   string
	}{
		{Config{Server: "127.0.0.1:9900"}, "is not a URL such as https://host.example:9900"},
		{Config{Server: "ftp://host.example"}, "is not a URL"},
		{Config{Server: "https://"}, "want a scheme, a host"},
		{Config{Server: "https://a.example/?x=1"}, "want a scheme, a host"},
		{Config{Server: "https://user:hunter2@a.example"}, "holds a password"},
		{Config{Token: "a\nb"}, "a character that no token has"},
		{Config{Token: "ä"}, "a character that no token has"},
		{Config{CA: empty + ".no"}, "trusted certificates: open "},
		{Config{CA: empty}, "holds no PEM certificate"},
		{Config{Cert: empty}, "both its certificate and its key"},
		{Config{Cert: empty, Key: empty}, "client certificate: "},
		{Config{HTTP: &http.Client{}, CA: empty}, "excludes CA"},
	} {
		if _, err := New(tt.config); err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%+v: %v", tt.config, err)
		}
	}
}

func TestNobodyListens(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	c, _ := New(Config{Server: "http://" + l.Addr().String(), Token: token})
	_, err = c.Whoami(t.Context())
	var ours *ConnectError
	if !errors.As(err, &ours) || ours.Hint() != "is the host running with --admin?" {
		t.Errorf("%v", err)
	}
	want := fmt.Sprintf("no answer from http://%s: dial tcp %[1]s: connect: connection refused", l.Addr())
	if err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

func TestTrustAndClientCertificates(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", jsonType)
		fmt.Fprintf(w, `{"name":"%d certificates over %s"}`, len(r.TLS.PeerCertificates), r.Proto)
	}))
	s.EnableHTTP2 = true
	s.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	defer s.Close()
	dir := t.TempDir()
	write := func(name, kind string, der []byte) string {
		os.WriteFile(dir+name, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
		return dir + name
	}
	pair := s.TLS.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	config := Config{Server: s.URL, Token: token, CA: write("ca.pem", "CERTIFICATE", pair.Certificate[0]), Key: write("key.pem", "PRIVATE KEY", key)}
	config.Cert = config.CA
	c, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if who, err := c.Whoami(t.Context()); err != nil || who.Name != "1 certificates over HTTP/2.0" {
		t.Errorf("%+v, %v", who, err)
	}
	for _, tt := range []struct{ server, hint string }{
		{s.URL, "name the certificate to trust with --ca"},
		{strings.Replace(s.URL, "https", "http", 1), "the server speaks https://"},
	} {
		stranger, _ := New(Config{Server: tt.server})
		_, err := stranger.Whoami(t.Context())
		var hinted interface{ Hint() string }
		if !errors.As(err, &hinted) || hinted.Hint() != tt.hint {
			t.Errorf("%s: %v", tt.server, err)
		}
		stranger.Close()
	}
	plain := serve(t, func(http.ResponseWriter, *http.Request) {})
	confused, _ := New(Config{Server: strings.Replace(plain.Server(), "http", "https", 1)})
	var ours *ConnectError
	if _, err := confused.Whoami(t.Context()); !errors.As(err, &ours) || ours.Hint() != "the server speaks http://" {
		t.Errorf("%v", err)
	}
}

func FuzzAnswer(f *testing.F) {
	f.Add(200, jsonType, []byte(`{"operator":true}`))
	f.Add(422, api.ProblemType, []byte(`{"title":"x","report":{}}`))
	f.Add(502, "text/plain", []byte("\xff\x1b[2J"))
	f.Add(307, "", []byte(nil))
	f.Fuzz(func(t *testing.T, status int, kind string, body []byte) {
		c, err := New(Config{Token: token, HTTP: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			return reply(r, status, kind, string(body)), nil
		})}})
		if err != nil {
			t.Fatal(err)
		}
		who, err := c.Whoami(t.Context())
		if (who == nil) != (err != nil) {
			t.Errorf("%v, %v", who, err)
		}
		if err == nil && status/100 != 2 {
			t.Errorf("status %d is a success", status)
		}
		err = c.Decisions(t.Context(), "a", func(api.Decision) error { return nil })
		if err == nil && status/100 != 2 {
			t.Errorf("status %d is a stream", status)
		}
	})
}
