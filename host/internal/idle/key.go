package idle

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"math/bits"
	"net/netip"
)

// clientKey is the key that addresses are hashed under.
type clientKey struct{ k0, k1 uint64 }

// newClientKey makes a key of a secret; zero: a random one.
func newClientKey(secret [32]byte) clientKey {
	if secret == ([32]byte{}) {
		rand.Read(secret[:]) // never fails
	}
	sum := sha256.Sum256(secret[:])
	return clientKey{binary.LittleEndian.Uint64(sum[:]), binary.LittleEndian.Uint64(sum[8:])}
}

// of hashes an address, an IPv6 one by its /64: a policy can tell clients
// apart, not who they are. 0 is nobody.
func (k clientKey) of(a netip.Addr) uint64 {
	if !a.IsValid() {
		return 0
	}
	a = a.Unmap()
	if a.Is4() {
		b := a.As4()
		return max(k.sum(b[:]), 1)
	}
	b := a.As16()
	return max(k.sum(b[:8]), 1)
}

// sum is SipHash-2-4 (Aumasson and Bernstein, 2012): a keyed hash made for
// short inputs. Package hash/maphash has none whose key could be kept.
func (k clientKey) sum(p []byte) uint64 {
	s := sipState{k.k0 ^ 0x736f6d6570736575, k.k1 ^ 0x646f72616e646f6d, k.k0 ^ 0x6c7967656e657261, k.k1 ^ 0x7465646279746573}
	last := uint64(len(p)) << 56
	for ; len(p) >= 8; p = p[8:] {
		s.block(binary.LittleEndian.Uint64(p))
	}
	for i, b := range p {
		last |= uint64(b) << (8 * i)
	}
	s.block(last)
	s.v2 ^= 0xff
	for range 4 {
		s.round()
	}
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3
}

type sipState struct{ v0, v1, v2, v3 uint64 }

func (s *sipState) block(m uint64) {
	s.v3 ^= m
	s.round()
	s.round()
	s.v0 ^= m
}

func (s *sipState) round() {
	s.v0 += s.v1
	s.v1 = bits.RotateLeft64(s.v1, 13) ^ s.v0
	s.v0 = bits.RotateLeft64(s.v0, 32)
	s.v2 += s.v3
	s.v3 = bits.RotateLeft64(s.v3, 16) ^ s.v2
	s.v0 += s.v3
	s.v3 = bits.RotateLeft64(s.v3, 21) ^ s.v0
	s.v2 += s.v1
	s.v1 = bits.RotateLeft64(s.v1, 17) ^ s.v2
	s.v2 = bits.RotateLeft64(s.v2, 32)
}
