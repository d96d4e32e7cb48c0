package leantls

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/fips140"
	"crypto/tls"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"sync/atomic"
	"unsafe"
)

var noBuffer bytes.Buffer

type exporter = func(label string, context []byte, length int) ([]byte, error)

// layout is where the fields of a tls.Conn lie.
type layout struct {
	complete, handshakeMutex, isClient, vers, suite, ekm, resumptionSecret,
	in, out, rawInput, input, hand, sendBuf uintptr
	half half
}

// half is where the fields of a tls.halfConn lie.
type half struct{ mutex, cipher, secret uintptr }

// at and unsupported are set before main and never again.
var at, unsupported = inspect(reflect.TypeFor[tls.Conn]())

// inspect finds the fields by name and takes them only with the type they are
// known to have.
func inspect(conn reflect.Type) (l layout, err error) {
	if err := checkAEAD(); err != nil {
		return l, err
	}
	f := finder{t: conn}
	l.complete = find[atomic.Bool](&f, "isHandshakeComplete")
	l.handshakeMutex = find[sync.Mutex](&f, "handshakeMutex")
	l.isClient = find[bool](&f, "isClient")
	l.vers = find[uint16](&f, "vers")
	l.suite = find[uint16](&f, "cipherSuite")
	l.ekm = find[exporter](&f, "ekm")
	l.resumptionSecret = find[[]byte](&f, "resumptionSecret")
	l.rawInput = find[bytes.Buffer](&f, "rawInput")
	l.input = find[bytes.Reader](&f, "input")
	l.hand = find[bytes.Buffer](&f, "hand")
	l.sendBuf = find[[]byte](&f, "sendBuf")
	in, out := f.field("in"), f.field("out")
	if f.err != nil {
		return l, f.err
	}
	if in.Type != out.Type || in.Type.Kind() != reflect.Struct {
		return l, fmt.Errorf("crypto/tls: fields in and out of %v are a %v and a %v, not two structs of a type", conn, in.Type, out.Type)
	}
	l.in, l.out = in.Offset, out.Offset
	h := finder{t: in.Type}
	l.half.mutex = find[sync.Mutex](&h, "Mutex")
	l.half.cipher = find[any](&h, "cipher")
	l.half.secret = find[[]byte](&h, "trafficSecret")
	return l, h.err
}

// checkAEAD makes sure that a cipher can be made again when it is needed,
// where there is nobody to tell of an error.
func checkAEAD() error {
	if fips140.Enabled() {
		return errors.New("in FIPS 140 mode ciphers belong to crypto/tls alone")
	}
	b, err := aes.NewCipher(make([]byte, 32))
	if err == nil {
		_, err = cipher.NewGCM(b)
	}
	return err
}

// finder looks up fields of a struct and keeps the first error.
type finder struct {
	t   reflect.Type
	err error
}

func (f *finder) field(name string) (s reflect.StructField) {
	s, ok := f.t.FieldByName(name)
	if !ok && f.err == nil {
		f.err = fmt.Errorf("crypto/tls: %v has no field %s", f.t, name)
	}
	return s
}

func find[T any](f *finder, name string) uintptr {
	s, want := f.field(name), reflect.TypeFor[T]()
	if f.err == nil && s.Type != want {
		f.err = fmt.Errorf("crypto/tls: field %s of %v is a %v, not a %v", name, f.t, s.Type, want)
	}
	return s.Offset
}

func (v view) complete() *atomic.Bool { return (*atomic.Bool)(unsafe.Add(v.conn, at.complete)) }
func (v view) handshakeMutex() *sync.Mutex {
	return (*sync.Mutex)(unsafe.Add(v.conn, at.handshakeMutex))
}
func (v view) isClient() *bool           { return (*bool)(unsafe.Add(v.conn, at.isClient)) }
func (v view) vers() uint16              { return *(*uint16)(unsafe.Add(v.conn, at.vers)) }
func (v view) suite() uint16             { return *(*uint16)(unsafe.Add(v.conn, at.suite)) }
func (v view) ekm() *exporter            { return (*exporter)(unsafe.Add(v.conn, at.ekm)) }
func (v view) resumptionSecret() *[]byte { return (*[]byte)(unsafe.Add(v.conn, at.resumptionSecret)) }
func (v view) rawInput() *bytes.Buffer   { return (*bytes.Buffer)(unsafe.Add(v.conn, at.rawInput)) }
func (v view) input() *bytes.Reader      { return (*bytes.Reader)(unsafe.Add(v.conn, at.input)) }
func (v view) hand() *bytes.Buffer       { return (*bytes.Buffer)(unsafe.Add(v.conn, at.hand)) }
func (v view) sendBuf() *[]byte          { return (*[]byte)(unsafe.Add(v.conn, at.sendBuf)) }
func (v view) in() direction             { return direction{unsafe.Add(v.conn, at.in)} }
func (v view) out() direction            { return direction{unsafe.Add(v.conn, at.out)} }

// direction is a tls.halfConn by its offsets.
type direction struct{ half unsafe.Pointer }

func (d direction) mutex() *sync.Mutex { return (*sync.Mutex)(unsafe.Add(d.half, at.half.mutex)) }
func (d direction) cipher() any        { return *(*any)(unsafe.Add(d.half, at.half.cipher)) }
func (d direction) secret() []byte     { return *(*[]byte)(unsafe.Add(d.half, at.half.secret)) }
