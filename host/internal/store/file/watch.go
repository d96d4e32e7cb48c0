package file

import "sync"

// watches are those who want to know of changes.
type watches struct {
	mu     sync.Mutex
	all    map[*watch]bool
	closed bool
}

// watch calls one function on one goroutine, which end waits for.
type watch struct {
	f    func(name string)
	wake chan struct{} // of one element
	quit chan struct{}
	done chan struct{}
	once sync.Once

	mu sync.Mutex
	// names wait to be told, each once, in the order of their first change.
	names []string
	waits map[string]bool
}

// Watch implements store.Store.
func (s *Store) Watch(f func(name string)) (stop func()) {
	w := &watch{f: f, wake: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{}),
		waits: map[string]bool{}}
	if !s.watches.add(w) {
		return func() {}
	}
	return func() {
		w.end()
		s.watches.remove(w) // until then a store that closes finds it, and waits for it
	}
}

// add starts a watch unless the store is closed.
func (a *watches) add(w *watch) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return false
	}
	if a.all == nil {
		a.all = map[*watch]bool{}
	}
	a.all[w] = true
	go w.run()
	return true
}

func (a *watches) remove(w *watch) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.all, w)
}

// tell has every watch report tenants. It does not wait for them.
func (a *watches) tell(names []string) {
	if len(names) == 0 {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for w := range a.all {
		w.add(names)
	}
}

// close ends all watches.
func (a *watches) close() {
	a.mu.Lock()
	a.closed = true
	all := a.all
	a.all = nil
	a.mu.Unlock()
	for w := range all {
		w.end()
	}
}

func (w *watch) add(names []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, name := range names {
		if !w.waits[name] {
			w.waits[name] = true
			w.names = append(w.names, name)
		}
	}
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// take returns the names that wait.
func (w *watch) take() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	names := w.names
	w.names = nil
	clear(w.waits)
	return names
}

func (w *watch) run() {
	defer close(w.done)
	for {
		select {
		case <-w.wake:
		case <-w.quit:
			return
		}
		for _, name := range w.take() {
			select {
			case <-w.quit:
				return
			default:
			}
			w.f(name)
		}
	}
}

// end stops the goroutine and waits for it.
func (w *watch) end() {
	w.once.Do(func() { close(w.quit) })
	<-w.done
}
