package client

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"idlehost/host/internal/api"
)

// busy answers the first n requests with a status and a Retry-After field, and
// notes when it was asked.
func busy(t *testing.T, n, status int, after string, at *[]time.Duration) *Client {
	start := time.Now()
	return fake(t, func(r *http.Request) (*http.Response, error) {
		*at = append(*at, time.Since(start))
		if len(*at) > n {
			return reply(r, 200, jsonType, "{}"), nil
		}
		res := reply(r, status, api.ProblemType, `{"type":"urn:idlehost:problem:busy","title":"busy"}`)
		if after != "" {
			res.Header.Set("Retry-After", after)
		}
		return res, nil
	})
}

func inBubble(t *testing.T, name string, f func(*testing.T)) {
	t.Run(name, func(t *testing.T) { synctest.Test(t, f) })
}

func TestRetriesWhenTheServerSays(t *testing.T) {
	for _, status := range []int{429, 503} {
		inBubble(t, http.StatusText(status), func(t *testing.T) {
			var at []time.Duration
			c := busy(t, 2, status, "3", &at)
			if _, err := c.Whoami(t.Context()); err != nil {
				t.Error(err)
			}
			if len(at) != 3 || at[1] != 3*time.Second || at[2] != 6*time.Second {
				t.Errorf("asked at %v", at)
			}
		})
	}
	inBubble(t, "date", func(t *testing.T) {
		var at []time.Duration
		c := busy(t, 1, 503, time.Now().Add(5*time.Second).UTC().Format(http.TimeFormat), &at)
		if _, err := c.Whoami(t.Context()); err != nil || len(at) != 2 || at[1] != 5*time.Second {
			t.Errorf("asked at %v, %v", at, err)
		}
	})
	inBubble(t, "upload", func(t *testing.T) {
		var at []time.Duration
		var sent int
		c := busy(t, 1, 503, "1", &at)
		if _, _, err := c.Upload(t.Context(), "a", api.Upload{Wasm: []byte("abc")}, func(n int) { sent = n }); err != nil || len(at) != 2 {
			t.Errorf("asked at %v, %v, sent %d", at, err, sent)
		}
	})
}

func TestRetriesAreBounded(t *testing.T) {
	for _, tt := range []struct {
		name   string
		status int
		after  string
		call   func(context.Context, *Client) error
		times  int
	}{
		{"four times", 503, "1", whoami, maxAttempts},
		{"no Retry-After", 503, "", whoami, 1},
		{"nonsense", 503, "soon", whoami, 1},
		{"negative", 503, "-1", whoami, 1},
		{"huge", 503, "99999999999999999999", whoami, 1},
		{"too long", 429, "31", whoami, 1},
		{"another status", 500, "1", whoami, 1},
		{"a token would be made twice", 503, "1", func(ctx context.Context, c *Client) error {
			_, err := c.CreateToken(ctx, "a", api.NewToken{Name: "x"})
			return err
		}, 1},
		{"it might go back twice", 503, "1", func(ctx context.Context, c *Client) error {
			_, err := c.Step(ctx, "a", api.Step{Kind: api.StepRollback}, api.Precondition{})
			return err
		}, 1},
		{"with a digest it cannot", 503, "1", func(ctx context.Context, c *Client) error {
			_, err := c.Step(ctx, "a", api.Step{Kind: api.StepRollback, Digest: "0123abcd"}, api.Precondition{})
			return err
		}, maxAttempts},
		{"no more than the context allows", 503, "2", func(ctx context.Context, c *Client) error {
			ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
			defer cancel()
			return whoami(ctx, c)
		}, 3},
		{"no more than a minute in all", 503, "29", whoami, 3},
	} {
		inBubble(t, tt.name, func(t *testing.T) {
			var at []time.Duration
			err := tt.call(t.Context(), busy(t, 100, tt.status, tt.after, &at))
			var p *api.Problem
			if !errors.As(err, &p) || p.Status != tt.status || Kind(err) != api.KindBusy {
				t.Errorf("%v", err)
			}
			if len(at) != tt.times {
				t.Errorf("asked %d times, want %d", len(at), tt.times)
			}
		})
	}
}

func whoami(ctx context.Context, c *Client) error {
	_, err := c.Whoami(ctx)
	return err
}

// TestRestEndsWithTheContext: d-1ns and d.
func TestRestEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at []time.Duration
		ctx, cancel := context.WithCancelCause(t.Context())
		stop := errors.New("enough")
		time.AfterFunc(10*time.Second-1, func() { cancel(stop) })
		start := time.Now()
		if err := whoami(ctx, busy(t, 9, 503, "10", &at)); Kind(err) != api.KindBusy || time.Since(start) != 10*time.Second-1 {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		if len(at) != 1 {
			t.Errorf("asked at %v", at)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		var at []time.Duration
		c := busy(t, 1, 503, "10", &at)
		done := make(chan error, 1)
		go func() { done <- whoami(t.Context(), c) }()
		time.Sleep(10*time.Second - 1)
		synctest.Wait()
		select {
		case err := <-done:
			t.Errorf("asked again too early: %v", err)
		default:
		}
		time.Sleep(1)
		if err := <-done; err != nil || len(at) != 2 {
			t.Errorf("%v, asked at %v", err, at)
		}
	})
}

func TestASilentServerIsNotWaitedForForever(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := fake(t, func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})
		start := time.Now()
		err := whoami(t.Context(), c)
		if err == nil || time.Since(start) != callWait || err.Error() != "no answer from http://127.0.0.1:9900 within 1m0s" {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}
