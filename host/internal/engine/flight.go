package engine

import (
	"context"
	"sync"
)

// flights has equal bytes compiled one after the other: the first finds them
// nowhere, the others find its code. Other bytes do not wait for them.
type flights struct {
	mu sync.Mutex // guards the following field
	// flying holds a channel for each digest that is being compiled. It is
	// closed at the end.
	flying map[string]chan struct{}
}

func newFlights() flights { return flights{flying: make(map[string]chan struct{})} }

// enter waits until nobody compiles the bytes of digest. Without an error,
// leave is due.
func (f *flights) enter(ctx context.Context, digest string) error {
	for {
		other := f.take(digest)
		if other == nil {
			return nil
		}
		select {
		case <-other:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// take returns nil where digest was free, or else what the other will close.
func (f *flights) take(digest string) <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	if other, ok := f.flying[digest]; ok {
		return other
	}
	f.flying[digest] = make(chan struct{})
	return nil
}

func (f *flights) leave(digest string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	close(f.flying[digest])
	delete(f.flying, digest)
}
