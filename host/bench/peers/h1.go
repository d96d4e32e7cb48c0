package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"
)

// Requests have the headers of an ordinary client.
const (
	requestHead = "GET /api/items/1 HTTP/1.1\r\nHost: bench.example\r\nUser-Agent: peers\r\nAccept: application/json\r\n" +
		"Accept-Encoding: identity\r\n"
	requestKeep = requestHead + "\r\n"
	requestLast = requestHead + "Connection: close\r\n\r\n"
)

// h1Peer is a keep-alive connection.
type h1Peer struct{ nc net.Conn }

// Ask implements peer.
func (p *h1Peer) Ask() error {
	p.nc.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(p.nc, requestKeep); err != nil {
		return err
	}
	br := borrow(p.nc)
	return errors.Join(readAnswer(br), giveBack(br))
}

// askLast sends a request that is the connection's only one, and waits for the
// proxy to close.
func (p *h1Peer) askLast() error {
	p.nc.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(p.nc, requestLast); err != nil {
		return err
	}
	br := borrow(p.nc)
	err := readAnswer(br)
	if err == nil {
		_, err = br.ReadByte()
	}
	if err = errors.Join(giveBack(br), ignoreEOF(err)); err != nil {
		return err
	}
	return nil
}

// Close implements peer.
func (p *h1Peer) Close() error { return p.nc.Close() }

func ignoreEOF(err error) error {
	if err == io.EOF {
		return nil
	}
	return err
}

// readAnswer reads one answer the cheap way: the client must not be what is
// measured.
func readAnswer(br *bufio.Reader) error {
	length, err := readHead(br, "200")
	if err != nil {
		return err
	}
	if length != len(answer) {
		return fmt.Errorf("content length %d, want %d", length, len(answer))
	}
	_, err = br.Discard(length)
	return noEOF(err)
}

// noEOF: what ends within an answer is an error of another kind than what ends
// after it.
func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

var contentLength = []byte("content-length:")

// readHead reads the header section of an answer with that status; length is
// -1 where none is told.
func readHead(br *bufio.Reader, status string) (length int, err error) {
	line, err := br.ReadSlice('\n')
	if err != nil {
		return 0, noEOF(err)
	}
	if !bytes.HasPrefix(line, []byte("HTTP/1.1 "+status)) {
		return 0, fmt.Errorf("status line %q, want %s", line, status)
	}
	length = -1
	for len(line) > 2 {
		if line, err = br.ReadSlice('\n'); err != nil {
			return 0, noEOF(err)
		}
		if n := len(contentLength); len(line) > n && bytes.EqualFold(line[:n], contentLength) {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(line[n:]))); err != nil {
				return 0, fmt.Errorf("header %q: %w", line, err)
			}
		}
	}
	return length, nil
}
