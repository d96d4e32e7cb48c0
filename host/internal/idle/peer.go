package idle

import (
	"net"
	"net/netip"
)

// addrPort returns what netip can say of an address; zero for a strange one.
func addrPort(a net.Addr) netip.AddrPort {
	if t, ok := a.(*net.TCPAddr); ok {
		return t.AddrPort()
	}
	if a == nil {
		return netip.AddrPort{}
	}
	p, _ := netip.ParseAddrPort(a.String())
	return p
}

// SetPeer says who is at the other end of what is in between, as the PROXY
// protocol tells. It is called before Admit; after it, or of an invalid
// address, it does nothing.
func (c *Conn) SetPeer(a netip.AddrPort) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.admitted || !a.IsValid() {
		return
	}
	c.setPeerLocked(a)
	c.proxied = true
}

func (c *Conn) setPeerLocked(a netip.AddrPort) {
	c.peer, c.peerPort = a.Addr().Unmap(), a.Port()
	c.client = c.gov.key.of(c.peer)
}

// LocalAddr returns the local address.
func (c *Conn) LocalAddr() net.Addr {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.inner.LocalAddr()
}

// RemoteAddr returns the peer's address, or what SetPeer said it is.
func (c *Conn) RemoteAddr() net.Addr {
	c.mu.Lock()
	inner, peer, proxied := c.inner, netip.AddrPortFrom(c.peer, c.peerPort), c.proxied
	c.mu.Unlock()
	if proxied {
		return net.TCPAddrFromAddrPort(peer)
	}
	return inner.RemoteAddr()
}
