package bench

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"
)

// answer is a small response, as of an API.
var answer = bytes.Repeat([]byte(`{"id":1,"name":"small"}`+"\n"), 8)

// upstream serves answer over keep-alive connections on a free port.
func upstream(b *testing.B) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Write(answer)
	})}
	served := make(chan struct{})
	go func() {
		defer close(served)
		srv.Serve(l)
	}()
	b.Cleanup(func() {
		srv.Close()
		<-served
	})
	return "http://" + l.Addr().String()
}

// request is what every client sends: the headers of an ordinary client.
const request = "GET /api/items/1 HTTP/1.1\r\nHost: bench.example\r\nUser-Agent: bench\r\nAccept: application/json\r\n" +
	"Accept-Encoding: identity\r\n\r\n"

// load sends n requests over that many keep-alive connections, each one
// request at a time, and returns the first failure.
func load(addr string, conns, n int) error {
	var wg sync.WaitGroup
	errs := make(chan error, conns)
	for i := range conns {
		share := n / conns
		if i < n%conns {
			share++
		}
		wg.Go(func() { errs <- client(addr, share) })
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func client(addr string, n int) error {
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(5 * time.Minute))
	br := bufio.NewReader(nc)
	for i := range n {
		if _, err := io.WriteString(nc, request); err != nil {
			return fmt.Errorf("request %d: %w", i, err)
		}
		if err := response(br); err != nil {
			return fmt.Errorf("response %d: %w", i, err)
		}
	}
	return nil
}

var contentLength = []byte("Content-Length: ")

// response reads one answer the cheap way: the client must not be what is
// measured.
func response(br *bufio.Reader) error {
	line, err := br.ReadSlice('\n')
	if err != nil {
		return err
	}
	if !bytes.HasPrefix(line, []byte("HTTP/1.1 200 ")) {
		return fmt.Errorf("status line %q", line)
	}
	length := -1
	for len(line) > 2 {
		if line, err = br.ReadSlice('\n'); err != nil {
			return err
		}
		if v, ok := bytes.CutPrefix(line, contentLength); ok {
			fmt.Sscanf(string(v), "%d", &length)
		}
	}
	if length != len(answer) {
		return fmt.Errorf("content length %d, want %d", length, len(answer))
	}
	_, err = br.Discard(length)
	return err
}
