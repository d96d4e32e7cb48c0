package proxyproto

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"net/netip"
	"strings"
	"testing"
	"testing/iotest"
)

// next follows every header: none of it may be read.
const next = "GET / HTTP/1.1\r\n"

// v2 builds a header of version 2.
func v2(command, family byte, block string) string {
	b := append([]byte(signature2), command, family)
	b = binary.BigEndian.AppendUint16(b, uint16(len(block)))
	return string(b) + block
}

// vector builds a vector.
func vector(kind byte, value string) string {
	return string(binary.BigEndian.AppendUint16([]byte{kind}, uint16(len(value)))) + value
}

// summed builds a header with addresses, vectors and a checksum of it.
func summed(family byte, block string) string {
	h := []byte(v2(proxy2, family, block+vector(typeCRC, "\x00\x00\x00\x00")))
	binary.BigEndian.PutUint32(h[len(h)-4:], crc32.Checksum(h, crc32.MakeTable(crc32.Castagnoli)))
	return string(h)
}

const (
	block4 = "\xc0\xa8\x00\x01" + "\xc0\xa8\x00\x0b" + "\xdc\x04" + "\x01\xbb" // the example of section 2.1
	block6 = "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01" +
		"\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02" + "\xff\xff" + "\x00\x50"
)

func addr(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

// good are headers and what they say.
var good = []struct {
	name, header string
	want         Header
}{
	{"example of section 2.1", "PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n",
		Header{Version: 1, Source: addr("192.168.0.1:56324"), Destination: addr("192.168.0.11:443")}},
	{"shortest of TCP4", "PROXY TCP4 1.1.1.1 1.1.1.1 0 0\r\n", Header{Version: 1, Source: addr("1.1.1.1:0"), Destination: addr("1.1.1.1:0")}},
	{"longest of TCP4", "PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n",
		Header{Version: 1, Source: addr("255.255.255.255:65535"), Destination: addr("255.255.255.255:65535")}},
	{"shortest of TCP6", "PROXY TCP6 :: :: 0 0\r\n", Header{Version: 1, Source: addr("[::]:0"), Destination: addr("[::]:0")}},
	{"longest of TCP6", "PROXY TCP6 " + strings.Repeat("ffff:", 7) + "ffff " + strings.Repeat("FFFF:", 7) + "FFFF 65535 65535\r\n",
		Header{Version: 1, Source: addr("[" + strings.Repeat("ffff:", 7) + "ffff]:65535"), Destination: addr("[" + strings.Repeat("ffff:", 7) + "ffff]:65535")}},
	{"mapped", "PROXY TCP6 ::ffff:192.0.2.1 ::ffff:c000:202 1 2\r\n",
		Header{Version: 1, Source: addr("192.0.2.1:1"), Destination: addr("192.0.2.2:2")}},
	{"unknown, short form", "PROXY UNKNOWN\r\n", Header{Version: 1}},
	{"unknown, worst case", "PROXY UNKNOWN " + strings.Repeat("ffff:", 7) + "ffff " + strings.Repeat("ffff:", 7) + "ffff 65535 65535\r\n", Header{Version: 1}},
	{"unknown, nonsense", "PROXY UNKNOWN \x00  nobody reads this \r\n", Header{Version: 1}},

	{"v2 TCP4", v2(proxy2, tcp4, block4), Header{Version: 2, Source: addr("192.168.0.1:56324"), Destination: addr("192.168.0.11:443")}},
	{"v2 TCP6", v2(proxy2, tcp6, block6), Header{Version: 2, Source: addr("[2001:db8::1]:65535"), Destination: addr("[2001:db8::2]:80")}},
	{"v2 vectors", v2(proxy2, tcp4, block4+vector(0x02, "a.example")+vector(0x04, "")+vector(0xea, "\x01vpce-1")),
		Header{Version: 2, Source: addr("192.168.0.1:56324"), Destination: addr("192.168.0.11:443")}},
	{"v2 checksum", summed(tcp6, block6+vector(0x05, "id")), Header{Version: 2, Source: addr("[2001:db8::1]:65535"), Destination: addr("[2001:db8::2]:80")}},
	{"v2 local", v2(local2, 0, ""), Header{Version: 2, Local: true}},
	{"v2 local with a block", v2(local2, tcp4, block4+"\xff"), Header{Version: 2, Local: true}},
	{"v2 local of a strange family", v2(local2, 0xf7, "what"), Header{Version: 2, Local: true}},
	{"v2 unspecified", v2(proxy2, 0, ""), Header{Version: 2}},
	{"v2 unspecified with a block", v2(proxy2, 0, "\x01\x02\x03"), Header{Version: 2}},
	{"v2 unspecified transport", v2(proxy2, 0x10, block4), Header{Version: 2}},
	{"v2 unspecified family", v2(proxy2, 0x01, block4), Header{Version: 2}},
	{"v2 UDP4", v2(proxy2, 0x12, block4), Header{Version: 2}},
	{"v2 UDP6", v2(proxy2, 0x22, block6), Header{Version: 2}},
	{"v2 unix stream", v2(proxy2, 0x31, strings.Repeat("/", 216)+vector(0x04, "x")), Header{Version: 2}},
	{"v2 unix datagram", v2(proxy2, 0x32, strings.Repeat("\x00", 216)), Header{Version: 2}},
	{"v2 longest", v2(proxy2, tcp4, block4+vector(0x04, strings.Repeat("x", longest2-12-3))),
		Header{Version: 2, Source: addr("192.168.0.1:56324"), Destination: addr("192.168.0.11:443")}},
}

// bad are no headers, and what the error says of them.
var bad = []struct{ name, header, says string }{
	{"a request", next, `begins with`},
	{"a ClientHello", "\x16\x03\x01\x02\x00", `begins with`},
	{"another preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", `begins with`},
	{"lower case", "proxy TCP4 192.0.2.1 192.0.2.2 1 2\r\n", `begins with`},
	{"two spaces", "PROXY  TCP4 192.0.2.1 192.0.2.2 1 2\r\n", "7 fields"},
	{"space at the end", "PROXY TCP4 192.0.2.1 192.0.2.2 1 2 \r\n", "7 fields"},
	{"a field too few", "PROXY TCP4 192.0.2.1 192.0.2.2 12345\r\n", "5 fields"},
	{"no address", "PROXY TCP4 TCP4 192.0.2.2 1 2\r\n", `"TCP4" is no address`},
	{"short protocol", "PROXY TCP 192.0.2.1 192.0.2.2 1 2\r\n", `protocol "TCP"`},
	{"unknown in another case", "PROXY Unknown 192.0.2.1 192.0.2.2 1 2\r\n", `protocol "Unknown"`},
	{"unknown and more", "PROXY UNKNOWNS\r\n", "2 fields"},
	{"family and address differ", "PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n", "no address of TCP4"},
	{"the other way", "PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n", "no address of TCP6"},
	{"octal", "PROXY TCP4 192.0.02.1 192.0.2.2 1 2\r\n", `"192.0.02.1"`},
	{"three numbers", "PROXY TCP4 192.0.2 192.0.2.2 1 2\r\n", `"192.0.2"`},
	{"zone", "PROXY TCP6 fe80::1%eth0 fe80::2 1 2\r\n", `%eth0`},
	{"port of 65536", "PROXY TCP4 192.0.2.1 192.0.2.2 65536 2\r\n", `"65536" is no port`},
	{"port with a zero", "PROXY TCP4 192.0.2.1 192.0.2.2 1 02\r\n", `"02" is no port`},
	{"port with a sign", "PROXY TCP4 192.0.2.1 192.0.2.2 +1 2\r\n", `"+1" is no port`},
	{"LF alone", "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n", "does not end with CR and LF"},
	{"CR inside", "PROXY TCP4 192.0.2.1 192.0.2.2 1 \r2\r\n", "does not end with CR and LF"},
	{"CR alone", "PROXY UNKNOWN\rx\r\n", "does not end with CR and LF"},
	{"too long", "PROXY UNKNOWN " + strings.Repeat("x", 92) + "\r\n", "more than 107"},
	{"endless", "PROXY UNKNOWN " + strings.Repeat("x", 1000), "more than 107"},

	{"v2 signature of another", "\r\n\r\n\x00\r\nQUIT\r", "begins with"},
	{"v2 version 1", v2(0x11, tcp4, block4), "version and command are 0x11"},
	{"v2 version 3", v2(0x31, tcp4, block4), "version and command are 0x31"},
	{"v2 command 2", v2(0x22, tcp4, block4), "version and command are 0x22"},
	{"v2 family 4", v2(proxy2, 0x41, block4), "family and protocol are 0x41"},
	{"v2 protocol 3", v2(proxy2, 0x13, block4), "family and protocol are 0x13"},
	{"v2 too long", v2(proxy2, tcp4, block4+strings.Repeat("\x00", 4085)), "4097 bytes"},
	{"v2 longest length", v2(local2, 0, strings.Repeat("\x00", 65535)), "65535 bytes"},
	{"v2 short TCP4", v2(proxy2, tcp4, block4[1:]), "11 bytes of addresses in place of 12"},
	{"v2 short TCP6", v2(proxy2, tcp6, block4), "12 bytes of addresses in place of 36"},
	{"v2 short unix", v2(proxy2, 0x31, strings.Repeat("x", 215)), "215 bytes of addresses in place of 216"},
	{"v2 half a vector", v2(proxy2, tcp4, block4+"\x04\x00"), "2 bytes are left for a vector"},
	{"v2 long vector", v2(proxy2, tcp4, block4+"\x04\x00\x05four"), "has 5 bytes, 4 are left"},
	{"v2 wrong checksum", v2(proxy2, tcp4, block4+vector(typeCRC, "\x01\x02\x03\x04")), "checksum 01020304 in place of"},
	{"v2 short checksum", v2(proxy2, tcp4, block4+vector(typeCRC, "\x01\x02\x03")), "not one of 4 bytes"},
	{"v2 two checksums", v2(proxy2, tcp4, block4+vector(typeCRC, "1234")+vector(typeCRC, "1234")), "not one of 4 bytes"},
}

func TestReadsExactlyTheHeader(t *testing.T) {
	for _, test := range good {
		for _, way := range ways {
			from := strings.NewReader(test.header + next)
			h, err := Read(way.of(from))
			if err != nil || h != test.want {
				t.Errorf("%s, %s: %+v, %v; want %+v", test.name, way.name, h, err, test.want)
			}
			if rest, _ := io.ReadAll(from); string(rest) != next {
				t.Errorf("%s, %s: %q is left", test.name, way.name, rest)
			}
		}
	}
}

// ways are how bytes may arrive.
var ways = []struct {
	name string
	of   func(io.Reader) io.Reader
}{
	{"at once", func(r io.Reader) io.Reader { return r }},
	{"byte by byte", iotest.OneByteReader},
	{"half by half", iotest.HalfReader},
}

func TestMalformedSaysWhy(t *testing.T) {
	for _, test := range bad {
		for _, way := range ways {
			h, err := Read(way.of(strings.NewReader(test.header + strings.Repeat("x", 200))))
			if !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), test.says) || h != (Header{}) {
				t.Errorf("%s, %s: %+v, %v; want ErrMalformed about %q", test.name, way.name, h, err, test.says)
			}
		}
	}
}

// A header that is cut short is told from none.
func TestCutShort(t *testing.T) {
	for _, test := range good {
		for n := range len(test.header) {
			want := io.ErrUnexpectedEOF
			if n == 0 {
				want = io.EOF
			}
			if _, err := Read(strings.NewReader(test.header[:n])); err != want {
				t.Fatalf("%s after %d bytes: %v", test.name, n, err)
			}
		}
	}
}

// What is no header is refused as soon as that shows: its sender may be
// waiting for an answer.
func TestNoWaitingForTheRestOfSomethingElse(t *testing.T) {
	for _, begin := range []string{"G", "PX", "\r\n\r\nx", "PROXY\t"} {
		r, w := io.Pipe()
		go io.WriteString(w, begin) // and never more
		if _, err := Read(r); !errors.Is(err, ErrMalformed) {
			t.Errorf("%q: %v, want ErrMalformed", begin, err)
		}
		r.Close()
	}
}

func TestReadersErrorIsPassedOn(t *testing.T) {
	broken := errors.New("broken")
	for _, header := range []string{"", "PRO", "PROXY TCP4 192.0", v2(proxy2, tcp4, block4)[:14], v2(proxy2, tcp4, block4)[:20]} {
		if _, err := Read(io.MultiReader(strings.NewReader(header), iotest.ErrReader(broken))); err != broken {
			t.Errorf("%q: %v, want the reader's error", header, err)
		}
	}
}

// A flipped bit of a header with a checksum never makes other addresses of it.
func TestChecksumFindsFlippedBits(t *testing.T) {
	h := summed(tcp4, block4)
	want, _ := Read(strings.NewReader(h))
	for i := range 8 * len(h) {
		b := []byte(h)
		b[i/8] ^= 1 << (i % 8)
		if got, err := Read(bytes.NewReader(b)); err == nil && got.Source.IsValid() && got != want {
			t.Errorf("bit %d: %+v", i, got)
		}
	}
}

// format is the inverse of Read for what it keeps.
func format(h Header) string {
	if h.Version == 1 {
		family := "TCP4"
		switch {
		case !h.Source.IsValid():
			return "PROXY UNKNOWN\r\n"
		case h.Source.Addr().Is6() || h.Destination.Addr().Is6():
			family = "TCP6"
		}
		text := func(a netip.Addr) string {
			if family == "TCP6" {
				return netip.AddrFrom16(a.As16()).String()
			}
			return a.String()
		}
		return "PROXY " + family + " " + text(h.Source.Addr()) + " " + text(h.Destination.Addr()) + " " +
			port(h.Source) + " " + port(h.Destination) + "\r\n"
	}
	switch {
	case h.Local:
		return v2(local2, 0, "")
	case !h.Source.IsValid():
		return v2(proxy2, 0, "")
	}
	s, d := h.Source.Addr().As16(), h.Destination.Addr().As16()
	b := append(s[:], d[:]...)
	b = binary.BigEndian.AppendUint16(b, h.Source.Port())
	return v2(proxy2, tcp6, string(binary.BigEndian.AppendUint16(b, h.Destination.Port())))
}

func port(a netip.AddrPort) string { return a.String()[strings.LastIndexByte(a.String(), ':')+1:] }

func FuzzRead(f *testing.F) {
	for _, test := range good {
		f.Add([]byte(test.header + next))
	}
	for _, test := range bad {
		f.Add([]byte(test.header))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		from := bytes.NewReader(b)
		h, err := Read(from)
		used := len(b) - from.Len()
		if used > fixed2+longest2 {
			t.Fatalf("%d bytes are read", used)
		}
		slow := bytes.NewReader(b)
		if again, err2 := Read(iotest.OneByteReader(slow)); again != h || (err2 == nil) != (err == nil) {
			t.Fatalf("byte by byte: %+v, %v; at once: %+v, %v", again, err2, h, err)
		}
		switch {
		case err != nil:
			if h != (Header{}) {
				t.Errorf("%+v with %v", h, err)
			}
			return
		case slow.Len() != from.Len():
			t.Errorf("%d and %d bytes are left", slow.Len(), from.Len())
		case h.Source.IsValid() != h.Destination.IsValid() || h.Local && h.Source.IsValid():
			t.Errorf("header %+v, want two addresses, or none if it is local", h)
		}
		// Not a byte less is a header, and not a byte more is needed.
		if _, err := Read(bytes.NewReader(b[:used-1])); err == nil {
			t.Error("without its last byte it is a header too")
		}
		if again, err := Read(strings.NewReader(format(h))); err != nil || again != h {
			t.Errorf("%+v becomes %+v, %v", h, again, err)
		}
	})
}

func BenchmarkRead(b *testing.B) {
	for _, test := range []struct{ name, header string }{{"v1", good[0].header}, {"v2", good[10].header}} {
		b.Run(test.name, func(b *testing.B) {
			b.ReportAllocs()
			r := strings.NewReader(test.header)
			for b.Loop() {
				r.Reset(test.header)
				if _, err := Read(r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
