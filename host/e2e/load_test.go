package e2e

import (
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// load is a number of clients that send requests until they are stopped, each
// over a keep-alive connection of its own.
type load struct {
	stop chan struct{}
	wg   sync.WaitGroup
	good atomic.Int64

	mu     sync.Mutex // guards the following
	failed []error
}

// startLoad starts the clients; pause says how long one waits after request n.
func startLoad(url string, clients int, pause func(n int) time.Duration) *load {
	l := &load{stop: make(chan struct{})}
	for range clients {
		l.wg.Go(func() { l.client(url, pause) })
	}
	return l
}

func (l *load) client(url string, pause func(int) time.Duration) {
	transport := &http.Transport{MaxIdleConnsPerHost: 1}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	for n := 0; ; n++ {
		if err := get(client, url); err != nil {
			l.mu.Lock()
			l.failed = append(l.failed, err)
			l.mu.Unlock()
		} else {
			l.good.Add(1)
		}
		wait := time.NewTimer(pause(n))
		select {
		case <-wait.C:
		case <-l.stop:
			wait.Stop()
			return
		}
	}
}

func get(client *http.Client, url string) error {
	resp, err := client.Get(url)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", resp.Status, text)
	}
	return nil
}

// end stops the clients and fails the test if a request failed.
func (l *load) end(t *testing.T) {
	t.Helper()
	close(l.stop)
	l.wg.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.failed) > 0 || l.good.Load() == 0 {
		t.Errorf("%d of %d requests failed; the first: %v", len(l.failed), int64(len(l.failed))+l.good.Load(), first(l.failed))
	}
}

func first(errs []error) error {
	if len(errs) == 0 {
		return nil
	}
	return errs[0]
}
