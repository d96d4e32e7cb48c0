package idle

import (
	"net/netip"
	"testing"
	"time"

	"idlehost/host/internal/policy"
	"idlehost/host/internal/testnet"
	"idlehost/sdk/abi"
)

func TestThePeerIsWhoTheProxyProtocolSays(t *testing.T) {
	var asked uint64
	d := func(a *policy.Ask) policy.Verdict { asked = a.Event.Client; return policy.Verdict{} }
	bubble(t, d, policy.Limits{}, func(b *bench) {
		near, far := testnet.Pipe(1)
		defer far.Close()
		c := b.gov.Govern(near, b.acct, abi.SideAccepted)
		who := netip.MustParseAddrPort("[2001:db8::7]:4711")
		c.SetPeer(who)
		c.SetPeer(netip.AddrPort{}) // says nothing
		if err := c.Admit(nil); err != nil {
			b.Fatal(err)
		}
		c.SetPeer(netip.MustParseAddrPort("192.0.2.9:1")) // too late
		want := b.gov.key.of(who.Addr())
		if got := c.RemoteAddr().String(); got != who.String() || asked != want {
			b.Errorf("peer %s, client %x, want %s and %x", got, asked, who, want)
		}
		c.Close()
		if e := b.log.end(b.T); e.Peer != who || e.Client != want {
			b.Errorf("ended as %v, %x", e.Peer, e.Client)
		}
		b.pass(time.Second)
	})
}
