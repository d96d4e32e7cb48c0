package proxy_test

import (
	"bufio"
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"io"
	"net"
	"strings"
	"testing"

	"idlehost/host/internal/policy"
)

// sealer writes records of TLS 1.3 as its client does once the handshake is
// done, and key updates, which crypto/tls never sends by itself.
type sealer struct {
	w      io.Writer
	secret []byte // client_application_traffic_secret_N (RFC 8446 section 7.1)
	aead   cipher.AEAD
	iv     []byte
	seq    uint64
}

func newSealer(t *testing.T, w io.Writer, secret []byte) *sealer {
	s := &sealer{w: w, secret: secret}
	s.rekey(t)
	return s
}

// rekey derives key and iv of the secret (RFC 8446 section 7.3).
func (s *sealer) rekey(t *testing.T) {
	block, err := aes.NewCipher(expand(t, s.secret, "key", 16))
	if err != nil {
		t.Fatal(err)
	}
	if s.aead, err = cipher.NewGCM(block); err != nil {
		t.Fatal(err)
	}
	s.iv, s.seq = expand(t, s.secret, "iv", 12), 0
}

// expand is HKDF-Expand-Label without a context.
func expand(t *testing.T, secret []byte, label string, n int) []byte {
	info := binary.BigEndian.AppendUint16(nil, uint16(n))
	info = append(info, byte(len("tls13 "+label)))
	info = append(info, "tls13 "+label+"\x00"...)
	out, err := hkdf.Expand(sha256.New, secret, string(info), n)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

const (
	typeHandshake       = 22
	typeApplicationData = 23
)

// record returns content as a protected record (RFC 8446 section 5.2).
func (s *sealer) record(content []byte, typ byte) []byte {
	inner := append(bytes.Clone(content), typ)
	head := []byte{typeApplicationData, 3, 3}
	head = binary.BigEndian.AppendUint16(head, uint16(len(inner)+s.aead.Overhead()))
	nonce := bytes.Clone(s.iv)
	for i := range 8 {
		nonce[len(nonce)-1-i] ^= byte(s.seq >> (8 * i))
	}
	s.seq++
	return append(head, s.aead.Seal(nil, nonce, inner, head)...)
}

// update returns a KeyUpdate that asks for none in return, and changes the key
// (RFC 8446 section 4.6.3).
func (s *sealer) update(t *testing.T) []byte {
	b := s.record([]byte{24, 0, 0, 1, 0}, typeHandshake)
	s.secret = expand(t, s.secret, "traffic upd", sha256.Size)
	s.rekey(t)
	return b
}

// keyLog remembers the client's secret.
type keyLog struct{ secret []byte }

func (k *keyLog) Write(b []byte) (int, error) {
	if f := strings.Fields(string(b)); len(f) == 3 && f[0] == "CLIENT_TRAFFIC_SECRET_0" {
		k.secret, _ = hex.DecodeString(f[2])
	}
	return len(b), nil
}

// talkTLS is a client that writes records by itself.
func (l *lot) talkTLS() (*talker, *sealer) {
	l.t.Helper()
	nc, err := net.Dial("tcp", l.addr)
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { nc.Close() })
	keys := &keyLog{}
	cfg := l.tls()
	cfg.KeyLogWriter, cfg.MinVersion = keys, tls.VersionTLS13
	tc := tls.Client(nc, cfg)
	if err := tc.Handshake(); err != nil {
		l.t.Fatal(err)
	}
	t := l.t.(*testing.T)
	if tc.ConnectionState().CipherSuite != tls.TLS_AES_128_GCM_SHA256 {
		t.Skip("the cipher is not AES-128-GCM: no AES in hardware")
	}
	c := &talker{t: t, nc: tc}
	c.br = bufio.NewReader(tc)
	return c, newSealer(t, nc, keys.secret)
}

func (s *sealer) send(t *testing.T, records ...[]byte) {
	t.Helper()
	if _, err := s.w.Write(bytes.Join(records, nil)); err != nil {
		t.Fatal(err)
	}
}

func TestKeyUpdateWhileParked(t *testing.T) {
	l := newLot(t, h1s, policy.Timeouts{})
	c, s := l.talkTLS()
	get := func() []byte { return s.record([]byte(plainGet), typeApplicationData) }
	l.parked(1)
	s.send(t, s.update(t)) // before the first request
	l.moment()
	l.parked(1) // it sleeps on
	s.send(t, get())
	c.want("GET /a ")
	l.parked(1)
	s.send(t, s.update(t), s.update(t), get()) // with a request
	c.want("GET /a ")
	l.parked(1)
	for _, b := range append(s.update(t), get()...) { // in pieces
		s.send(t, []byte{b})
	}
	c.want("GET /a ")
	l.parked(1)
}

// A record that has arrived in part may sleep below crypto/tls.
func TestRecordInPartsWhileParked(t *testing.T) {
	l := newLot(t, h1s, policy.Timeouts{})
	c, s := l.talkTLS()
	for n := 1; n < 50; n += 3 {
		r := s.record([]byte(plainGet), typeApplicationData)
		s.send(t, r[:n])
		l.moment()
		s.send(t, r[n:])
		c.want("GET /a ")
		l.parked(1)
	}
}

// A handshake message may be spread over records.
func TestKeyUpdateInPartsWhileParked(t *testing.T) {
	l := newLot(t, h1s, policy.Timeouts{})
	c, s := l.talkTLS()
	l.parked(1)
	s.send(t, s.record([]byte{24, 0}, typeHandshake))
	l.moment()
	l.parked(1)
	s.send(t, s.record([]byte{0, 1, 0}, typeHandshake))
	s.secret = expand(t, s.secret, "traffic upd", sha256.Size)
	s.rekey(t)
	l.moment()
	l.parked(1)
	s.send(t, s.record([]byte(plainGet), typeApplicationData))
	c.want("GET /a ")
}

// Tickets that a client has not read yet are of use after its connection slept.
func TestSessionTicketAfterParking(t *testing.T) {
	l := newLot(t, h1s, policy.Timeouts{})
	cfg := l.tls()
	cfg.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	for i := range 3 {
		tc, err := tls.Dial("tcp", l.addr, cfg)
		if err != nil {
			t.Fatal(err)
		}
		if got := tc.ConnectionState().DidResume; got != (i > 0) {
			t.Errorf("connection %d resumed: %v", i, got)
		}
		l.parked(1)
		c := &talker{t: t, nc: tc, br: bufio.NewReader(tc)}
		c.send(plainGet)
		c.want("GET /a ") // the ticket is read with it
		l.parked(1)
		tc.Close()
		eventually(t, "closed", func() bool { return l.gov.Open() == 0 })
	}
}

// An end that the host decides is said as RFC 8446 section 6.1 has it.
func TestParkedEndSaysCloseNotify(t *testing.T) {
	l := newLot(t, h1s, policy.Timeouts{})
	c, _ := l.talkTLS()
	l.parked(1)
	l.gov.Drain(t.Context())
	b, err := io.ReadAll(c.tcp()) // tickets, and the alert
	if err != nil || len(b) < 24 || binary.BigEndian.Uint16(b[len(b)-21:]) != 19 {
		t.Errorf("%x, %v: want an alert at the end", b, err)
	}
}
