package leantls

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	"idlehost/host/internal/testnet"
)

// TestOpenSSL serves a client that nobody here wrote, in every suite of
// TLS 1.3, with key updates of both sorts.
func TestOpenSSL(t *testing.T) {
	path, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not installed")
	}
	for _, s := range []struct {
		suite uint16
		min   int
	}{
		{tls.TLS_AES_128_GCM_SHA256, gcmBytes},
		{tls.TLS_AES_256_GCM_SHA384, gcmBytes},
		{tls.TLS_CHACHA20_POLY1305_SHA256, 1},
	} {
		t.Run(tls.CipherSuiteName(s.suite), func(t *testing.T) { talk(t, path, s.suite, s.min) })
	}
}

// talk exchanges lines; after each the server releases at least min bytes.
func talk(t *testing.T, openssl string, suite uint16, least int) {
	sc, _ := kinds[0].ends(t)
	l, err := tls.Listen("tcp", "127.0.0.1:0", sc)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	served := make(chan error, 1)
	go func() { served <- serveLines(l.Accept, suite, least) }()

	ctx, cancel := context.WithTimeout(t.Context(), testnet.Patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, openssl, "s_client", "-connect", l.Addr().String(), "-tls1_3",
		"-ciphersuites", tls.CipherSuiteName(suite))
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	lines := bufio.NewScanner(out)
	say := func(line, want string) {
		fmt.Fprintln(in, line)
		for lines.Scan() && !strings.Contains(lines.Text(), want) {
		}
		if !strings.Contains(lines.Text(), want) {
			t.Fatalf("no answer to %q: %v", line, lines.Err())
		}
	}
	for i := range 12 {
		say(fmt.Sprintf("line %d", i), fmt.Sprintf("echo: line %d", i))
		// what begins with k or K is a command: update our keys, and with K
		// demand that the server update its
		if i%3 > 0 {
			say([]string{"", "k", "K"}[i%3], "KEYUPDATE")
		}
	}
	in.Close()
	cmd.Process.Kill()
	if err := <-served; err != nil {
		t.Error(err)
	}
}

func serveLines(accept func() (net.Conn, error), suite uint16, least int) error {
	nc, err := accept()
	if err != nil {
		return err
	}
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(testnet.Patience))
	c := nc.(*tls.Conn)
	b := make([]byte, 100)
	for n := 0; ; n++ {
		m, err := c.Read(b)
		if err != nil {
			if n == 12 {
				return nil
			}
			return fmt.Errorf("line %d: %w", n, err)
		}
		if got := c.ConnectionState().CipherSuite; got != suite {
			return fmt.Errorf("negotiated %s", tls.CipherSuiteName(got))
		}
		if freed := Release(c); freed < least {
			return fmt.Errorf("line %d: released %d bytes, want at least %d", n, freed, least)
		}
		if _, err := io.WriteString(c, "echo: "+strings.TrimSpace(string(b[:m]))+"\n"); err != nil {
			return err
		}
		Release(c)
	}
}
