// Package proxyproto reads the header by which a proxy in front says whose
// connection it passes on: versions 1 and 2 of HAProxy's PROXY protocol
// (doc/proxy-protocol.txt of HAProxy; sections are cited by its numbers).
package proxyproto

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
)

// Header is what a PROXY header says. Addresses that came in IPv6's form of
// an IPv4 address are IPv4 addresses.
type Header struct {
	// Version of the protocol, 1 or 2.
	Version int
	// Local says that the proxy speaks for itself: it sees whether anybody
	// is here.
	Local bool
	// Source is the client, Destination what it connected to. Both are valid
	// or neither is: then the connection's own addresses count, because the
	// header is Local, or of a protocol whose addresses are none of the
	// internet's.
	Source, Destination netip.AddrPort
}

// ErrMalformed is what every error about a header's bytes is.
var ErrMalformed = errors.New("malformed PROXY header")

// malformed returns an ErrMalformed that says what is wrong.
func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, args...))
}

// start is how many bytes tell the versions apart. A header of either is
// longer.
const start = 12

// Read reads a header and not one byte more. It takes at most 4,112 bytes. The
// error is ErrMalformed, io.EOF where nothing came at all,
// io.ErrUnexpectedEOF, or the reader's: the caller bounds the time.
func Read(r io.Reader) (Header, error) {
	var b [start]byte
	v2 := false
	for n := 0; n < start; {
		m, err := r.Read(b[n:])
		n += m
		one := prefix(b[:n], tag1)
		v2 = prefix(b[:n], signature2)
		switch {
		case n > 0 && !one && !v2: // at once: nobody waits for the rest of something else
			return Header{}, malformed("it begins with %q", b[:n])
		case n == start:
		case err == io.EOF && n > 0:
			return Header{}, io.ErrUnexpectedEOF
		case err != nil:
			return Header{}, err
		}
	}
	if v2 {
		return read2(r)
	}
	return read1(r, b[:])
}

// prefix reports whether b and whole agree as far as both go.
func prefix(b []byte, whole string) bool {
	n := min(len(b), len(whole))
	return string(b[:n]) == whole[:n]
}

// full reads all of p.
func full(r io.Reader, p []byte) error {
	_, err := io.ReadFull(r, p)
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// pair returns a Header of two addresses.
func pair(version int, source, destination netip.AddrPort) Header {
	return Header{Version: version, Source: unmap(source), Destination: unmap(destination)}
}

func unmap(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }
