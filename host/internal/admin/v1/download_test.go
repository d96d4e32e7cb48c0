package v1_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"idlehost/host/internal/admin/v1"
	"idlehost/host/internal/api"
)

// houseWithRecording has a recording of zeros.
type houseWithRecording struct {
	*house
	size int64
}

func (v houseWithRecording) RecordingFile(context.Context, string) (*api.RecordingFile, error) {
	return &api.RecordingFile{ReadCloser: io.NopCloser(zeros{}), Name: "a.trace", Size: v.size}, nil
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// downloader takes an answer, and takes its time for each write.
type downloader struct {
	header http.Header
	pause  time.Duration
	done   chan struct{}

	mu       sync.Mutex // guards the following fields
	status   int
	got      int64
	deadline time.Time
	longest  time.Duration // that a write was given
}

func (d *downloader) Header() http.Header { return d.header }

func (d *downloader) WriteHeader(status int) { d.mu.Lock(); d.status = status; d.mu.Unlock() }

func (d *downloader) SetWriteDeadline(t time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.deadline, d.longest = t, max(d.longest, time.Until(t))
	return nil
}

func (d *downloader) Write(p []byte) (int, error) {
	d.mu.Lock()
	left := time.Until(d.deadline)
	d.mu.Unlock()
	if time.Sleep(min(d.pause, left)); d.pause > left {
		return 0, errors.New("i/o timeout")
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.got += int64(len(p))
	return len(p), nil
}

// download begins to download a tenant's recording.
func download(h *v1.Handler, who api.Actor, pause time.Duration) *downloader {
	d := &downloader{header: http.Header{}, pause: pause, done: make(chan struct{})}
	serve := h.Serve(v1.Access{Authenticate: func(*http.Request) (api.Actor, error) { return who, nil }})
	go func() {
		defer close(d.done)
		serve.ServeHTTP(d, httptest.NewRequest("GET", "/v1/tenants/shop/recording/file", nil))
	}()
	return d
}

// TestDownloadsArePaced: a caller's downloads together have 32 MiB a second, and
// another's do not wait for them.
func TestDownloadsArePaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := houseWithRecording{newHouse(), 48 << 20}
		h := v1.New(v1.Config{Service: v, Recordings: v, Rate: -1})
		begin := time.Now()
		one, two := download(h, api.Actor{Tenant: "shop"}, 0), download(h, api.Actor{Tenant: "shop"}, 0)
		boss := download(h, api.Actor{Operator: true, Name: "boss"}, 0)
		<-boss.done
		if took := time.Since(begin); took < 499*time.Millisecond || took > 501*time.Millisecond {
			t.Errorf("48 MiB took %s, want half a second behind the 32 that come at once", took)
		}
		<-one.done
		<-two.done
		if took := time.Since(begin); took < 1999*time.Millisecond || took > 2001*time.Millisecond {
			t.Errorf("twice 48 MiB took %s, want 2s", took)
		}
		for _, d := range []*downloader{one, two, boss} {
			if d.status != 200 || d.got != v.size {
				t.Errorf("status %d, %d bytes", d.status, d.got)
			}
		}
	})
}

// TestDownloadsHaveRollingDeadlines: a reader that is slow has time for each
// piece, and one that takes nothing is given up soon, whatever the size.
func TestDownloadsHaveRollingDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := houseWithRecording{newHouse(), 1 << 20}
		h := v1.New(v1.Config{Service: v, Recordings: v, Rate: -1})
		begin := time.Now()
		slow := download(h, api.Actor{Tenant: "shop"}, time.Second/4) // for each 32 KiB
		if <-slow.done; slow.got != v.size {
			t.Errorf("a slow reader got %d bytes in %s", slow.got, time.Since(begin))
		}
		v.size = 1 << 30
		h = v1.New(v1.Config{Service: v, Recordings: v, Rate: -1})
		begin = time.Now()
		stuck := download(h, api.Actor{Tenant: "shop"}, time.Hour)
		if <-stuck.done; time.Since(begin) != 14*time.Second || stuck.longest != 14*time.Second {
			t.Errorf("a reader that takes nothing was given up after %s, and had up to %s", time.Since(begin), stuck.longest)
		}
	})
}

// TestDownloadsAreCounted: four of a tenant at a time, and others' apart.
func TestDownloadsAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := houseWithRecording{newHouse(), 1 << 30}
		h := v1.New(v1.Config{Service: v, Recordings: v, Rate: -1})
		var all []*downloader
		for range 4 {
			all = append(all, download(h, api.Actor{Tenant: "shop"}, 20*time.Second))
		}
		synctest.Wait()
		fifth := download(h, api.Actor{Tenant: "shop"}, 0)
		if <-fifth.done; fifth.status != 429 || fifth.header.Get("Retry-After") != "15" {
			t.Errorf("a fifth download: %d, Retry-After %q", fifth.status, fifth.header.Get("Retry-After"))
		}
		boss := download(h, api.Actor{Operator: true, Name: "boss"}, 20*time.Second)
		for _, d := range append(all, boss) {
			if <-d.done; d.status != 200 {
				t.Errorf("status %d", d.status)
			}
		}
		again := download(h, api.Actor{Tenant: "shop"}, 20*time.Second)
		if <-again.done; again.status != 200 {
			t.Errorf("after they have ended: %d", again.status)
		}
	})
}

// TestModulesArePaidFor: whoever has downloaded all that it may is told when to
// come back, whether it took the bytes or not.
func TestModulesArePaidFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		house := newHouse()
		p, _, err := house.Upload(t.Context(), api.Actor{Tenant: "shop"}, "shop", api.Upload{Wasm: module})
		if err != nil {
			t.Fatal(err)
		}
		h := v1.New(v1.Config{Service: house, Rate: -1})
		serve := h.Serve(v1.Access{Authenticate: func(*http.Request) (api.Actor, error) { return api.Actor{Tenant: "shop"}, nil }})
		ask := func() *httptest.ResponseRecorder {
			rec := httptest.NewRecorder()
			serve.ServeHTTP(rec, httptest.NewRequest("HEAD", "/v1/tenants/shop/policies/"+p.Digest+"/module", nil))
			return rec
		}
		for i := range 128 { // each counts as a piece
			if rec := ask(); rec.Code != 200 {
				t.Fatalf("download %d: %d %s", i, rec.Code, rec.Body)
			}
		}
		if rec := ask(); rec.Code != 429 || rec.Header().Get("Retry-After") != "1" {
			t.Errorf("beyond the rate: %d, Retry-After %q", rec.Code, rec.Header().Get("Retry-After"))
		}
		if rec := ask(); rec.Code != 200 { // the refusal has taken as long as some pieces
			t.Errorf("after its time: %d", rec.Code)
		}
	})
}
