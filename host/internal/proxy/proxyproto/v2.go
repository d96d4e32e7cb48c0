package proxyproto

import (
	"encoding/binary"
	"hash/crc32"
	"io"
	"net/netip"
)

// signature2 is how a header of version 2 begins (section 2.2).
const signature2 = "\r\n\r\n\x00\r\nQUIT\n"

const (
	fixed2 = 16 // bytes before the block of addresses and vectors
	// longest2 bounds the block. The addresses take at most 216 bytes, and
	// what proxies add to them (names, a certificate's subject) a few
	// hundred.
	longest2 = 4096
)

// Commands, and families with their transport in the lower half.
const (
	local2 = 0x20
	proxy2 = 0x21

	tcp4, tcp6               = 0x11, 0x21
	lastFamily, lastProtocol = 0x3, 0x2
)

// typeCRC is the vector that holds a checksum of the header.
const typeCRC = 0x03

// read2 reads what follows the signature.
func read2(r io.Reader) (Header, error) {
	var b [fixed2]byte
	copy(b[:], signature2)
	if err := full(r, b[start:]); err != nil {
		return Header{}, err
	}
	command, family := b[12], b[13]
	switch {
	case command != local2 && command != proxy2:
		return Header{}, malformed("version and command are %#02x", command)
	case command == proxy2 && (family>>4 > lastFamily || family&15 > lastProtocol):
		return Header{}, malformed("family and protocol are %#02x", family)
	}
	n := int(binary.BigEndian.Uint16(b[14:]))
	if n > longest2 {
		return Header{}, malformed("%d bytes of addresses and vectors, at most %d are read", n, longest2)
	}
	whole := make([]byte, fixed2+n)
	copy(whole, b[:])
	if err := full(r, whole[fixed2:]); err != nil {
		return Header{}, err
	}
	if command == local2 { // whatever the block says
		return Header{Version: 2, Local: true}, nil
	}
	return parse2(whole)
}

// parse2 parses a header of a connection that is passed on.
func parse2(b []byte) (Header, error) {
	family := b[13]
	n, ok := addresses2(family)
	if !ok { // unspecified: of the block nothing is known, not even where vectors begin
		return Header{Version: 2}, nil
	}
	if len(b) < fixed2+n {
		return Header{}, malformed("%d bytes of addresses in place of %d", len(b)-fixed2, n)
	}
	if err := vectors(b, fixed2+n); err != nil {
		return Header{}, err
	}
	block := b[fixed2:]
	switch family {
	case tcp4:
		return pair(2, address2(block[:4], block[8:]), address2(block[4:8], block[10:])), nil
	case tcp6:
		return pair(2, address2(block[:16], block[32:]), address2(block[16:32], block[34:])), nil
	}
	// Local sockets have no addresses that mean anything here; datagrams do
	// not come over a connection. Section 2.2 allows taking both for
	// unspecified.
	return Header{Version: 2}, nil
}

// addresses2 is how many bytes the addresses of a family take.
func addresses2(family byte) (n int, ok bool) {
	if family&15 == 0 {
		return 0, false
	}
	switch family >> 4 {
	case 1:
		return 2*4 + 2*2, true
	case 2:
		return 2*16 + 2*2, true
	case 3:
		return 2 * 108, true
	}
	return 0, false
}

func address2(addr, port []byte) netip.AddrPort {
	a, _ := netip.AddrFromSlice(addr)
	return netip.AddrPortFrom(a, binary.BigEndian.Uint16(port))
}

// vectors walks the type-length-value vectors from byte i of a header on, which
// must fill it, and verifies the checksum if there is one (section 2.2.3). It
// clears the checksum.
func vectors(b []byte, i int) error {
	sum := -1 // where it is
	for i < len(b) {
		if len(b)-i < 3 {
			return malformed("%d bytes are left for a vector", len(b)-i)
		}
		kind, n := b[i], int(binary.BigEndian.Uint16(b[i+1:]))
		if i += 3; n > len(b)-i {
			return malformed("a vector of type %#02x has %d bytes, %d are left", kind, n, len(b)-i)
		}
		if kind == typeCRC {
			if n != 4 || sum >= 0 {
				return malformed("the checksum is not one of 4 bytes")
			}
			sum = i
		}
		i += n
	}
	if sum < 0 {
		return nil
	}
	want := binary.BigEndian.Uint32(b[sum:])
	clear(b[sum : sum+4])
	if got := crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)); got != want {
		return malformed("checksum %08x in place of %08x", want, got)
	}
	return nil
}
