package tenants

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"idlehost/host/e2e/neighbour"
	"idlehost/host/internal/api"
)

// act is what a tenant does that has no hostile policy, only connections and a
// token.
type act struct {
	name string
	run  func(ctx context.Context, a *actor)
}

// acts lists them. Of those that need a crowd of connections, the crowd alone
// is one.
func acts() []act {
	return []act{
		{"requests", atOnce(8, (*actor).request)},
		{"reconnects", func(ctx context.Context, a *actor) { a.crowd(ctx, 8, 0) }},
		{"resets", atOnce(4, (*actor).reset)},
		{"crowd", func(ctx context.Context, a *actor) { a.crowd(ctx, crowdConns, time.Hour) }},
		{"listing", crowded(atOnce(4, get1("/connections?limit=1000")))},
		{"streams", crowded(atOnce(8, func(a *actor, ctx context.Context) { a.stream(ctx, true) }))},
		{"streams-unread", crowded(atOnce(8, func(a *actor, ctx context.Context) { a.stream(ctx, false) }))},
		{"policies", atOnce(8, get1("/policies"))},
		{"audit", atOnce(8, get1("/audit?limit=1000"))},
		{"canary", atOnce(4, (*actor).canary)},
		{"reloads", busied((*actor).reload)},
		{"flips", busied((*actor).flip)},
		{"costly", atOnce(4, func(a *actor, ctx context.Context) { a.push(ctx, withSection(a.module, fresh())) })},
		{"padded", atOnce(4, (*actor).padded)},
		{"wrong-tokens", atOnce(8, func(a *actor, ctx context.Context) { a.call(ctx, "GET", "", "wrong", "", nil) })},
		{"healthz", atOnce(8, func(a *actor, ctx context.Context) { a.fetch(ctx, "GET", a.admin+"/healthz", "", "", nil) })},
	}
}

// crowdConns is how many connections a crowd has.
const crowdConns = 2000

// atOnce does something again and again, n times at once.
func atOnce(n int, f func(a *actor, ctx context.Context)) func(context.Context, *actor) {
	return func(ctx context.Context, a *actor) {
		var all sync.WaitGroup
		for range n {
			all.Go(func() {
				for ctx.Err() == nil {
					f(a, ctx)
				}
			})
		}
		all.Wait()
	}
}

// crowded does something with a crowd of connections open.
func crowded(f func(context.Context, *actor)) func(context.Context, *actor) {
	return func(ctx context.Context, a *actor) {
		var both sync.WaitGroup
		both.Go(func() { a.crowd(ctx, crowdConns, time.Hour) })
		f(ctx, a)
		both.Wait()
	}
}

// busied does something with connections that come and go.
func busied(f func(*actor, context.Context)) func(context.Context, *actor) {
	return func(ctx context.Context, a *actor) {
		var both sync.WaitGroup
		both.Go(func() { a.crowd(ctx, attackConns, coming.stay) })
		f(a, ctx)
		both.Wait()
	}
}

func get1(path string) func(*actor, context.Context) {
	return func(a *actor, ctx context.Context) { a.call(ctx, "GET", path, a.token, "", nil) }
}

// actor is the process of the tenant that acts.
type actor struct {
	addr, admin, tenant, token string
	module                     []byte // that takes long to check
	http                       *http.Client
	answers                    sync.Map // *atomic.Int64 by status
}

// serveAct does one act until its input ends: it stands for clients on other
// machines, so it gives way to all others. It says what it was answered.
func serveAct(name, addr, admin, tenant, token, module string) error {
	wasm, err := os.ReadFile(module)
	if err != nil {
		return err
	}
	a := &actor{addr: addr, admin: admin, tenant: tenant, token: token, module: wasm,
		http: &http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: 64, ExpectContinueTimeout: 10 * time.Second}}}
	ctx, stop := context.WithCancel(context.Background())
	var reading sync.WaitGroup
	reading.Go(func() {
		defer stop()
		io.Copy(io.Discard, os.Stdin)
	})
	for _, c := range acts() {
		if c.name == name {
			c.run(ctx, a)
		}
	}
	reading.Wait()
	a.answers.Range(func(status, n any) bool {
		fmt.Printf("%d times %v, ", n.(*atomic.Int64).Load(), status)
		return true
	})
	fmt.Println()
	return nil
}

func (a *actor) crowd(ctx context.Context, conns int, stay time.Duration) {
	t := &neighbour.Traffic{Addr: a.addr, Host: a.tenant + ".example", Conns: conns, Stay: stay}
	t.Start()
	<-ctx.Done()
	t.Stop()
}

func (a *actor) request(ctx context.Context) {
	r, err := http.NewRequestWithContext(ctx, "GET", "http://"+a.addr+"/", nil)
	if err != nil {
		return
	}
	r.Host = a.tenant + ".example"
	a.send(r)
}

// call asks for something of the tenant's.
func (a *actor) call(ctx context.Context, method, path, token, kind string, body []byte) {
	a.fetch(ctx, method, a.admin+"/v1/tenants/"+a.tenant+path, token, kind, body)
}

func (a *actor) fetch(ctx context.Context, method, url, token, kind string, body []byte) {
	r, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	if kind != "" {
		r.Header.Set("Content-Type", kind)
		r.Header.Set("Expect", "100-continue")
	}
	a.send(r)
}

func (a *actor) send(r *http.Request) {
	res, err := a.http.Do(r)
	if err != nil {
		a.count("failed")
		return
	}
	defer res.Body.Close()
	a.count(res.Status)
	io.Copy(io.Discard, res.Body)
	if res.StatusCode == http.StatusTooManyRequests || res.StatusCode == http.StatusServiceUnavailable {
		rest(r.Context(), refusedEvery)
	}
}

func (a *actor) count(status string) {
	n, _ := a.answers.LoadOrStore(status, new(atomic.Int64))
	n.(*atomic.Int64).Add(1)
}

// stream follows the tenant's decisions, or does not read what is sent.
func (a *actor) stream(ctx context.Context, read bool) {
	r, err := http.NewRequestWithContext(ctx, "GET", a.admin+"/v1/tenants/"+a.tenant+"/decisions", nil)
	if err != nil {
		return
	}
	r.Header.Set("Authorization", "Bearer "+a.token)
	res, err := a.http.Transport.RoundTrip(r)
	if err != nil {
		rest(ctx, refusedEvery)
		return
	}
	defer res.Body.Close()
	a.count(res.Status)
	switch {
	case res.StatusCode != http.StatusOK:
		rest(ctx, refusedEvery)
	case read:
		io.Copy(io.Discard, res.Body)
	default:
		<-ctx.Done()
	}
}

func (a *actor) canary(ctx context.Context) {
	percent := fmt.Appendf(nil, `{"percent":%d}`, 10+time.Now().UnixNano()%2)
	a.call(ctx, "POST", "/rollout/canary", a.token, "application/json", percent)
}

func (a *actor) push(ctx context.Context, wasm []byte) {
	a.call(ctx, "POST", "/policies", a.token, api.ModuleType, wasm)
}

// padded uploads what is mostly a custom section, and new each time.
func (a *actor) padded(ctx context.Context) {
	wasm := smallFresh()
	for len(wasm) < 4_100_000 {
		wasm = append(wasm, 0, 0x80, 0x80|0x7f, 0x3f, 1, 'n') // 1,048,448 bytes follow
		wasm = append(wasm, bytes.Repeat([]byte{1}, 0x3f<<14|0x7f<<7-2)...)
	}
	a.push(ctx, wasm)
}

// reset opens streams of HTTP/2 and takes them back at once.
func (a *actor) reset(ctx context.Context) {
	nc, err := net.Dial("tcp", a.addr)
	if err != nil {
		return
	}
	defer nc.Close()
	defer context.AfterFunc(ctx, func() { nc.Close() })()
	var reading sync.WaitGroup
	defer reading.Wait()
	defer nc.Close()
	reading.Go(func() { io.Copy(io.Discard, nc) })
	io.WriteString(nc, http2.ClientPreface)
	f := http2.NewFramer(nc, strings.NewReader(""))
	f.WriteSettings()
	var head bytes.Buffer
	fields := hpack.NewEncoder(&head)
	for id := uint32(1); ; id += 2 {
		head.Reset()
		for name, value := range map[string]string{":method": "GET", ":scheme": "http", ":path": "/", ":authority": a.tenant + ".example"} {
			fields.WriteField(hpack.HeaderField{Name: name, Value: value})
		}
		p := http2.HeadersFrameParam{StreamID: id, BlockFragment: head.Bytes(), EndHeaders: true, EndStream: true}
		if f.WriteHeaders(p) != nil || f.WriteRSTStream(id, http2.ErrCodeCancel) != nil {
			return
		}
	}
}

func rest(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
