package control_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"idlehost/host/internal/api"
	"idlehost/host/internal/control"
)

// TestUploadsOverAllTenantsAreBounded: 32 at a time. One more waits for ten
// seconds, and is told to come again.
func TestUploadsOverAllTenantsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := control.NewLines()
		var releases []func()
		for n := range 32 {
			release, err := l.Enter(t.Context(), fmt.Sprint(n))
			if err != nil {
				t.Fatal(err)
			}
			releases = append(releases, release)
		}
		begun := time.Now()
		_, err := l.Enter(t.Context(), "one more")
		if p := wantKind(t, "one more", err, api.KindBusy); p.RetryAfter <= 0 {
			t.Error("it does not say when to try again")
		}
		if waited := time.Since(begun); waited != 10*time.Second {
			t.Errorf("waited %v", waited)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := l.Enter(ctx, "who gives up"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("who gives up: %v", err)
		}
		for _, release := range releases {
			release()
			release() // does no harm
		}
		if n := l.Open(); n != 0 {
			t.Errorf("%d are left", n)
		}
	})
}

// TestNewcomerIsSentBeforeThoseThatSendSlowly: 40 tenants send one upload after
// the other, for a minute each. Another's is let in as soon as one of theirs is
// over, whoever else waits.
func TestNewcomerIsSentBeforeThoseThatSendSlowly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := control.NewLines()
		ctx, stop := context.WithCancel(t.Context())
		var slow sync.WaitGroup
		const every = time.Minute / 32 // one of theirs ends
		for n := range 40 {
			slow.Go(func() {
				time.Sleep(time.Duration(n) * every)
				for ctx.Err() == nil {
					if release, err := l.Enter(ctx, fmt.Sprint("slow ", n)); err == nil {
						time.Sleep(time.Minute)
						release()
					}
				}
			})
		}
		time.Sleep(200*time.Second + time.Second/2)
		for range 5 {
			begun := time.Now()
			release, err := l.Enter(t.Context(), "quick")
			if err != nil {
				t.Fatal(err)
			}
			if waited := time.Since(begun); waited > every {
				t.Errorf("waited %v", waited)
			}
			release()
			time.Sleep(time.Second)
		}
		stop()
		slow.Wait()
	})
}
