// Package leantls takes from an idle tls.Conn what it does not need to idle.
//
// After a handshake a server's tls.Conn holds about 6.6 KB, of which 5.5 KB
// are empty buffers that once held the ClientHello, expanded AES keys that are
// a function of a secret it holds anyway, and secrets that only the handshake
// wanted. crypto/tls gives none of it back while the connection lives
// (golang/go#81348), so this package reaches into it, by offsets that are
// looked up and checked when the program starts. On a toolchain whose tls.Conn
// is laid out otherwise it does nothing, and says so.
package leantls

import (
	"crypto/tls"
	"errors"
	"unsafe"
)

// errForgotten is what exporting keys says after a Release.
var errForgotten = errors.New("tls: exporter secret was released while the connection was idle")

// Release gives back what c retains but needs again only for the next record,
// and reports how many bytes of heap that were, as far as they can be told.
// Reading and writing go on as ever; the first record after it costs a few
// microseconds. ExportKeyingMaterial of a later ConnectionState fails.
//
// The caller owns c: nobody reads, writes or closes. Should somebody, or
// should the handshake not be complete, nothing happens. Bytes that wait to
// be read are kept.
func Release(c *tls.Conn) (bytes int) {
	if unsupported != nil || c == nil {
		return 0
	}
	v := view{unsafe.Pointer(c)}
	if !v.complete().Load() || !v.lock() {
		return 0
	}
	defer v.unlock()
	return v.releaseBuffers() + v.releaseSecrets() + v.releaseCiphers()
}

// view is a tls.Conn by its offsets.
type view struct{ conn unsafe.Pointer }

// lock takes the locks of a tls.Conn in its own order, if all are free: what
// Read, Write and ConnectionState hold when they touch the fields here.
func (v view) lock() bool {
	if !v.handshakeMutex().TryLock() {
		return false
	}
	if !v.in().mutex().TryLock() {
		v.handshakeMutex().Unlock()
		return false
	}
	if !v.out().mutex().TryLock() {
		v.in().mutex().Unlock()
		v.handshakeMutex().Unlock()
		return false
	}
	return true
}

func (v view) unlock() {
	v.out().mutex().Unlock()
	v.in().mutex().Unlock()
	v.handshakeMutex().Unlock()
}

// releaseBuffers drops the buffers that are empty. input reads from rawInput's
// memory, so the two go together.
func (v view) releaseBuffers() (freed int) {
	if raw, input := v.rawInput(), v.input(); raw.Len() == 0 && input.Len() == 0 {
		freed += raw.Cap()
		*raw = noBuffer
		input.Reset(nil)
	}
	if hand := v.hand(); hand.Len() == 0 {
		freed += hand.Cap()
		*hand = noBuffer
	}
	if b := v.sendBuf(); len(*b) == 0 {
		freed += cap(*b)
		*b = nil
	}
	return freed
}

// releaseSecrets drops what later handshakes would want: a server makes none.
// In TLS 1.2 the exporter keeps the whole ClientHello alive, of which it wants
// the 32 bytes of randomness; its size is not counted.
func (v view) releaseSecrets() (freed int) {
	if ekm := v.ekm(); *ekm != nil {
		*ekm = forgotten
	}
	if s := v.resumptionSecret(); !*v.isClient() && *s != nil { // a client derives from it at every ticket
		freed = cap(*s)
		*s = nil
	}
	return freed
}

func forgotten(string, []byte, int) ([]byte, error) { return nil, errForgotten }
