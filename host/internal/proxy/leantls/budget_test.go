package leantls

import (
	"cmp"
	"crypto/tls"
	"io"
	"maps"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// purposes names what crypto/tls allocates and keeps, by a part of the stack
// that allocates it; the first that fits counts.
var purposes = []struct{ in, what string }{
	{"crypto/tls.(*Conn).readFromUntil", "rawInput: last held the ClientHello or a record"},
	{"crypto/tls.(*Conn).flush", "sendBuf"},
	{"bytes.(*Buffer).Write", "hand: held the ClientHello"},
	{"gcm.newGCM", "AES-GCM: expanded key, tables"},
	{"gcm.New", "AES-GCM: expanded key, tables"},
	{"crypto/aes.NewCipher", "AES: expanded key"},
	{"crypto/tls.aead", "nonce mask around the cipher"},
	{"crypto/tls.cipherAES", "AES-CBC"},
	{"crypto/tls.mac", "MAC"},
	{"tls13.(*MasterSecret).ExporterMasterSecret", "exporter secret"},
	{"crypto/tls.(*cipherSuiteTLS13).exportKeyingMaterial", "exporter secret"},
	{"crypto/tls.ekmFromMasterSecret", "exporter secret"},
	{"tls13.(*MasterSecret).ResumptionMasterSecret", "resumption secret"},
	{"ApplicationTrafficSecret", "traffic secrets"},
	{"crypto/tls.(*clientHelloMsg).unmarshal", "server name"},
	{"crypto/tls.(*Conn).readHandshake", "ClientHello: kept by its randomness, in the exporter"},
	{"crypto/tls.Server", "tls.Conn"},
	{"crypto/internal/fips140/tls1", "exporter secret"},
	{"handshakeServer", "rest of the handshake"},
}

// TestBudget prints (-v) what each byte of an idle server connection is for,
// before and after a Release, and holds the total to a budget.
func TestBudget(t *testing.T) {
	old := runtime.MemProfileRate
	runtime.MemProfileRate = 1
	defer func() { runtime.MemProfileRate = old }()
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			before, after := k.measure(t)
			names := slices.SortedFunc(maps.Keys(before), func(a, b string) int { return cmp.Compare(before[b], before[a]) })
			for n := range after {
				if _, ok := before[n]; !ok {
					names = append(names, n)
				}
			}
			sumBefore, sumAfter := 0, 0
			for _, n := range names {
				t.Logf("%6d %6d  %s", before[n], after[n], n)
				sumBefore += before[n]
				sumAfter += after[n]
			}
			t.Logf("%6d %6d  bytes of heap", sumBefore, sumAfter)
			if limit := k.budget(); sumAfter > limit {
				t.Errorf("%d bytes after a release, want at most %d", sumAfter, limit)
			}
		})
	}
}

func (k kind) budget() int {
	switch {
	case k.version == tls.VersionTLS13:
		return 1152
	case strings.Contains(k.name, "ChaCha20"):
		return 1152
	}
	return 3072
}

// measure returns bytes per connection by purpose, after a request.
func (k kind) measure(t *testing.T) (before, after map[string]int) {
	const conns = 40
	sc, cc := k.ends(t)
	if k.resumed {
		k.exchange(t, sc, cc)
	}
	base := retained()
	var servers []*tls.Conn
	for range conns {
		server, client := shake(t, sc, cc)
		go io.WriteString(client, "request")
		readRequest(t, server)
		servers = append(servers, server)
	}
	before = per(conns, base, retained())
	for _, c := range servers {
		Release(c)
	}
	after = per(conns, base, retained())
	runtime.KeepAlive(servers)
	return before, after
}

// readRequest has a name for the heap profile to know.
//
//go:noinline
func readRequest(t *testing.T, c *tls.Conn) {
	if _, err := io.ReadFull(c, make([]byte, len("request"))); err != nil {
		t.Fatal(err)
	}
}

func per(n int, base, now map[string]int) map[string]int {
	out := map[string]int{}
	for what, b := range now {
		if d := (b - base[what]) / n; d > 0 {
			out[what] = d
		}
	}
	return out
}

// retained returns the bytes in use that server connections allocated.
func retained() map[string]int {
	for range 3 { // the profile is as of the last complete cycle
		runtime.GC()
	}
	var records []runtime.MemProfileRecord
	n, ok := runtime.MemProfile(nil, false)
	for !ok {
		records = make([]runtime.MemProfileRecord, n+100)
		n, ok = runtime.MemProfile(records, false)
	}
	out := map[string]int{}
	for _, r := range records[:n] {
		stack := stackOf(r.Stack())
		mine := strings.Contains(stack, "leantls.handshakeServer") || strings.Contains(stack, "leantls.readRequest") ||
			strings.Contains(stack, "crypto/tls.Server")
		if mine && r.InUseBytes() > 0 {
			out[purpose(stack)] += int(r.InUseBytes())
		}
	}
	return out
}

func stackOf(pcs []uintptr) string {
	var b strings.Builder
	frames := runtime.CallersFrames(pcs)
	for {
		f, more := frames.Next()
		b.WriteString(f.Function + "\n")
		if !more {
			return b.String()
		}
	}
}

func purpose(stack string) string {
	for _, p := range purposes {
		if strings.Contains(stack, p.in) {
			return p.what
		}
	}
	lines := strings.SplitN(stack, "\n", 4)
	return "other: " + strings.Join(lines[:min(3, len(lines))], " < ")
}
