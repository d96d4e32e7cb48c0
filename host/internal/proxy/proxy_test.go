package proxy_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"slices"
	"strings"
	"testing"
	"time"

	"idlehost/host/internal/proxy/route"
	"idlehost/host/internal/testnet"
)

func TestContentPassesBothWays(t *testing.T) {
	for _, scheme := range []string{"http", "https", "h2c"} {
		t.Run("to-"+scheme, func(t *testing.T) {
			run(t, func(t *testing.T, m mode) {
				r := start(t, setup{mode: m, scheme: scheme, server: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("X-Method", r.Method)
					w.Header().Set("X-Proto", r.Proto)
					http.NewResponseController(w).EnableFullDuplex()
					io.Copy(w, r.Body)
				})})
				for _, size := range []int{0, 1, 4095, 3 << 20} {
					sent := bytes.Repeat([]byte("idle"), size/4+1)[:size]
					res := r.do(r.request("POST", "/echo?a=b;c=%zz", bytes.NewReader(sent)))
					got, err := io.ReadAll(res.Body)
					if err != nil || sha256.Sum256(got) != sha256.Sum256(sent) {
						t.Fatalf("%d bytes sent, %d came back, %v", size, len(got), err)
					}
					if res.Header.Get("X-Method") != "POST" {
						t.Errorf("method %q", res.Header.Get("X-Method"))
					}
					if want := map[bool]string{true: "HTTP/2.0", false: "HTTP/1.1"}[scheme != "http"]; res.Header.Get("X-Proto") != want {
						t.Errorf("upstream was spoken to in %s, want %s", res.Header.Get("X-Proto"), want)
					}
				}
			}, every...)
		})
	}
}

func TestTrailersPassBothWays(t *testing.T) {
	for _, scheme := range []string{"http", "h2c"} {
		t.Run("to-"+scheme, func(t *testing.T) {
			run(t, func(t *testing.T, m mode) {
				r := start(t, setup{mode: m, scheme: scheme, server: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					io.Copy(io.Discard, r.Body)
					w.Header().Set("Trailer", "X-Announced")
					w.WriteHeader(200)
					io.WriteString(w, "body")
					w.Header().Set("X-Announced", r.Trailer.Get("X-Asked")+"!")
					w.Header().Set(http.TrailerPrefix+"X-Sudden", "yes")
				})})
				req := r.request("POST", "/", io.MultiReader(strings.NewReader("some "), strings.NewReader("content")))
				req.Trailer = http.Header{"X-Asked": {"hello"}}
				res := r.do(req)
				io.Copy(io.Discard, res.Body)
				if got := res.Trailer.Get("X-Announced"); got != "hello!" {
					t.Errorf("X-Announced = %q, want what the request's trailer said", got)
				}
				if got := res.Trailer.Get("X-Sudden"); got != "yes" {
					t.Errorf("X-Sudden = %q", got)
				}
			}, every...)
		})
	}
}

func TestInformationalAnswersPass(t *testing.T) {
	run(t, func(t *testing.T, m mode) {
		r := start(t, setup{mode: m, server: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Link", "</style.css>; rel=preload")
			w.WriteHeader(http.StatusEarlyHints)
			w.Header().Del("Link")
			io.Copy(w, r.Body) // sends 100 Continue
		})})
		var codes []int
		trace := &httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
			codes = append(codes, code)
			if code == 103 && h.Get("Link") == "" {
				t.Error("103 came without its Link header")
			}
			return nil
		}}
		req := r.request("POST", "/", "content")
		req.Header.Set("Expect", "100-continue")
		res := r.do(req.WithContext(httptrace.WithClientTrace(req.Context(), trace)))
		if b, _ := io.ReadAll(res.Body); string(b) != "content" {
			t.Errorf("answer %q", b)
		}
		want, also := "[103 100]", ""
		if m.h2() { // the HTTP/2 server takes the Expect header away, so the upstream does not see it
			want, also = "[100 103]", "[100 100 103]"
		}
		if got := fmt.Sprint(codes); got != want && got != also {
			t.Errorf("informational answers %s, want %s", got, want)
		}
	}, every...)
}

// A 103 must not take the place of the 100 that the client waits for before
// it sends content.
func TestContentIsInvitedBeforeEarlyHints(t *testing.T) {
	run(t, func(t *testing.T, m mode) {
		r := start(t, setup{mode: m, site: route.Site{Local: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Link", "</style.css>; rel=preload")
			w.WriteHeader(http.StatusEarlyHints)
			w.WriteHeader(http.StatusEarlyHints)
			b, err := io.ReadAll(r.Body) // its 100 is one too many
			w.WriteHeader(http.StatusEarlyHints)
			fmt.Fprintf(w, "%s %v %v", b, err, w.Header())
		})}})
		var got []string
		trace := &httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
			got = append(got, fmt.Sprint(code, h))
			return nil
		}}
		ctx, cancel := context.WithTimeout(httptrace.WithClientTrace(t.Context(), trace), testnet.Patience)
		defer cancel()
		req := r.request("POST", "/", "content")
		req.Header.Set("Expect", "100-continue")
		res := r.do(req.WithContext(ctx))
		const link = "map[Link:[</style.css>; rel=preload]]"
		if b, err := io.ReadAll(res.Body); string(b) != "content <nil> "+link {
			t.Errorf("answer %q, %v", b, err)
		}
		want := []string{"100 map[]", "103 " + link, "103 " + link, "103 " + link}
		if !slices.Equal(got, want) {
			t.Errorf("informational answers %q, want %q", got, want)
		}
	}, h2c, h2s)
}

func TestExpectRefusedBeforeContent(t *testing.T) {
	r := start(t, setup{mode: h1, server: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusRequestEntityTooLarge)
	})})
	c := r.dial(h1)
	fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\nExpect: 100-continue\r\n\r\n")
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil || res.StatusCode != 413 {
		t.Fatalf("%v, %v: want 413 without a byte of content sent", res, err)
	}
}

func TestEventsAreFlushed(t *testing.T) {
	run(t, func(t *testing.T, m mode) {
		next := make(chan struct{})
		r := start(t, setup{mode: m, server: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			for i := range 3 {
				fmt.Fprintf(w, "data: %d\n\n", i)
				http.NewResponseController(w).Flush()
				<-next
			}
		})})
		res := r.get("/")
		b := bufio.NewReader(res.Body)
		for i := range 3 { // each is read before the next is written
			line, err := b.ReadString('\n')
			if err != nil || line != fmt.Sprintf("data: %d\n", i) {
				t.Fatalf("event %d: %q, %v", i, line, err)
			}
			b.ReadString('\n')
			next <- struct{}{}
		}
	}, every...)
}

func TestHopByHopHeadersStay(t *testing.T) {
	r := start(t, setup{mode: h1, server: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, h := range []string{"Connection", "Keep-Alive", "Proxy-Connection", "X-Private", "Transfer-Encoding", "Upgrade", "Trailer"} {
			if v, ok := r.Header[h]; ok {
				t.Errorf("upstream got %s: %q", h, v)
			}
		}
		if r.Header.Get("Te") != "trailers" {
			t.Errorf("TE: %q, want trailers", r.Header.Get("Te"))
		}
		w.Header().Set("Connection", "X-Secret")
		w.Header().Set("X-Secret", "s")
		w.Header().Set("Keep-Alive", "timeout=99")
		w.Header().Set("Alt-Svc", `h3=":443"`)
		w.Header().Set("X-Public", "p")
	})})
	req := r.request("GET", "/", nil)
	req.Header.Set("Connection", "X-Private, keep-alive")
	req.Header.Set("X-Private", "1")
	req.Header.Set("Keep-Alive", "300")
	req.Header.Set("Proxy-Connection", "keep-alive")
	req.Header.Set("Te", "trailers, deflate;q=0.5")
	res := r.do(req)
	for _, h := range []string{"X-Secret", "Keep-Alive", "Connection", "Alt-Svc"} {
		if v, ok := res.Header[h]; ok {
			t.Errorf("client got %s: %q", h, v)
		}
	}
	if res.Header.Get("X-Public") != "p" {
		t.Error("X-Public was lost")
	}
}

func TestAnswersWithoutContent(t *testing.T) {
	run(t, func(t *testing.T, m mode) {
		r := start(t, setup{mode: m, server: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case "/head":
				w.Header().Set("Content-Length", "12345")
			case "/204":
				w.WriteHeader(204)
			case "/304":
				w.Header().Set("Etag", `"x"`)
				w.WriteHeader(304)
			}
		})})
		for range 2 { // the second time on connections that are reused
			if res := r.do(r.request("HEAD", "/head", nil)); res.ContentLength != 12345 {
				t.Errorf("HEAD: Content-Length %d", res.ContentLength)
			}
			for path, code := range map[string]int{"/204": 204, "/304": 304, "/200": 200} {
				res := r.get(path)
				if b, err := io.ReadAll(res.Body); res.StatusCode != code || len(b) != 0 || err != nil {
					t.Errorf("%s: %d with %q, %v", path, res.StatusCode, b, err)
				}
			}
		}
	}, every...)
}

func TestPipelinedRequestsAreAnsweredInOrder(t *testing.T) {
	run(t, func(t *testing.T, m mode) {
		r := start(t, setup{mode: m, server: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			io.WriteString(w, r.URL.Path)
		})})
		c := r.dial(m)
		var all strings.Builder
		for i := range 20 {
			fmt.Fprintf(&all, "POST /%d HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", i)
		}
		go io.WriteString(c, all.String())
		b := bufio.NewReader(c)
		for i := range 20 {
			res, err := http.ReadResponse(b, nil)
			if err != nil {
				t.Fatalf("answer %d: %v", i, err)
			}
			if body, _ := io.ReadAll(res.Body); string(body) != fmt.Sprintf("/%d", i) {
				t.Fatalf("answer %d is %q", i, body)
			}
		}
	}, h1, h1s)
}

func TestHTTP10(t *testing.T) {
	r := start(t, setup{mode: h1, server: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "one ")
		http.NewResponseController(w).Flush()
		io.WriteString(w, "two")
	})})
	c := r.dial(h1)
	io.WriteString(c, "GET / HTTP/1.0\r\n\r\n")
	b, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	head, body, _ := strings.Cut(string(b), "\r\n\r\n")
	if !strings.HasPrefix(head, "HTTP/1.0 200 OK") || strings.Contains(head, "chunked") || body != "one two" {
		t.Errorf("answer %q", b)
	}
}

func TestOneByteAtATime(t *testing.T) {
	for _, head := range []string{
		"GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
		"PRIME /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", // begins like HTTP/2's preface
		"P /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
	} {
		r := start(t, setup{mode: h1, server: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, r.Method+" "+r.URL.Path)
		})})
		c := r.dial(h1)
		for i := range head {
			if _, err := c.Write([]byte{head[i]}); err != nil {
				t.Fatal(err)
			}
		}
		b, err := io.ReadAll(c)
		if want := head[:strings.Index(head, " HTTP")]; err != nil || !strings.HasSuffix(string(b), want) {
			t.Errorf("answer %q, %v; want %q", b, err, want)
		}
		r.end()
	}
}

func TestConnectIsRefused(t *testing.T) {
	r := start(t, setup{mode: h1, server: http.NotFoundHandler()})
	c := r.dial(h1)
	io.WriteString(c, "CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n")
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	b, _ := io.ReadAll(res.Body)
	if res.StatusCode != 405 || !strings.Contains(string(b), "tunnel") || res.Header.Get("Allow") == "" {
		t.Errorf("answer %d %q %v, want 405 with Allow, about tunnels", res.StatusCode, b, res.Header)
	}
}

func TestOptionsStarGoesToTheUpstream(t *testing.T) {
	r := start(t, setup{mode: h1, server: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("origin's server answers OPTIONS * by itself")
	})})
	c := r.dial(h1)
	io.WriteString(c, "OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil || res.StatusCode != 200 {
		t.Fatalf("answer %v, %v; want 200", res, err)
	}
}

func TestClientThatGoesAwayIsNoUpstreamError(t *testing.T) {
	run(t, func(t *testing.T, m mode) {
		arrived, gone := make(chan struct{}), make(chan struct{})
		r := start(t, setup{mode: m, server: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			close(arrived)
			<-r.Context().Done()
			close(gone)
		})})
		req := r.request("GET", "/", nil)
		ctx, cancel := contextWithCancel(req)
		go func() {
			<-arrived
			cancel()
		}()
		// A client of TLS says good-bye before it closes, and may still read what the
		// proxy says to that.
		if res, err := r.client.Do(req.WithContext(ctx)); err == nil && res.StatusCode != 499 {
			t.Fatalf("answered with %d", res.StatusCode)
		}
		select {
		case <-gone:
		case <-time.After(testnet.Patience):
			t.Fatal("the upstream was not told")
		}
		eventually(t, "a debug line", func() bool { return strings.Contains(r.log.String(), "client broke off") })
		if s := r.log.String(); strings.Contains(s, "level=WARN") || strings.Contains(s, "level=ERROR") {
			t.Errorf("log:\n%s", s)
		}
	}, every...)
}

func TestAnswerCutShortIsNotTakenForWhole(t *testing.T) {
	run(t, func(t *testing.T, m mode) {
		r := start(t, setup{mode: m, server: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/known" {
				w.Header().Set("Content-Length", "1000000")
			}
			io.WriteString(w, "only this")
			http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		})})
		for _, path := range []string{"/known", "/chunked"} {
			res, err := r.client.Do(r.request("GET", path, nil))
			if err == nil {
				_, err = io.ReadAll(res.Body)
				res.Body.Close()
			}
			if err == nil {
				t.Errorf("%s: the answer was cut short, but ended well", path)
			}
		}
		eventually(t, "a line with the upstream", func() bool {
			return strings.Contains(r.log.String(), "upstream broke off its answer") &&
				strings.Contains(r.log.String(), r.origin.Listener.Addr().String())
		})
	}, every...)
}

func TestContentCutShortIsNotTakenForWhole(t *testing.T) {
	run(t, func(t *testing.T, m mode) {
		arrived, result := make(chan struct{}), make(chan error, 1)
		r := start(t, setup{mode: m, server: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.ReadFull(r.Body, make([]byte, 5))
			close(arrived)
			_, err := io.Copy(io.Discard, r.Body)
			result <- err
		})})
		pr, pw := io.Pipe()
		go func() {
			pw.Write([]byte("first half"))
			<-arrived
			pw.CloseWithError(errors.New("no more"))
		}()
		req := r.request("POST", "/", pr)
		if _, err := r.client.Do(req); err == nil {
			t.Error("answered")
		}
		if err := <-result; err == nil {
			t.Error("the upstream took half the content for all of it")
		}
	}, every...)
}
