package leantls

import (
	"bytes"
	"crypto/cipher"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
)

// peer is a client that takes a TLS 1.3 connection over from crypto/tls after
// the handshake, to do what crypto/tls never does: update its keys.
type peer struct {
	net.Conn
	in, out keys
}

// keys are the record protection of one direction (RFC 8446, section 5).
type keys struct {
	suite  *suite
	secret []byte
	aead   cipher.AEAD
	iv     []byte
	seq    uint64
}

func (k *keys) set(t *testing.T, s *suite, secret []byte) {
	t.Helper()
	a, err := s.aead(secret)
	iv, err2 := s.expand(secret, "iv", nonceSize)
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	*k = keys{suite: s, secret: secret, aead: a, iv: iv}
}

func (k *keys) nonce() []byte {
	n := bytes.Clone(k.iv)
	binary.BigEndian.PutUint64(n[4:], binary.BigEndian.Uint64(n[4:])^k.seq)
	k.seq++
	return n
}

func (k *keys) update(t *testing.T) {
	t.Helper()
	next, err := k.suite.expand(k.secret, "traffic upd", len(k.secret))
	if err != nil {
		t.Fatal(err)
	}
	k.set(t, k.suite, next)
}

// send seals one record.
func (p *peer) send(t *testing.T, typ byte, b []byte) {
	t.Helper()
	head := []byte{23, 3, 3, 0, 0}
	binary.BigEndian.PutUint16(head[3:], uint16(len(b)+1+tagSize))
	rec := p.out.aead.Seal(head, p.out.nonce(), append(bytes.Clone(b), typ), head)
	if _, err := p.Write(rec); err != nil {
		t.Fatal(err)
	}
}

// receive opens one record.
func (p *peer) receive(t *testing.T) (typ byte, b []byte) {
	t.Helper()
	head := make([]byte, 5)
	if _, err := io.ReadFull(p, head); err != nil {
		t.Fatal(err)
	}
	b = make([]byte, binary.BigEndian.Uint16(head[3:]))
	if _, err := io.ReadFull(p, b); err != nil {
		t.Fatal(err)
	}
	b, err := p.in.aead.Open(b[:0], p.in.nonce(), b, head)
	if err != nil {
		t.Fatal(err)
	}
	return b[len(b)-1], b[:len(b)-1]
}

func takeOver(t *testing.T, id uint16) (*tls.Conn, *peer) {
	t.Helper()
	sc, cc := kinds[0].ends(t)
	sc.SessionTicketsDisabled = true // no record of the server's is read before the peer takes over
	var log bytes.Buffer
	cc.KeyLogWriter = &log
	server, client := shake(t, sc, cc)
	if got := client.ConnectionState().CipherSuite; got != id {
		t.Skipf("negotiated %s, not %s", tls.CipherSuiteName(got), tls.CipherSuiteName(id))
	}
	p := &peer{Conn: client.NetConn()}
	for line := range strings.Lines(log.String()) {
		f := strings.Fields(line)
		secret, err := hex.DecodeString(f[len(f)-1])
		if err != nil {
			t.Fatal(err)
		}
		switch f[0] {
		case "CLIENT_TRAFFIC_SECRET_0":
			p.out.set(t, suiteOf(id), secret)
		case "SERVER_TRAFFIC_SECRET_0":
			p.in.set(t, suiteOf(id), secret)
		}
	}
	return server, p
}

// TestKeyUpdates has the peer update its keys, and demand that the server do,
// again and again, with a release before and after each.
func TestKeyUpdates(t *testing.T) {
	server, p := takeOver(t, tls.TLS_AES_128_GCM_SHA256)
	b := make([]byte, 100)
	for i := range 300 {
		demand := byte(i % 2)
		Release(server)
		p.send(t, 22, []byte{24, 0, 0, 1, demand}) // KeyUpdate, RFC 8446, section 4.6.3
		p.out.update(t)
		p.send(t, 23, []byte("request"))
		n, err := server.Read(b)
		if err != nil || string(b[:n]) != "request" {
			t.Fatalf("update %d: read %q, %v", i, b[:n], err)
		}
		if demand == 1 {
			if typ, m := p.receive(t); typ != 22 || len(m) != 5 || m[0] != 24 {
				t.Fatalf("update %d: got a record of type %d, % x, want a key update", i, typ, m)
			}
			p.in.update(t)
		}
		if freed := Release(server); freed < gcmBytes {
			t.Fatalf("update %d: released %d bytes", i, freed)
		}
		if _, err := io.WriteString(server, "answer"); err != nil {
			t.Fatal(err)
		}
		if typ, m := p.receive(t); typ != 23 || string(m) != "answer" {
			t.Fatalf("update %d: got %d %q", i, typ, m)
		}
	}
}

// TestSuites wakes both AES suites: crypto/tls offers no choice among those of
// TLS 1.3, so the derivation is held against the RFC's own numbers.
func TestSuites(t *testing.T) {
	// RFC 8448, section 3: the server's application traffic secret.
	secret, _ := hex.DecodeString("a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643")
	s := suiteOf(tls.TLS_AES_128_GCM_SHA256)
	key, _ := s.expand(secret, "key", s.key)
	iv, _ := s.expand(secret, "iv", nonceSize)
	if hex.EncodeToString(key) != "9f02283b6c9c07efc26bb9f2ac92e356" || hex.EncodeToString(iv) != "cf782b88dd83549aadf1e984" {
		t.Errorf("key %x, iv %x", key, iv)
	}
	if s := suiteOf(tls.TLS_AES_256_GCM_SHA384); s.key != 32 || s.hash().Size() != 48 {
		t.Error("AES-256 with a wrong key or hash")
	}
	if suiteOf(tls.TLS_CHACHA20_POLY1305_SHA256) != nil {
		t.Error("ChaCha20 keeps no tables: there is nothing to release")
	}
}
