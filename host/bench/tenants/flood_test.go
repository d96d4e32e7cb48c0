package tenants

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"idlehost/host/internal/sandbox/wasmtest"
	"idlehost/sdk/abi"
)

// What a tenant can do with what is told about it, while its policy is asked
// about each of its idle connections all the time.
const (
	asking   = "asking"   // nothing else
	mute     = "mute"     // open streams of decisions, and read nothing
	drip     = "drip"     // read them a byte at a time
	greedy   = "greedy"   // read them as fast as they come
	listing  = "listing"  // list connections, with filters that nothing fits
	pages    = "pages"    // list connections, in the longest pages
	auditing = "auditing" // list the audit log, in the longest pages
	fetching = "fetching" // download a recording, several times at once
	logging  = "logging"  // have a line of the log for each decision
)

var floods = []string{asking, mute, drip, greedy, listing, pages, auditing, fetching, logging}

// floodConns is how many connections of the tenant are idle.
const floodConns = 1000

// restless is a policy that wants to be asked again in ten milliseconds, and
// has the log told if flags say so.
func restless(flags uint8) []byte {
	v := int64(abi.Verdict(abi.ActionExtend, 10, flags, 0))
	return pad(wasmtest.Guest(wasmtest.Returns("on_accept", v), wasmtest.Returns("on_timeout", v)).Bytes())
}

// flood is an attacker with idle connections.
type flood struct {
	*assault
	proxy string

	mu sync.Mutex // guards answers
}

// run attacks until ctx is done.
func (f *flood) run(ctx context.Context, kind string) {
	var all sync.WaitGroup
	defer all.Wait()
	for range floodConns {
		nc, err := f.idle()
		if err != nil {
			f.broken = err
			return
		}
		defer nc.Close()
	}
	base := "/v1/tenants/" + f.tenant + "/"
	path, n, read := base+"decisions", 100, 0
	switch kind {
	case asking, logging:
		n = 0
	case drip:
		read = 1
	case greedy:
		read = 64 << 10
	case listing:
		path, n, read = base+"connections?limit=1000&min_idle=1h", 16, 64<<10
	case pages:
		path, n, read = base+"connections?limit=1000", 16, 64<<10
	case auditing:
		path, n, read = base+"audit?limit=1000", 16, 64<<10
	case fetching:
		path, n, read = base+"recording/file", 16, 64<<10
	}
	for range n {
		all.Go(func() { f.loop(ctx, path, read) })
	}
	<-ctx.Done()
}

// idle opens a connection that has had one request.
func (f *flood) idle() (net.Conn, error) {
	nc, err := net.Dial("tcp", f.proxy)
	if err != nil {
		return nil, err
	}
	if _, err = fmt.Fprintf(nc, "GET / HTTP/1.1\r\nHost: %s.example\r\n\r\n", f.tenant); err == nil {
		_, err = nc.Read(make([]byte, 4<<10))
	}
	return nc, err
}

// loop asks for a path again and again, and reads so many bytes at a time; 0:
// none.
func (f *flood) loop(ctx context.Context, path string, read int) {
	for ctx.Err() == nil {
		pause := assaultEvery
		if status := f.get(ctx, path, read); status == http.StatusTooManyRequests {
			pause = refusedEvery
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

func (f *flood) get(ctx context.Context, path string, read int) (status int) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, f.server+path, nil)
	if err != nil {
		return 0
	}
	r.Header.Set("Authorization", "Bearer "+f.token)
	res, err := f.http.Do(r)
	if err != nil {
		return 0
	}
	defer res.Body.Close()
	f.mu.Lock()
	f.answers[res.StatusCode]++
	f.mu.Unlock()
	if read == 0 && res.StatusCode == http.StatusOK {
		<-ctx.Done()
		return res.StatusCode
	}
	for b := make([]byte, max(read, 512)); ; {
		if read == 1 && res.StatusCode == http.StatusOK {
			b = b[:1]
			select {
			case <-ctx.Done():
			case <-time.After(10 * time.Millisecond):
			}
		}
		if _, err := res.Body.Read(b); err != nil {
			if err != io.EOF {
				return 0
			}
			return res.StatusCode
		}
	}
}
