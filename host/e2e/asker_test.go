package e2e

//lint:file-ignore SA1019 a client on a connection that a test has made itself

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"idlehost/host/e2e/hosttest"
)

// asker asks for a host on a connection that stays the same, and returns what
// the backend said, or the status where that is not 200.
type asker func(host string) string

// word makes the answer of an asker.
func word(resp *http.Response, err error) string {
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return err.Error()
	case resp.StatusCode != http.StatusOK:
		return fmt.Sprint(resp.StatusCode)
	}
	return strings.TrimSpace(string(text))
}

// connect opens a connection to an address, from another one of this machine
// unless that is empty.
func connect(t *testing.T, from, addr string) net.Conn {
	t.Helper()
	d := net.Dialer{Timeout: hosttest.Patience}
	if from != "" {
		d.LocalAddr = &net.TCPAddr{IP: net.ParseIP(from)}
	}
	c, err := d.DialContext(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(2 * hosttest.Patience))
	return c
}

func askH1(t *testing.T, addr string) asker {
	t.Helper()
	return askOn(connect(t, "", addr))
}

// askOn asks on a connection over HTTP/1.
func askOn(c net.Conn) asker {
	br := bufio.NewReader(c)
	return func(host string) string {
		if _, err := fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", host); err != nil {
			return err.Error()
		}
		return word(http.ReadResponse(br, nil))
	}
}

func askH2(t *testing.T, addr string) asker {
	t.Helper()
	return askH2On(t, connect(t, "", addr))
}

func askH2On(t *testing.T, c net.Conn) asker {
	t.Helper()
	session, err := (&http2.Transport{AllowHTTP: true}).NewClientConn(c)
	if err != nil {
		t.Fatal(err)
	}
	return func(host string) string {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+host+"/", nil)
		if err != nil {
			return err.Error()
		}
		return word(session.RoundTrip(req))
	}
}
