package h2

import (
	"crypto/tls"
	"io"
	"net"
	"runtime"
	"runtime/debug"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/net/http2"

	"idlehost/host/internal/testnet"
)

// TestParkedSessionsAreSmall weighs parked sessions by what they hold of heap
// and stacks. The clients are bare descriptors.
func TestParkedSessionsAreSmall(t *testing.T) {
	if n := unsafe.Sizeof(session{}); n > 128 {
		t.Errorf("a session is %d bytes, want at most 128", n)
	}
	for _, x := range []struct {
		name    string
		secured bool
		most    uint64
	}{{"h2c", false, 2500}, {"tls", true, 5500}} {
		t.Run(x.name, func(t *testing.T) {
			h := newHost(t, hostConfig{tls: x.secured})
			const warm, many = 50, 400
			for range warm {
				leaveBehind(t, h)
			}
			h.parked(t, warm)
			before := memory()
			for range many {
				leaveBehind(t, h)
			}
			h.parked(t, warm+many)
			var each uint64
			small := func() bool { // once the goroutines that served them have ended
				each = (max(memory(), before) - before) / many
				return each <= x.most || raceEnabled
			}
			if !testnet.Holds(small) {
				t.Errorf("%d bytes for each parked session, want at most %d", each, x.most)
			}
			t.Logf("%d bytes for each parked session", each)
		})
	}
}

func memory() uint64 {
	debug.FreeOSMemory()
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}

// leaveBehind shakes hands, asks once and keeps the descriptor alone.
func leaveBehind(t *testing.T, h *host) {
	t.Helper()
	nc, err := net.Dial("tcp", h.addr)
	if err != nil {
		t.Fatal(err)
	}
	top := nc
	if h.cert != nil {
		top = tls.Client(nc, h.tls())
	}
	io.WriteString(top, Preface)
	fr := http2.NewFramer(top, top)
	fr.WriteSettings()
	fr.WriteSettingsAck()
	fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, EndHeaders: true, EndStream: true,
		BlockFragment: []byte{0x82, 0x86, 0x84, 0x41, 1, 'x'}}) // GET http://x/
	for {
		f, err := fr.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		if f, ok := f.(*http2.HeadersFrame); ok && f.StreamEnded() {
			break
		}
	}
	raw, err := nc.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) {
		dup, err := syscall.Dup(int(fd))
		if err != nil {
			t.Error(err)
			return
		}
		t.Cleanup(func() { syscall.Close(dup) })
	})
	nc.Close()
}
