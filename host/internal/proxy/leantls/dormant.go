package leantls

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"hash"
	"reflect"
	"strings"
	"unsafe"
)

// In TLS 1.3 the key of a direction follows from its traffic secret, which a
// tls.Conn keeps for key updates (RFC 8446, section 7.3). So an AES-GCM, 896
// bytes of expanded key and tables, is replaced by a dormant one that is no
// memory at all: it is the tls.Conn itself under another type. The first
// record makes a real one of it.
type (
	dormantIn  tls.Conn
	dormantOut tls.Conn
)

func (d *dormantIn) NonceSize() int { return nonceSize }
func (d *dormantIn) Overhead() int  { return tagSize }

// Seal is never called: nothing is sealed by what a connection reads with.
func (d *dormantIn) Seal(dst, nonce, plain, data []byte) []byte {
	return d.wake().Seal(dst, nonce, plain, data)
}

func (d *dormantIn) Open(dst, nonce, sealed, data []byte) ([]byte, error) {
	return d.wake().Open(dst, nonce, sealed, data)
}

func (d *dormantIn) wake() cipher.AEAD {
	v := view{unsafe.Pointer(d)}
	return v.wake(v.in())
}

func (d *dormantOut) NonceSize() int { return nonceSize }
func (d *dormantOut) Overhead() int  { return tagSize }

func (d *dormantOut) Seal(dst, nonce, plain, data []byte) []byte {
	return d.wake().Seal(dst, nonce, plain, data)
}

// Open is never called.
func (d *dormantOut) Open(dst, nonce, sealed, data []byte) ([]byte, error) {
	return d.wake().Open(dst, nonce, sealed, data)
}

func (d *dormantOut) wake() cipher.AEAD {
	v := view{unsafe.Pointer(d)}
	return v.wake(v.out())
}

const (
	nonceSize = 12
	tagSize   = 16
	gcmBytes  = 896 // what a GCM and its AES take: a size class of the runtime
)

// masked mirrors tls.xorNonceAEAD.
type masked struct {
	mask [nonceSize]byte
	aead cipher.AEAD
}

// maskedOf returns the AEAD of a direction, if it is what it is known to be.
func maskedOf(d direction) *masked {
	v := reflect.ValueOf(d.cipher())
	if v.Kind() != reflect.Pointer || v.IsNil() {
		return nil
	}
	t := v.Type().Elem()
	if t.Kind() != reflect.Struct || t.Name() != "xorNonceAEAD" || t.PkgPath() != "crypto/tls" || t.NumField() != 2 {
		return nil
	}
	mine := reflect.TypeFor[masked]()
	for i := range 2 {
		if f, m := t.Field(i), mine.Field(i); f.Type != m.Type || f.Offset != m.Offset {
			return nil
		}
	}
	return (*masked)(v.UnsafePointer())
}

// releaseCiphers puts both directions to sleep.
func (v view) releaseCiphers() (freed int) {
	if v.vers() != tls.VersionTLS13 {
		return 0
	}
	if m := v.sleepy(v.in()); m != nil {
		m.aead = (*dormantIn)(v.conn)
		freed += gcmBytes
	}
	if m := v.sleepy(v.out()); m != nil {
		m.aead = (*dormantOut)(v.conn)
		freed += gcmBytes
	}
	return freed
}

// sleepy returns the AEAD of a direction if it can be made again: it is
// AES-GCM, and the traffic secret gives the very nonce mask that is in use, so
// it gives the key as well.
func (v view) sleepy(d direction) *masked {
	s := suiteOf(v.suite())
	m := maskedOf(d)
	if s == nil || m == nil || !isGCM(m.aead) {
		return nil
	}
	iv, err := s.expand(d.secret(), "iv", nonceSize)
	if err != nil || !bytes.Equal(iv, m.mask[:]) {
		return nil
	}
	return m
}

// isGCM reports whether a is of crypto's own AES-GCM.
func isGCM(a cipher.AEAD) bool {
	t := reflect.TypeOf(a)
	return t != nil && t.Kind() == reflect.Pointer && strings.HasSuffix(t.Elem().PkgPath(), "/aes/gcm")
}

// wake makes the AEAD of a direction and puts it in its place. The direction
// is locked: one of its records is being sealed or opened.
func (v view) wake(d direction) cipher.AEAD {
	a, err := suiteOf(v.suite()).aead(d.secret())
	if err != nil {
		panic("BUG: leantls: a cipher that was there cannot be made again: " + err.Error())
	}
	maskedOf(d).aead = a
	return a
}

// suite is a cipher suite with AES-GCM (RFC 8446, section B.4).
type suite struct {
	hash func() hash.Hash
	key  int // bytes
}

func suiteOf(id uint16) *suite {
	switch id {
	case tls.TLS_AES_128_GCM_SHA256:
		return &suite{sha256.New, 16}
	case tls.TLS_AES_256_GCM_SHA384:
		return &suite{sha512.New384, 32}
	}
	return nil
}

func (s *suite) aead(secret []byte) (cipher.AEAD, error) {
	key, err := s.expand(secret, "key", s.key)
	if err != nil {
		return nil, err
	}
	b, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(b)
}

// expand is HKDF-Expand-Label with an empty context (RFC 8446, section 7.1).
func (s *suite) expand(secret []byte, label string, n int) ([]byte, error) {
	const prefix = "tls13 "
	info := string([]byte{byte(n >> 8), byte(n), byte(len(prefix) + len(label))}) + prefix + label + "\x00"
	return hkdf.Expand(s.hash, secret, info, n)
}

var (
	_ cipher.AEAD = (*dormantIn)(nil)
	_ cipher.AEAD = (*dormantOut)(nil)
)
