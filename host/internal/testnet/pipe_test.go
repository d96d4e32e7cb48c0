package testnet

import (
	"errors"
	"io"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

func TestPipe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Pipe(4)
		go func() {
			if _, err := a.Write([]byte("more than fits")); err != nil {
				t.Error(err)
			}
			a.CloseWrite()
		}()
		got, err := io.ReadAll(b)
		if err != nil || string(got) != "more than fits" {
			t.Fatalf("read %q, %v; want \"more than fits\"", got, err)
		}
		a.SetReadDeadline(time.Now().Add(time.Second))
		start := time.Now()
		if _, err := a.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != time.Second {
			t.Fatalf("%v after %v", err, time.Since(start))
		}
		a.SetReadDeadline(time.Time{})
		b.Close()
		if _, err := a.Read(make([]byte, 1)); err != io.EOF {
			t.Fatalf("Read: %v, want io.EOF", err)
		}
		b.SetWriteDeadline(time.Now().Add(time.Second))
		a.Close()
	})
}
