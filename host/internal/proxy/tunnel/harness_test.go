package tunnel

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"idlehost/host/internal/idle"
	"idlehost/host/internal/policy"
	"idlehost/host/internal/testnet"
	"idlehost/sdk/abi"
)

// kind is what lies above the connections of a tunnel.
type kind struct {
	name                string
	secureDown, isSecUp bool
}

var kinds = []kind{{"clear", false, false}, {"tls-down", true, false}, {"tls-up", false, true}, {"tls-both", true, true}}

// rig is tunnels under test, and what it takes to make more.
type rig struct {
	t       testing.TB
	gov     *idle.Governor
	account *idle.Account
	group   *Group
	serve   *tls.Config
	ends    *observer
}

type observer struct {
	mu   sync.Mutex // guards the following
	list []idle.End
}

func (o *observer) Asked(*idle.Account, *policy.Ask, policy.Verdict, time.Duration) {}
func (o *observer) Reused(*idle.Account, time.Duration)                             {}
func (o *observer) Late(*idle.Account, uint64, time.Duration, bool)                 {}
func (o *observer) Returned(*idle.Account, uint64, time.Duration)                   {}
func (o *observer) Ended(e *idle.End) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.list = append(o.list, *e)
}

func (o *observer) reasons() map[policy.Reason]int {
	o.mu.Lock()
	defer o.mu.Unlock()
	m := map[policy.Reason]int{}
	for i := range o.list {
		m[o.list[i].Reason]++
	}
	return m
}

// newRig starts a Governor that parks after parkAfter. The test's cleanup ends
// everything and looks for goroutines that stay.
func newRig(t testing.TB, parkAfter time.Duration, law policy.Timeouts) *rig {
	t.Helper()
	r := &rig{t: t, group: new(Group), ends: &observer{}}
	r.gov = idle.New(idle.Config{
		ParkAfter: parkAfter, StripAfter: 4 * max(parkAfter, soon), Granularity: time.Millisecond, Observer: r.ends, Linger: -1,
	})
	r.account = idle.NewAccount("test", policy.Fixed{}, nil, law, policy.Limits{})
	t.Cleanup(func() {
		r.gov.Each(func(c *idle.Conn) bool { c.Close(); return true })
		r.group.Close()
		r.gov.Close()
		eventually(t, "no goroutine is left", func() bool { return running() == 0 })
	})
	return r
}

// running counts the goroutines of tunnels.
func running() int {
	buf := make([]byte, 4<<20)
	return strings.Count(string(buf[:runtime.Stack(buf, true)]), "created by idlehost/host/internal/proxy/tunnel.(*")
}

// eventually waits for what other goroutines bring about.
func eventually(t testing.TB, what string, f func() bool) {
	t.Helper()
	testnet.Eventually(t, what, f)
}

// pair is two ends of a TCP connection.
func pair(t testing.TB) (near, far *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	out, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	in, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	out.SetDeadline(time.Now().Add(testnet.Patience)) // a test that hangs shall say where
	t.Cleanup(func() { out.Close(); in.Close() })
	return in.(*net.TCPConn), out.(*net.TCPConn)
}

// end makes one end of a tunnel and the peer that it is connected to.
func (r *rig) end(side policy.Side, secure bool) (End, net.Conn) {
	r.t.Helper()
	near, far := pair(r.t)
	c := r.gov.Govern(near, r.account, side)
	if err := c.Admit(nil); err != nil {
		r.t.Fatal(err)
	}
	if !secure {
		return End{Conn: c, Stream: c}, far
	}
	ours, peer := r.shake(c, far, side)
	return End{Conn: c, Stream: ours}, peer
}

// shake puts TLS above both ends of a connection.
func (r *rig) shake(near, far net.Conn, side policy.Side) (ours, peer *tls.Conn) {
	r.t.Helper()
	blind := &tls.Config{InsecureSkipVerify: true}
	ours, peer = tls.Server(near, r.tls()), tls.Client(far, blind)
	if side == abi.SideDialled {
		ours, peer = tls.Client(near, blind), tls.Server(far, r.tls())
	}
	shaken := make(chan error, 1)
	go func() { shaken <- peer.Handshake() }()
	if err := ours.Handshake(); err != nil {
		r.t.Fatal(err)
	}
	if err := <-shaken; err != nil {
		r.t.Fatal(err)
	}
	return ours, peer
}

// tls returns a server's configuration.
func (r *rig) tls() *tls.Config {
	if r.serve != nil {
		return r.serve
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		r.t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		r.t.Fatal(err)
	}
	r.serve = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	return r.serve
}

// open opens a tunnel and returns the peers at its ends.
func (r *rig) open(k kind) (client, server net.Conn) {
	r.t.Helper()
	a, client := r.end(abi.SideAccepted, k.secureDown)
	b, server := r.end(abi.SideDialled, k.isSecUp)
	r.group.Open(a, b)
	return client, server
}

// quiet waits until every connection is parked and no goroutine runs.
func (r *rig) quiet(parked int) {
	r.t.Helper()
	eventually(r.t, "all is parked", func() bool { return r.gov.Parked() == parked })
	eventually(r.t, "no goroutine is left", func() bool { return running() == 0 })
}

// each runs a test for every kind of tunnel.
func each(t *testing.T, f func(*testing.T, kind)) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) { f(t, k) })
	}
}

func closeWrite(t testing.TB, c net.Conn) {
	t.Helper()
	if err := c.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		t.Fatal(err)
	}
}

// law sets the idle timeout of tunnels.
func law(d time.Duration) (l policy.Timeouts) {
	l[abi.PhaseTunnel].Idle, l[abi.PhaseHalfClosed].Idle = d, d
	return l
}

// descriptors counts this process's open descriptors; 0 where nobody tells.
func descriptors() int {
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(list)
}
