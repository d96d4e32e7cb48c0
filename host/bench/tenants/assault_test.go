package tenants

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	mathrand "math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"idlehost/host/internal/api"
	"idlehost/host/internal/sandbox/wasmtest"
)

// What a tenant can do in a loop.
const (
	none    = "none"
	small   = "small"   // upload small policies that nobody has seen
	large   = "go"      // upload policies built by Go, 2 MB, that nobody has seen
	dear    = "dear"    // upload small policies whose every question takes most of its fuel
	faulty  = "faulty"  // upload such that fail at every question, and take long to start anew
	garbage = "garbage" // upload 2 MB that are refused when all but the last has been read
	known   = "known"   // upload a policy built by Go that the host has
	promote = "promote" // put one of two small policies in charge, in turns
	percent = "percent" // change the share of a canary
)

// assaultEvery is the pace of a loop, unless an answer takes longer: as fast as
// requests would come in over a network.
const assaultEvery = time.Millisecond

// refusedEvery is its pace while it is told to come back later, by which the
// host means seconds or minutes.
const refusedEvery = 10 * time.Millisecond

// assault is a tenant that does one thing in a loop, with its own token.
type assault struct {
	server, tenant, token string
	sound                 []byte // built by Go
	http                  *http.Client

	n       int
	refused bool        // for now
	answers map[int]int // by status
	broken  error
}

// serveAssault is another process: it stands for clients on other machines, so
// it gives way to all others. Each line names what is done until the next,
// which is answered by what was.
func serveAssault(server, module string) error {
	if err := syscall.Setpriority(syscall.PRIO_PROCESS, 0, 10); err != nil {
		return err
	}
	sound, err := os.ReadFile(module)
	if err != nil {
		return err
	}
	var running sync.WaitGroup
	stop, a := func() {}, &assault{}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		stop()
		running.Wait()
		fmt.Println(a.did())
		var kind, proxy string
		a = &assault{server: server, sound: sound, answers: map[int]int{}, http: &http.Client{
			Transport: &http.Transport{ExpectContinueTimeout: 10 * time.Second},
		}}
		fmt.Sscan(lines.Text(), &kind, &a.tenant, &a.token, &proxy)
		var ctx context.Context
		ctx, stop = context.WithCancel(context.Background())
		if slices.Contains(floods, kind) {
			f := &flood{assault: a, proxy: proxy}
			running.Go(func() { f.run(ctx, kind) })
			continue
		}
		running.Go(func() { a.run(ctx, kind) })
	}
	stop()
	running.Wait()
	return lines.Err()
}

func (a *assault) did() string {
	if a.broken != nil {
		return "cannot attack: " + a.broken.Error()
	}
	var text strings.Builder
	for _, status := range slices.Sorted(maps.Keys(a.answers)) {
		fmt.Fprintf(&text, "%d times %d, ", a.answers[status], status)
	}
	return strings.TrimSuffix(text.String(), ", ")
}

func (a *assault) run(ctx context.Context, kind string) {
	if kind == none {
		return
	}
	tick := time.NewTicker(assaultEvery)
	defer tick.Stop()
	for ctx.Err() == nil {
		if a.broken = a.one(kind); a.broken != nil {
			return
		}
		if a.refused {
			tick.Reset(refusedEvery)
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
		tick.Reset(assaultEvery)
	}
}

func (a *assault) one(kind string) error {
	a.n++
	switch kind {
	case small:
		return a.upload(smallFresh())
	case dear:
		return a.upload(dearFresh())
	case faulty:
		return a.upload(faultyFresh())
	case large:
		return a.upload(goFresh(a.sound))
	case garbage:
		return a.upload(broken(a.sound))
	case known:
		return a.upload(a.sound)
	case promote:
		return a.send("POST", "rollout/promote", "application/json", fmt.Appendf(nil, `{"digest":%q}`, digestOf(smallOne(a.n%2))))
	}
	return a.send("POST", "rollout/canary", "application/json", fmt.Appendf(nil, `{"percent":%d}`, 10+a.n%2))
}

func (a *assault) upload(wasm []byte) error { return a.send("POST", "policies", api.ModuleType, wasm) }

func (a *assault) send(method, path, kind string, body []byte) error {
	r, err := http.NewRequest(method, a.server+"/v1/tenants/"+a.tenant+"/"+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", kind)
	r.Header.Set("Authorization", "Bearer "+a.token)
	r.Header.Set("Expect", "100-continue") // it would rather be refused than send in vain
	res, err := a.http.Do(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	a.answers[res.StatusCode]++
	a.refused = res.StatusCode == http.StatusTooManyRequests || res.StatusCode == http.StatusServiceUnavailable
	_, err = io.Copy(io.Discard, res.Body)
	return err
}

func digestOf(wasm []byte) string {
	sum := sha256.Sum256(wasm)
	return hex.EncodeToString(sum[:])
}

// smallOne returns a small policy of that number, compiled like no other.
func smallOne(n int) []byte {
	timeout := wasmtest.Returns("on_timeout", wasmtest.Extend60s+int64(n))
	return pad(wasmtest.Guest(timeout).Bytes())
}

func smallFresh() []byte { return smallOne(1<<20 + mathrand.IntN(1<<30)) }

// dearFresh returns a policy whose check takes long.
func dearFresh() []byte {
	hook := func(export string) wasmtest.Func {
		f := wasmtest.Hook(export, wasmtest.Countdown(0, 150_000), wasmtest.Const64(wasmtest.Extend60s+mathrand.Int64N(1<<30)))
		f.Locals = 1
		return f
	}
	return wasmtest.Guest(hook("on_accept"), hook("on_timeout")).Bytes()
}

// faultyFresh returns a policy that is refused after a check that takes long.
func faultyFresh() []byte {
	start := wasmtest.Func{Export: "_initialize", Locals: 1, Body: wasmtest.Countdown(0, 1_500_000+mathrand.Int32N(100_000))}
	return wasmtest.Guest(start, wasmtest.Hook("on_accept", wasmtest.Unreachable()), wasmtest.Hook("on_timeout", wasmtest.Unreachable())).Bytes()
}

// goFresh changes what a policy built by Go says as it dies: other code, for
// all that a compiler can know.
func goFresh(wasm []byte) []byte {
	says := []byte("all goroutines are asleep - deadlock!")
	i := bytes.Index(wasm, says)
	if i < 0 {
		panic("BUG: not built by Go")
	}
	text := make([]byte, len(says)/2)
	rand.Read(text)
	fresh := bytes.Clone(wasm)
	hex.Encode(fresh[i:], text)
	return fresh
}

// broken spoils the last function.
func broken(wasm []byte) []byte {
	fresh := goFresh(wasm)
	end := codeEnd(fresh)
	fresh[end-2] = 0xff // no instruction
	return fresh
}

// codeEnd returns where the section of code ends.
func codeEnd(wasm []byte) int {
	for at := 8; ; {
		id := wasm[at]
		size, n := binary.Uvarint(wasm[at+1:])
		at += 1 + n + int(size)
		if id == 10 {
			return at
		}
	}
}
