package main

import (
	"bufio"
	"bytes"
	"testing"
)

// TestAcceptKey is the example of RFC 6455 section 1.3.
func TestAcceptKey(t *testing.T) {
	if got, want := acceptKey("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="; got != want {
		t.Errorf("acceptKey = %q, want %q", got, want)
	}
}

func TestWSAsk(t *testing.T) {
	for name, c := range map[string]struct {
		echo string
		fine bool
	}{
		"echo":    {"\x81\x20" + message, true},
		"other":   {"\x81\x20" + message[1:] + "!", false},
		"close":   {"\x88\x02\x03\xe8" + message, false},
		"nothing": {"", false},
	} {
		w := new(wire).says([]byte(c.echo))
		if err := (&wsPeer{w}).Ask(); (err == nil) != c.fine {
			t.Errorf("%s: %v", name, err)
		}
		got, err := readMasked(bufio.NewReader(&w.out))
		if err != nil || string(got) != message {
			t.Errorf("%s: the upstream reads %q, %v", name, got, err)
		}
	}
}

func FuzzReadMasked(f *testing.F) {
	f.Add([]byte("\x81\x81\x01\x02\x03\x04a"))
	f.Add([]byte("\x81\xff\x01\x02\x03\x04a"))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := readMasked(bufio.NewReader(bytes.NewReader(b)))
		if err == nil && (len(m) > 125 || len(m)+6 > len(b)) {
			t.Errorf("message of %d bytes out of %d", len(m), len(b))
		}
	})
}
