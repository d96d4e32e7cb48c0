package idle

import (
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"testing"
)

// sipVectors are the reference implementation's: the key is 00 to 0f, the
// input of each is one byte more of 00, 01, 02 and so on.
var sipVectors = []string{
	"310e0edd47db6f72", "fd67dc93c539f874", "5a4fa9d909806c0d", "2d7efbd796666785",
	"b7877127e09427cf", "8da699cd64557618", "cee3fe586e46c9cb", "37d1018bf50002ab",
	"6224939a79f5f593", "b0e4a90bdf82009e", "f3b9dd94c5bb5d7a", "a7ad6b22462fb3f4",
	"fbe50e86bc8f1e75", "903d84c02756ea14", "eef27a8e90ca23f7", "e545be4961ca29a1",
}

func TestSipHashIsTheReferences(t *testing.T) {
	k := clientKey{0x0706050403020100, 0x0f0e0d0c0b0a0908}
	var in []byte
	for i, want := range sipVectors {
		got := binary.LittleEndian.AppendUint64(nil, k.sum(in))
		if hex.EncodeToString(got) != want {
			t.Errorf("%d bytes: %x, want %s", i, got, want)
		}
		in = append(in, byte(i))
	}
}

func TestAClientIsAnAddressOrA64(t *testing.T) {
	k := newClientKey([32]byte{1})
	same := [][2]string{
		{"192.0.2.1", "::ffff:192.0.2.1"},
		{"2001:db8:1:2::1", "2001:db8:1:2:ffff::9"},
		{"fe80::1%eth0", "fe80::2%eth1"},
	}
	for _, s := range same {
		if k.of(netip.MustParseAddr(s[0])) != k.of(netip.MustParseAddr(s[1])) {
			t.Errorf("%s and %s are two clients", s[0], s[1])
		}
	}
	seen := map[uint64]string{0: "nobody"}
	for _, s := range []string{"192.0.2.1", "192.0.2.2", "2001:db8:1:2::1", "2001:db8:1:3::1", "::1", "0.0.0.0"} {
		h := k.of(netip.MustParseAddr(s))
		if o := seen[h]; o != "" {
			t.Errorf("%s and %s are one client", s, o)
		}
		seen[h] = s
	}
	if k.of(netip.Addr{}) != 0 {
		t.Error("nobody has a pseudonym")
	}
}

func TestAPseudonymIsTheKeysAlone(t *testing.T) {
	a := netip.MustParseAddr("192.0.2.1")
	of := func(secret [32]byte) uint64 { return newClientKey(secret).of(a) }
	one := of([32]byte{31: 1})
	if again := of([32]byte{31: 1}); again != one {
		t.Error("another pseudonym under the same key")
	}
	if other := of([32]byte{31: 2}); other == one {
		t.Error("the last byte of the key is of no use")
	}
	if one, two := of([32]byte{}), of([32]byte{}); one == two {
		t.Error("two processes without a key agree")
	}
	if n := testing.AllocsPerRun(100, func() { newKeySink = k0.of(a) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

var (
	k0         = newClientKey([32]byte{7})
	newKeySink uint64
)

func BenchmarkClientKey(b *testing.B) {
	for _, s := range []string{"192.0.2.1", "2001:db8::1"} {
		a := netip.MustParseAddr(s)
		b.Run(s, func(b *testing.B) {
			for b.Loop() {
				newKeySink = k0.of(a)
			}
		})
	}
}
