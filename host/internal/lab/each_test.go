package lab

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
)

func TestEach(t *testing.T) {
	for _, workers := range []int{0, 1, 3, 50} {
		var done [20]atomic.Int32
		var at, most atomic.Int32
		if err := Each(t.Context(), workers, len(done), func(_ context.Context, i int) error {
			for n, m := at.Add(1), most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			}
			done[i].Add(1)
			at.Add(-1)
			return nil
		}); err != nil {
			t.Error(err)
		}
		for i := range done {
			if n := done[i].Load(); n != 1 {
				t.Errorf("%d workers: %d was done %d times", workers, i, n)
			}
		}
		if n := int(most.Load()); n > max(workers, 1) {
			t.Errorf("%d at a time, want at most %d", n, workers)
		}
	}
}

func TestEachEndsWithTheFirstError(t *testing.T) {
	broken := errors.New("broken")
	var calls atomic.Int32
	err := Each(t.Context(), 2, 1000, func(ctx context.Context, i int) error {
		if calls.Add(1); i == 3 {
			return broken
		}
		if i > 3 {
			<-ctx.Done()
			return ctx.Err()
		}
		return nil
	})
	if !errors.Is(err, broken) || calls.Load() > 10 {
		t.Errorf("%v after %d calls, want %v", err, calls.Load(), broken)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Each(ctx, 2, 5, func(context.Context, int) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want that it was cancelled", err)
	}
}
