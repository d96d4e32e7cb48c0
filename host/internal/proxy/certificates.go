package proxy

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// KeyPair is a certificate chain and its key, in PEM files.
type KeyPair struct{ Cert, Key string }

// Certificates are the certificates of a TLS listener, chosen by server name
// and read again when their files change.
type Certificates struct {
	log    *slog.Logger
	mu     sync.Mutex // one Reload at a time; guards loaded
	loaded []loadedPair
	byName atomic.Pointer[table]
}

// loadedPair is one pair, as it was read.
type loadedPair struct {
	pair    KeyPair
	version [2]fileVersion
	cert    *tls.Certificate
}

// fileVersion tells one version of a file from another.
type fileVersion struct {
	size  int64
	mtime time.Time
}

// table answers a ClientHello. Immutable.
type table struct {
	exact    map[string][]*tls.Certificate
	wildcard map[string][]*tls.Certificate // by the name without its first label
	first    *tls.Certificate
}

// NewCertificates reads the pairs. The first answers where no name matches.
// A nil logger is slog.Default.
func NewCertificates(pairs []KeyPair, log *slog.Logger) (*Certificates, error) {
	if len(pairs) == 0 {
		return nil, errors.New("no certificate")
	}
	if log == nil {
		log = slog.Default()
	}
	c := &Certificates{log: log}
	for _, p := range pairs {
		l := loadedPair{pair: p}
		if err := l.read(); err != nil {
			return nil, err
		}
		c.loaded = append(c.loaded, l)
	}
	c.byName.Store(newTable(c.loaded))
	return c, nil
}

// read reads the pair if its files have changed.
func (l *loadedPair) read() error {
	var now [2]fileVersion
	for i, name := range []string{l.pair.Cert, l.pair.Key} {
		info, err := os.Stat(name)
		if err != nil {
			return err
		}
		now[i] = fileVersion{info.Size(), info.ModTime()}
	}
	if l.cert != nil && now == l.version {
		return nil
	}
	cert, err := tls.LoadX509KeyPair(l.pair.Cert, l.pair.Key)
	if err != nil {
		return fmt.Errorf("certificate %s: %w", l.pair.Cert, err)
	}
	if cert.Leaf == nil {
		if cert.Leaf, err = x509.ParseCertificate(cert.Certificate[0]); err != nil {
			return fmt.Errorf("certificate %s: %w", l.pair.Cert, err)
		}
	}
	l.cert, l.version = &cert, now
	return nil
}

// Reload reads what has changed. A pair that cannot be read keeps its old
// certificate, and is tried again next time; the error names it.
func (c *Certificates) Reload() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var errs []error
	changed := false
	for i := range c.loaded {
		l := &c.loaded[i]
		before := l.cert
		if err := l.read(); err != nil {
			errs = append(errs, err)
			continue
		}
		if l.cert != before {
			changed = true
			c.log.Info("certificate reloaded", "file", l.pair.Cert, "names", l.cert.Leaf.DNSNames, "until", l.cert.Leaf.NotAfter)
		}
	}
	if changed {
		c.byName.Store(newTable(c.loaded))
	}
	return errors.Join(errs...)
}

// Run reloads now and then until ctx is done. The same error is logged once.
func (c *Certificates) Run(ctx context.Context, every time.Duration) {
	t := time.NewTicker(every)
	defer t.Stop()
	said := ""
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		now := ""
		if err := c.Reload(); err != nil {
			now = err.Error()
		}
		if now != "" && now != said {
			c.log.Error("certificate not reloaded, the old one stays", "error", now)
		}
		said = now
	}
}

func newTable(ls []loadedPair) *table {
	t := &table{exact: map[string][]*tls.Certificate{}, wildcard: map[string][]*tls.Certificate{}, first: ls[0].cert}
	for _, l := range ls {
		for _, name := range namesOf(l.cert.Leaf) {
			if rest, ok := strings.CutPrefix(name, "*."); ok {
				t.wildcard[rest] = append(t.wildcard[rest], l.cert)
			} else {
				t.exact[name] = append(t.exact[name], l.cert)
			}
		}
	}
	return t
}

// namesOf returns the DNS names of a certificate; the common name only where
// there are none (RFC 6125 section 6.4.4).
func namesOf(leaf *x509.Certificate) []string {
	names := leaf.DNSNames
	if len(names) == 0 && leaf.Subject.CommonName != "" {
		names = []string{leaf.Subject.CommonName}
	}
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = serverName(n)
	}
	return out
}

// get chooses: exact name, wildcard, the first pair. Among several of one
// name, the first that the client supports (RSA beside ECDSA).
func (c *Certificates) get(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	t := c.byName.Load()
	name := serverName(hello.ServerName)
	found := t.exact[name]
	if len(found) == 0 {
		if _, rest, ok := strings.Cut(name, "."); ok {
			found = t.wildcard[rest]
		}
	}
	for _, cert := range found {
		if hello.SupportsCertificate(cert) == nil {
			return cert, nil
		}
	}
	if len(found) > 0 {
		return found[0], nil
	}
	return t.first, nil
}

// config returns the configuration of a listener that offers protocols.
func (c *Certificates) config(protocols ...string) *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: c.get,
		NextProtos:     protocols,
	}
}
