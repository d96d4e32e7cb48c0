package proxy_test

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"idlehost/host/longtest"
)

// TestSoak sends requests with random content after random pauses around the
// park delay, on connections that never retry: none may be lost, no byte be
// elsewhere.
func TestSoak(t *testing.T) {
	requests := longtest.Count(t, 3000, 1_000_000, "requests, half of them over TLS")
	run(t, func(t *testing.T, m mode) {
		const clients = 60
		r := start(t, setup{mode: m, park: parkDelay, server: http.HandlerFunc(mirror)})
		var left, parks atomic.Int64
		left.Store(int64(requests / 2))
		var wg sync.WaitGroup
		for i := range clients {
			c := (&lot{rig: r, mode: m}).talk()
			c.nc.SetDeadline(time.Time{})
			wg.Go(func() {
				s := soaker{talker: c, rng: rand.New(rand.NewPCG(uint64(i), 1)), name: i}
				for left.Load() > 0 && !t.Failed() {
					left.Add(-int64(s.round()))
					if r.gov.Parked() > 0 {
						parks.Add(1)
					}
				}
			})
		}
		wg.Wait()
		if parks.Load() == 0 && !t.Failed() {
			t.Error("nothing was ever parked")
		}
	}, h1, h1s)
}

// parkDelay is in the middle of the soak's pauses.
const parkDelay = 4 * time.Millisecond

// mirror answers with the request's content.
func mirror(w http.ResponseWriter, r *http.Request) {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("X-Id", r.Header.Get("X-Id"))
	w.Header().Set("X-Sum", strconv.FormatUint(uint64(crc32.ChecksumIEEE(b)), 16))
	w.Write(b)
}

// soaker is one connection's client.
type soaker struct {
	*talker
	rng  *rand.Rand
	name int
	next int
}

// asked is a request that waits for its answer.
type asked struct {
	id      string
	content []byte
}

// round sends one to four requests, whole or in pieces, and reads the answers.
// It returns how many.
func (s *soaker) round() int {
	var wire bytes.Buffer
	var waiting []asked
	n := 1
	if s.rng.IntN(4) == 0 {
		n = 1 + s.rng.IntN(4)
	}
	for range n {
		waiting = append(waiting, s.write(&wire))
	}
	s.rest()
	for b := wire.Bytes(); len(b) > 0; {
		k := len(b)
		if s.rng.IntN(8) == 0 {
			k = 1 + s.rng.IntN(min(k, 200))
		}
		if _, err := s.nc.Write(b[:k]); err != nil {
			s.t.Errorf("client %d: request %s: %v", s.name, waiting[0].id, err)
			return n
		}
		if b = b[k:]; len(b) > 0 && s.rng.IntN(4) == 0 {
			s.rest()
		}
	}
	for _, a := range waiting {
		if err := s.check(a); err != nil {
			s.t.Errorf("client %d: request %s of %d pipelined: %v", s.name, a.id, n, err)
			return n
		}
	}
	return n
}

// write appends a request, sometimes with the empty line that old clients send
// after a POST's content.
func (s *soaker) write(w *bytes.Buffer) asked {
	s.next++
	a := asked{id: fmt.Sprintf("%d-%d", s.name, s.next), content: make([]byte, s.size())}
	for i := range a.content {
		a.content[i] = byte(s.rng.Uint32())
	}
	if len(a.content) == 0 {
		fmt.Fprintf(w, "GET /%s HTTP/1.1\r\nHost: x\r\nX-Id: %s\r\n\r\n", a.id, a.id)
		return a
	}
	fmt.Fprintf(w, "POST /%s HTTP/1.1\r\nHost: x\r\nX-Id: %s\r\n", a.id, a.id)
	if s.rng.IntN(2) == 0 {
		fmt.Fprintf(w, "Content-Length: %d\r\n\r\n%s", len(a.content), a.content)
	} else {
		fmt.Fprintf(w, "Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(a.content), a.content)
	}
	if s.rng.IntN(8) == 0 {
		w.WriteString("\r\n")
	}
	return a
}

// size is small in most cases, and sometimes larger than any buffer.
func (s *soaker) size() int {
	switch s.rng.IntN(40) {
	case 0:
		return s.rng.IntN(64 << 10)
	case 1, 2, 3, 4:
		return s.rng.IntN(8 << 10)
	}
	return max(s.rng.IntN(300)-100, 0)
}

// rest pauses for a random time around the park delay, or not at all.
func (s *soaker) rest() {
	if s.rng.IntN(3) > 0 {
		<-time.After(time.Duration(s.rng.Int64N(int64(3 * parkDelay))))
	}
}

func (s *soaker) check(a asked) error {
	res, err := http.ReadResponse(s.br, nil)
	if err != nil {
		return err
	}
	b, err := io.ReadAll(res.Body)
	res.Body.Close()
	switch {
	case err != nil:
		return err
	case res.StatusCode != 200 || res.Header.Get("X-Id") != a.id:
		return fmt.Errorf("answered %s for request %q", res.Status, res.Header.Get("X-Id"))
	case !bytes.Equal(b, a.content):
		return fmt.Errorf("%d bytes of content came back as %d others", len(a.content), len(b))
	case res.Header.Get("X-Sum") != strconv.FormatUint(uint64(crc32.ChecksumIEEE(a.content)), 16):
		return fmt.Errorf("the server has seen other content, of sum %s", res.Header.Get("X-Sum"))
	}
	return nil
}
