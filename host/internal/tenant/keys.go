package tenant

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// maxHost bounds a host in bytes, maxLabels the labels it can have.
const (
	maxHost   = 253
	maxLabels = (maxHost + 1) / 2
)

// keys are Keys as they are looked up, each once.
type keys struct {
	hosts     []named[string]
	below     []named[string]
	sockets   []named[netip.AddrPort]
	addresses []named[netip.Addr]
	prefixes  []named[netip.Prefix]
}

// named is a key with how people write it.
type named[K comparable] struct {
	key  K
	name string
}

// add appends a key unless it is there: a name may say it twice.
func add[K comparable](list *[]named[K], key K, name string) {
	for _, k := range *list {
		if k.key == key {
			return
		}
	}
	*list = append(*list, named[K]{key, name})
}

func parseKeys(k Keys) (*keys, error) {
	p := &keys{}
	for _, h := range k.Hosts {
		if err := p.host(h); err != nil {
			return nil, err
		}
	}
	for _, d := range k.Destinations {
		if err := p.destination(d); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// host takes a host or a wildcard.
func (p *keys) host(host string) error {
	below, wild := strings.CutPrefix(host, "*.")
	name := string(lower(nil, strings.TrimSuffix(below, ".")))
	if err := checkHost(name); err != nil {
		return fmt.Errorf("host %q: %w", host, err)
	}
	if wild {
		add(&p.below, name, "host "+strconv.Quote("*."+name))
	} else {
		add(&p.hosts, name, "host "+strconv.Quote(name))
	}
	return nil
}

// checkHost refuses what no lookup would find; whether it is a name that DNS
// would take is the caller's.
func checkHost(name string) error {
	if name == "" || len(name) > maxHost {
		return fmt.Errorf("a host has 1 to %d bytes", maxHost)
	}
	if i := strings.IndexAny(name, "*/[] \t\r\n"); i >= 0 {
		return fmt.Errorf("%q is no part of a host, except for \"*.\" where it begins", name[i:i+1])
	}
	if strings.Contains(name, "..") || name[0] == '.' {
		return errors.New("it has an empty label")
	}
	if _, err := netip.ParseAddr(name); err != nil && strings.Contains(name, ":") {
		return errors.New("a host has no port")
	}
	return nil
}

func (p *keys) destination(s string) error {
	if ap, err := netip.ParseAddrPort(s); err == nil {
		if ap.Addr().Zone() != "" || ap.Port() == 0 {
			return fmt.Errorf("destination %q: port 0 and zones name nothing", s)
		}
		add(&p.sockets, netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port()), "destination "+ap.String())
		return nil
	}
	if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
		p.address(a.Unmap())
		return nil
	}
	n, err := netip.ParsePrefix(s)
	if err != nil {
		return fmt.Errorf("destination %q is no address, address with port, or prefix", s)
	}
	if n.Addr().Is4In6() { // what is asked for is unmapped
		if n.Bits() < 96 {
			return fmt.Errorf("destination %q has IPv4 in IPv6 and more", s)
		}
		n = netip.PrefixFrom(n.Addr().Unmap(), n.Bits()-96)
	}
	if n = n.Masked(); n.IsSingleIP() {
		p.address(n.Addr())
		return nil
	}
	add(&p.prefixes, n, "destination "+n.String())
	return nil
}

func (p *keys) address(a netip.Addr) { add(&p.addresses, a, "destination "+a.String()) }

// appendHost appends a host in the form of the keys: lower case, without a
// port, brackets and the dot at the end. It appends nothing to dst where that
// is empty or has no room, which maxHost is.
func appendHost(dst []byte, host string) []byte {
	if strings.HasPrefix(host, "[") {
		end := strings.IndexByte(host, ']')
		if end < 0 {
			return dst
		}
		host = host[1:end]
	} else if i := strings.IndexByte(host, ':'); i >= 0 && strings.IndexByte(host[i+1:], ':') < 0 {
		host = host[:i]
	}
	host = strings.TrimSuffix(host, ".")
	if len(host) > cap(dst)-len(dst) {
		return dst
	}
	return lower(dst, host)
}

// lower appends s with its ASCII letters in lower case.
func lower(dst []byte, s string) []byte {
	n := len(dst)
	dst = slices.Grow(dst, len(s))[:n+len(s)]
	for i, b := 0, dst[n:]; i < len(b) && i < len(s); i++ {
		c := s[i]
		if c-'A' < 26 {
			c += 'a' - 'A'
		}
		b[i] = c
	}
	return dst
}

// depths counts wildcards by the labels that follow their "*.".
type depths struct {
	counts  [maxLabels + 1]int32
	deepest int
}

func (d *depths) count(suffix string, n int) {
	labels := strings.Count(suffix, ".") + 1
	d.counts[labels] += int32(n)
	d.deepest = max(d.deepest, labels)
	for d.deepest > 0 && d.counts[d.deepest] == 0 {
		d.deepest--
	}
}

// lengths are the prefix lengths in use.
type lengths struct {
	counts [129]int32
	used   []uint8 // the longest first
}

func (l *lengths) count(bits, n int) {
	l.counts[bits] += int32(n)
	i, found := slices.BinarySearchFunc(l.used, uint8(bits), func(a, b uint8) int { return int(b) - int(a) })
	switch {
	case l.counts[bits] > 0 && !found:
		l.used = slices.Insert(l.used, i, uint8(bits))
	case l.counts[bits] == 0 && found:
		l.used = slices.Delete(l.used, i, i+1)
	}
}
