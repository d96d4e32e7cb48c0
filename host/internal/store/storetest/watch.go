package storetest

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"idlehost/host/internal/store"
)

// patience bounds how long a test waits for what must come.
const patience = 30 * time.Second

// witness collects what a watch reports.
type witness struct {
	mu    sync.Mutex
	names map[string]int
	news  chan struct{} // of one element
}

func newWitness() *witness { return &witness{names: map[string]int{}, news: make(chan struct{}, 1)} }

func (w *witness) see(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.names[name]++
	select {
	case w.news <- struct{}{}:
	default:
	}
}

// await waits until all names have been seen, and forgets what has been.
func (w *witness) await(t *testing.T, names ...string) {
	t.Helper()
	timeout := time.After(patience)
	for {
		w.mu.Lock()
		missing := ""
		for _, n := range names {
			if w.names[n] == 0 {
				missing = n
			}
		}
		if missing == "" {
			clear(w.names)
			w.mu.Unlock()
			return
		}
		w.mu.Unlock()
		select {
		case <-w.news:
		case <-timeout:
			t.Fatalf("a change of %q was not reported", missing)
		}
	}
}

func testWatch(t *testing.T, s store.Store) {
	create(t, s, "before")
	w := newWitness()
	stop := s.Watch(w.see)
	defer stop()
	create(t, s, "a")
	w.await(t, "a")
	change(t, s, "a")
	w.await(t, "a")
	remove(t, s, "a")
	w.await(t, "a")
	create(t, s, "a")
	create(t, s, "b")
	change(t, s, "before")
	w.await(t, "a", "b", "before")
}

// testWatchQuiet: what is no change of a tenant, or was before, or failed, is
// not reported.
func testWatchQuiet(t *testing.T, s store.Store) {
	create(t, s, "old")
	w := newWitness()
	defer s.Watch(w.see)()
	_ = s.Create(t.Context(), &store.Tenant{Name: "old"}, entry("old", "x"))
	_, _ = s.Update(t.Context(), "old", func(*store.Tenant) (store.Entry, error) { return store.Entry{}, store.ErrExists })
	_ = s.Delete(t.Context(), "old", func(*store.Tenant) (store.Entry, error) { return store.Entry{}, store.ErrExists })
	upload(t, s, 1)
	must(t, s.PutToken(t.Context(), &store.Token{ID: "t", Tenant: "old"}, entry("old", "x")))
	must(t, s.Note(t.Context(), entry("old", "x")))
	create(t, s, "new")
	timeout := time.After(patience)
	select {
	case <-w.news:
	case <-timeout:
		t.Fatal("nothing was reported")
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.names["old"] != 0 {
		t.Errorf("reported: %v, want new only", w.names)
	}
}

// testWatchOneAtATime: f is never in two calls, and sees what it is told of.
func testWatchOneAtATime(t *testing.T, s store.Store) {
	var inside atomic.Int32
	w := newWitness()
	defer s.Watch(func(name string) {
		if inside.Add(1) != 1 {
			t.Error("f is in two calls")
		}
		if _, err := s.Tenant(t.Context(), name); err != nil {
			t.Errorf("told of %q, but: %v", name, err)
		}
		inside.Add(-1)
		w.see(name)
	})()
	names := []string{}
	var wg sync.WaitGroup
	for i := range 20 {
		name := fmt.Sprintf("t%d", i)
		names = append(names, name)
		wg.Go(func() {
			create(t, s, name)
			change(t, s, name)
		})
	}
	wg.Wait()
	w.await(t, names...)
}

// testWatchSlow: nobody waits for f, and it learns of everything.
func testWatchSlow(t *testing.T, s store.Store) {
	w := newWitness()
	entered, hold := make(chan struct{}, 1000), make(chan struct{})
	defer s.Watch(func(name string) {
		entered <- struct{}{}
		<-hold
		w.see(name)
	})()
	other := newWitness()
	defer s.Watch(other.see)()
	create(t, s, "a")
	<-entered
	for range 10 {
		change(t, s, "a")
	}
	create(t, s, "b")
	other.await(t, "a", "b")
	w.mu.Lock()
	clear(w.names)
	w.mu.Unlock()
	close(hold)
	w.await(t, "a", "b")
}

func testWatchStop(t *testing.T, s store.Store) {
	var ended atomic.Bool
	entered := make(chan struct{}, 1)
	hold := make(chan struct{})
	var once sync.Once
	stop := s.Watch(func(string) {
		once.Do(func() { entered <- struct{}{}; <-hold })
		if ended.Load() {
			t.Error("f is called after stop has returned")
		}
	})
	create(t, s, "a")
	<-entered
	stopped := make(chan struct{})
	go func() {
		stop()
		ended.Store(true)
		close(stopped)
	}()
	create(t, s, "b")
	close(hold)
	<-stopped
	create(t, s, "c")
	stop() // once more does no harm
	w := newWitness()
	defer s.Watch(w.see)()
	change(t, s, "a")
	w.await(t, "a")
}

// testWatchCalls: f may use the store.
func testWatchCalls(t *testing.T, s store.Store) {
	w := newWitness()
	defer s.Watch(func(name string) {
		if name == "a" {
			create(t, s, "made-by-f")
		}
		w.see(name)
	})()
	create(t, s, "a")
	w.await(t, "a", "made-by-f")
}
