package proxyproto

import (
	"bytes"
	"io"
	"net/netip"
	"strconv"
	"strings"
)

// tag1 is how a header of version 1 begins.
const tag1 = "PROXY "

// longest1 is the longest line with its end (section 2.1).
const longest1 = 107

const unknown1 = "PROXY UNKNOWN"

// read1 reads the rest of a line that begins with head. Of a line in text only
// its end tells how long it is; it reads as many bytes at a time as every line
// that begins so must still have.
func read1(r io.Reader, head []byte) (Header, error) {
	var buf [longest1]byte
	line := buf[:copy(buf[:], head)]
	for {
		if i := bytes.IndexByte(line, '\n'); i >= 0 {
			return parse1(line)
		}
		n := missing(line)
		if len(line)+n > longest1 {
			return Header{}, malformed("a line of more than %d bytes", longest1)
		}
		if err := full(r, line[len(line):len(line)+n]); err != nil {
			return Header{}, err
		}
		line = line[:len(line)+n]
	}
}

// missing is how many bytes a line without an end lacks at least: its end, and
// where it has fields, a byte for each that is still to come and for the space
// before it.
func missing(line []byte) int {
	last := line[len(line)-1]
	switch {
	case last == '\r':
		return 1
	case bytes.HasPrefix(line, []byte(unknown1)):
		return 2
	case prefix(line, unknown1):
		return len(unknown1) - len(line) + 2
	}
	n := 2*max(5-bytes.Count(line, []byte(" ")), 0) + 2
	if last == ' ' {
		n++
	}
	return n
}

// parse1 parses a line with its end.
func parse1(b []byte) (Header, error) {
	line, ok := strings.CutSuffix(string(b), "\r\n")
	if !ok || strings.ContainsAny(line, "\r\n") {
		return Header{}, malformed("the line %q does not end with CR and LF", b)
	}
	if line == unknown1 || strings.HasPrefix(line, unknown1+" ") {
		return Header{Version: 1}, nil
	}
	f := strings.Split(line, " ")
	if len(f) != 6 {
		return Header{}, malformed("%d fields in place of 6 in %q", len(f), line)
	}
	if f[1] != "TCP4" && f[1] != "TCP6" {
		return Header{}, malformed("protocol %q is none of TCP4, TCP6, UNKNOWN", f[1])
	}
	source, err := address1(f[1], f[2], f[4])
	if err != nil {
		return Header{}, err
	}
	destination, err := address1(f[1], f[3], f[5])
	if err != nil {
		return Header{}, err
	}
	return pair(1, source, destination), nil
}

// address1 parses an address and a port, both in canonical form.
func address1(family, addr, port string) (netip.AddrPort, error) {
	a, err := netip.ParseAddr(addr)
	if err != nil || a.Zone() != "" || a.Is4() != (family == "TCP4") {
		return netip.AddrPort{}, malformed("%q is no address of %s", addr, family)
	}
	p, err := strconv.ParseUint(port, 10, 16)
	if err != nil || strconv.FormatUint(p, 10) != port {
		return netip.AddrPort{}, malformed("%q is no port", port)
	}
	return netip.AddrPortFrom(a, uint16(p)), nil
}
