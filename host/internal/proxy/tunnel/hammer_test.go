package tunnel

import (
	"bytes"
	"crypto/sha256"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"idlehost/host/longtest"
)

// stream writes size random bytes of a seed in random pieces, with pauses
// around the time after which a connection is parked.
func stream(c net.Conn, seed uint64, size int, paused func()) (sum [32]byte, err error) {
	h := sha256.New()
	src := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	r := rand.New(rand.NewPCG(seed, 1))
	buf := make([]byte, 200<<10)
	for size > 0 {
		n := 1 + r.IntN(100)
		if r.IntN(20) == 0 {
			n = 1 + r.IntN(len(buf))
		}
		n = min(n, size)
		src.Read(buf[:n])
		h.Write(buf[:n])
		if _, err := c.Write(buf[:n]); err != nil {
			return sum, err
		}
		size -= n
		if r.IntN(3) == 0 {
			<-time.After(time.Duration(r.IntN(6000)) * time.Microsecond)
			paused()
		}
	}
	return [32]byte(h.Sum(nil)), c.(interface{ CloseWrite() error }).CloseWrite()
}

// TestHammer sends checksummed streams both ways at once, so that parks, wakes
// and bytes cross in every way.
func TestHammer(t *testing.T) {
	size := longtest.Count(t, 2<<20, 32<<20, "bytes in each direction")
	r := newRig(t, soon, law(0))
	// What stays is the Governor's, and the certificate is made once.
	client, server := r.open(kinds[3])
	say(t, client, server, "first")
	r.quiet(2)
	before := descriptors()
	var slept atomic.Int64
	paused := func() {
		if r.gov.Parked() > 2 {
			slept.Add(1)
		}
	}
	t.Run("tunnels", func(t *testing.T) {
		var all sync.WaitGroup
		defer all.Wait()
		for i := range 16 {
			client, server := r.open(kinds[i%len(kinds)])
			all.Go(func() { exchange(t, client, server, uint64(i), size, paused) })
		}
	})
	if slept.Load() == 0 {
		t.Error("no tunnel slept")
	}
	t.Logf("found tunnels asleep after %d pauses", slept.Load())
	eventually(t, "both sides closed", func() bool { return r.gov.Open() == 2 })
	r.quiet(2)
	// Splices leave pipes in a pool, which the collector empties.
	eventually(t, "no descriptor is left", func() bool { runtime.GC(); return descriptors() <= before })
	say(t, client, server, "last")
}

// exchange streams both ways until both ends have said all.
func exchange(t *testing.T, client, server net.Conn, seed uint64, size int, paused func()) {
	type half struct{ from, to net.Conn }
	var both sync.WaitGroup
	for i, h := range []half{{client, server}, {server, client}} {
		sent := make(chan [32]byte, 1)
		both.Go(func() {
			sum, err := stream(h.from, seed*2+uint64(i), size, paused)
			if err != nil {
				t.Errorf("tunnel %d: write: %v", seed, err)
			}
			sent <- sum
		})
		both.Go(func() {
			sum := sha256.New()
			n, err := io.Copy(sum, h.to)
			want := <-sent
			if err != nil || int(n) != size || !bytes.Equal(sum.Sum(nil), want[:]) {
				t.Errorf("tunnel %d: %d bytes of %d, or others: %v", seed, n, size, err)
			}
		})
	}
	both.Wait()
	client.Close()
	server.Close()
}
