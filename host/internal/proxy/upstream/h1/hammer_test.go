package h1

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"time"

	"idlehost/host/internal/idle"
)

// hammer makes requests of every kind until stop. What may fail, is lost by
// the host's decision or the test's own.
func (s *stand) hammer(seed int, stop time.Time) {
	r := rand.New(rand.NewPCG(1, uint64(seed)))
	for time.Now().Before(stop) {
		ctx, cancel := context.WithCancel(context.Background())
		content := ""
		if r.IntN(3) == 0 {
			content = "content"
		}
		u := &user{}
		req := request(ctx, "POST", content)
		kind := r.IntN(4)
		if kind == 0 {
			time.AfterFunc(time.Duration(r.IntN(300))*time.Microsecond, cancel)
		}
		res, err := s.client.RoundTrip(&u.Call, req, u, r.IntN(10) == 0)
		switch {
		case err == nil && kind == 1:
			res.Body.Close()
		case err == nil:
			var b []byte
			if b, err = io.ReadAll(res.Body); err == nil && string(b) != "hello" {
				s.t.Errorf("answer %q", b)
			}
			res.Body.Close()
		}
		if err != nil && !s.expected(ctx, err) {
			s.t.Errorf("kind %d: %v", kind, err)
		}
		cancel()
		spin(time.Duration(r.IntN(2000)) * time.Microsecond)
	}
}

func (s *stand) expected(ctx context.Context, err error) bool {
	var u *MissingAnswerError
	return ctx.Err() != nil || errors.Is(err, idle.ErrEnded) || errors.Is(err, os.ErrDeadlineExceeded) ||
		errors.Is(err, net.ErrClosed) && errors.As(err, &u)
}
