package main

import (
	"bufio"
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
)

// answer is a small response, as of an API.
var answer = bytes.Repeat([]byte(`{"id":1,"name":"small"}`+"\n"), 8)

// serveUpstream answers requests on a free port, which it prints, until its
// input ends. WebSockets get their messages back.
func serveUpstream(until io.Reader, out io.Writer) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Fprintln(out, l.Addr())
	srv := &http.Server{Handler: http.HandlerFunc(respond)}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	if _, err := io.Copy(io.Discard, until); err != nil {
		return err
	}
	srv.Close()
	if err := <-served; err != http.ErrServerClosed {
		return err
	}
	return nil
}

func respond(w http.ResponseWriter, r *http.Request) {
	if strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		if err := echo(w, r); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
		}
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Write(answer)
}

// echo speaks RFC 6455 as far as this load does: short messages in one frame.
// An error means that nothing was answered yet.
func echo(w http.ResponseWriter, r *http.Request) error {
	nc, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return err
	}
	defer nc.Close()
	fmt.Fprintf(nc, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Accept: %s\r\n\r\n", acceptKey(r.Header.Get("Sec-WebSocket-Key")))
	for {
		message, err := readMasked(rw.Reader)
		if err != nil {
			return nil // the client has gone; the answer is long sent
		}
		if _, err := nc.Write(append([]byte{0x81, byte(len(message))}, message...)); err != nil {
			return nil
		}
	}
}

// acceptKey is Sec-WebSocket-Accept (RFC 6455 section 4.2.2).
func acceptKey(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// readMasked reads one text frame of a client, of at most 125 bytes.
func readMasked(br *bufio.Reader) ([]byte, error) {
	var head [6]byte
	if _, err := io.ReadFull(br, head[:]); err != nil {
		return nil, err
	}
	n := int(head[1] & 0x7f)
	if head[0] != 0x81 || head[1]&0x80 == 0 || n > 125 {
		return nil, fmt.Errorf("frame % x is no short masked text", head[:2])
	}
	message := make([]byte, n)
	if _, err := io.ReadFull(br, message); err != nil {
		return nil, err
	}
	for i := range message {
		message[i] ^= head[2+i%4]
	}
	return message, nil
}
