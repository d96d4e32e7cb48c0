package leantls

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestSupported fails on a toolchain whose crypto/tls this package does not
// know. The program works there, at 5 KB more for an idle TLS connection:
// compare layout.go and dormant.go with that crypto/tls.
func TestSupported(t *testing.T) {
	if err := unsupported; err != nil {
		t.Fatal(err)
	}
}

// echo sends b from the client to the server and back.
func echo(t testing.TB, server, client net.Conn, b []byte) {
	t.Helper()
	pass(t, client, server, b)
	pass(t, server, client, b)
}

func pass(t testing.TB, from, to net.Conn, b []byte) {
	t.Helper()
	done := make(chan error, 1)
	go func() {
		_, err := from.Write(b)
		done <- err
	}()
	got := make([]byte, len(b))
	if _, err := io.ReadFull(to, got); err != nil {
		t.Fatal("read:", err)
	}
	if err := <-done; err != nil {
		t.Fatal("write:", err)
	}
	if !bytes.Equal(got, b) {
		t.Fatal("bytes changed on their way")
	}
}

func TestReleaseGivesBack(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			server, client := k.open(t)
			echo(t, server, client, []byte("request"))
			if got := Release(server); got < k.min {
				t.Errorf("released %d bytes, want at least %d", got, k.min)
			}
			if got := Release(server); got != 0 {
				t.Errorf("a second release gave %d bytes, want none", got)
			}
			echo(t, server, client, []byte("request"))
			if got := Release(server); got == 0 {
				t.Error("nothing to release after another request")
			}
		})
	}
}

// TestReleaseBetweenRequests releases both sides between requests of any size.
func TestReleaseBetweenRequests(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			server, client := k.open(t)
			rng := rand.New(rand.NewPCG(1, 2))
			b := make([]byte, 200<<10)
			for i := range b {
				b[i] = byte(rng.Uint32())
			}
			for i := range 1500 {
				n := 1 + rng.IntN(2000)
				if i%50 == 0 {
					n = 1 + rng.IntN(len(b)) // many records
				}
				echo(t, server, client, b[:n])
				Release(server)
				if i%3 == 0 {
					Release(client)
				}
			}
		})
	}
}

// TestReleaseKeepsWhatWaits has plaintext, and raw records, wait inside.
func TestReleaseKeepsWhatWaits(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			server, client := k.open(t)
			for _, s := range []string{"first", "second", "third"} {
				if _, err := io.WriteString(client, s); err != nil {
					t.Fatal(err)
				}
			}
			var got strings.Builder
			one := make([]byte, 1)
			for got.Len() < len("firstsecondthird") {
				if _, err := io.ReadFull(server, one); err != nil {
					t.Fatal(err)
				}
				got.Write(one)
				Release(server)
			}
			if got.String() != "firstsecondthird" {
				t.Errorf("read %q", got.String())
			}
			echo(t, client, server, []byte("and back"))
		})
	}
}

// TestReleaseInTheMiddleOfARecord interrupts a read that has half a record.
func TestReleaseInTheMiddleOfARecord(t *testing.T) {
	k := kinds[0]
	sc, cc := k.ends(t)
	s, raw := dial(t)
	hold := &cutter{Conn: raw, cut: -1}
	server, client := tls.Server(s, sc), tls.Client(hold, cc)
	done := make(chan error, 1)
	go func() { done <- server.Handshake() }()
	if err := errors.Join(client.Handshake(), <-done); err != nil {
		t.Fatal(err)
	}
	for cut := range 40 {
		hold.cut = cut
		if _, err := io.WriteString(client, "some request"); err != nil {
			t.Fatal(err)
		}
		server.SetReadDeadline(time.Unix(1, 0))
		b := make([]byte, 100)
		if n, err := server.Read(b); n > 0 || err == nil {
			t.Fatalf("cut %d: read %d bytes of half a record, error %v", cut, n, err)
		}
		server.SetReadDeadline(time.Now().Add(time.Minute))
		Release(server)
		if err := hold.flush(); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(server, b[:12]); err != nil || string(b[:12]) != "some request" {
			t.Fatalf("cut %d: read %q, %v", cut, b[:12], err)
		}
		Release(server)
	}
}

// cutter sends the first cut bytes of a write and keeps the rest for flush.
type cutter struct {
	net.Conn
	cut  int // -1: send all
	rest []byte
}

func (c *cutter) Write(b []byte) (int, error) {
	if c.cut < 0 {
		return c.Conn.Write(b)
	}
	cut := min(c.cut, len(b))
	c.rest = bytes.Clone(b[cut:])
	_, err := c.Conn.Write(b[:cut])
	return len(b), err
}

func (c *cutter) flush() error {
	_, err := c.Conn.Write(c.rest)
	c.rest = nil
	return err
}

// TestReleaseOfABusyConnection does nothing while somebody reads or has not
// yet shaken hands.
func TestReleaseOfABusyConnection(t *testing.T) {
	sc, cc := kinds[0].ends(t)
	s, c := dial(t)
	server, client := tls.Server(s, sc), tls.Client(c, cc)
	if got := Release(server); got != 0 {
		t.Errorf("released %d bytes before the handshake", got)
	}
	done := make(chan error, 1)
	go func() { done <- server.Handshake() }()
	if err := errors.Join(client.Handshake(), <-done); err != nil {
		t.Fatal(err)
	}
	echo(t, server, client, []byte("x"))
	v := view{reflect.ValueOf(server).UnsafePointer()}
	for name, mu := range map[string]*sync.Mutex{"read": v.in().mutex(), "write": v.out().mutex(), "state": v.handshakeMutex()} {
		mu.Lock()
		if got := Release(server); got != 0 {
			t.Errorf("%s under way: released %d bytes", name, got)
		}
		mu.Unlock()
	}
	if got := Release(server); got < kinds[0].min {
		t.Errorf("released %d bytes when nobody was there", got)
	}
	if Release(nil) != 0 {
		t.Error("released something of nothing")
	}
}

// TestReleaseHammer releases while both directions are busy: whatever is held
// is left alone, and the race detector sees nothing.
func TestReleaseHammer(t *testing.T) {
	server, client := kinds[0].open(t)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				Release(server)
				server.ConnectionState()
			}
		}
	})
	b := make([]byte, 5000)
	for range 500 {
		echo(t, server, client, b)
	}
	close(stop)
	wg.Wait()
}

func TestStateAfterRelease(t *testing.T) {
	for _, k := range kinds {
		server, client := k.open(t)
		echo(t, server, client, []byte("x"))
		before := server.ConnectionState()
		if _, err := before.ExportKeyingMaterial("label", nil, 8); err != nil {
			t.Errorf("%s: export before release: %v", k.name, err)
		}
		Release(server)
		after := server.ConnectionState()
		if _, err := after.ExportKeyingMaterial("label", nil, 8); !errors.Is(err, errForgotten) {
			t.Errorf("%s: export after release: %v", k.name, err)
		}
		if after.CipherSuite != before.CipherSuite || after.ServerName != before.ServerName || !after.HandshakeComplete {
			t.Errorf("%s: state changed: %+v", k.name, after)
		}
	}
}

// TestCloseAfterRelease says good-bye in a record that is authentic.
func TestCloseAfterRelease(t *testing.T) {
	for _, k := range kinds {
		server, client := k.open(t)
		echo(t, server, client, []byte("x"))
		Release(server)
		if err := server.Close(); err != nil {
			t.Errorf("%s: close: %v", k.name, err)
		}
		if n, err := client.Read(make([]byte, 1)); n != 0 || err != io.EOF {
			t.Errorf("%s: the client read %d, %v, want the end", k.name, n, err)
		}
	}
}

// TestForgedRecordAfterRelease: a dormant cipher wakes to refuse as ever.
func TestForgedRecordAfterRelease(t *testing.T) {
	server, client := kinds[0].open(t)
	echo(t, server, client, []byte("x"))
	Release(server)
	forged := append([]byte{23, 3, 3, 0, 40}, make([]byte, 40)...)
	if _, err := client.NetConn().Write(forged); err != nil {
		t.Fatal(err)
	}
	if _, err := server.Read(make([]byte, 1)); err == nil || !strings.Contains(err.Error(), "bad record MAC") {
		t.Errorf("read of a forged record: %v", err)
	}
}

// TestInspect refuses connections that are laid out otherwise.
func TestInspect(t *testing.T) {
	other := reflect.StructOf([]reflect.StructField{{Name: "isHandshakeComplete", PkgPath: "tls", Type: reflect.TypeFor[bool]()}})
	for typ, want := range map[reflect.Type]string{
		reflect.TypeFor[struct{}](): "has no field isHandshakeComplete",
		other:                       "is a bool, not a atomic.Bool",
	} {
		if _, err := inspect(typ); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("inspect %v: %v, want %q", typ, err, want)
		}
	}
}
