package main

import (
	"bufio"
	"io"
	"strings"
	"testing"
)

func TestReadHead(t *testing.T) {
	for text, want := range map[string]struct {
		length int
		fine   bool
	}{
		"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n":         {12, true},
		"HTTP/1.1 200\r\nserver: x\r\ncontent-length:7\r\n\r\n": {7, true},
		"HTTP/1.1 200 OK\r\n\r\n":                               {-1, true},
		"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n": {0, false},
		"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n":       {0, false},
		"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n":              {0, false},
		"": {0, false},
		"HTTP/1.1 200 " + strings.Repeat("x", 5000) + "\r\n\r\nbody": {0, false},
	} {
		n, err := readHead(bufio.NewReaderSize(strings.NewReader(text), 4096), "200")
		if (err == nil) != want.fine || err == nil && n != want.length {
			t.Errorf("readHead(%.40q) = %d, %v; want %d, %v", text, n, err, want.length, want.fine)
		}
		if err == io.EOF {
			t.Errorf("readHead(%.40q): an end within an answer looks like one after it", text)
		}
	}
}

func FuzzReadAnswer(f *testing.F) {
	f.Add("HTTP/1.1 200 OK\r\nContent-Length: 192\r\n\r\n" + string(answer))
	f.Add("HTTP/1.1 200 OK\r\ncontent-length:\r\n\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		r := strings.NewReader(text)
		if err := readAnswer(bufio.NewReader(r)); err == nil && len(text) < len(answer) {
			t.Errorf("%q is taken for an answer of %d bytes", text, len(answer))
		}
	})
}
