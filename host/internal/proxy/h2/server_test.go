package h2

import (
	"strings"
	"testing"
)

func TestPreface(t *testing.T) {
	for text, ok := range map[string]bool{
		Preface: true, Preface + "more": true, "": false, Preface[:23]: false, "GET / HTTP/1.1\r\nHost: xyz\r\n": false,
	} {
		if err := ReadPreface(strings.NewReader(text)); (err == nil) != ok {
			t.Errorf("ReadPreface(%q): %v, and whether it is a preface should be %v", text, err, ok)
		}
	}
}
