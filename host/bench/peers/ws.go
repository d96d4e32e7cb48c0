package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// wsPeer is a WebSocket.
type wsPeer struct{ nc net.Conn }

const upgrade = "GET /socket HTTP/1.1\r\nHost: bench.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

// message is what a WebSocket sends, and gets back.
const message = "a message of thirty-two bytes..."

func openWS(nc net.Conn) (*wsPeer, error) {
	if _, err := io.WriteString(nc, upgrade); err != nil {
		return nil, err
	}
	br := borrow(nc)
	_, err := readHead(br, "101")
	return &wsPeer{nc}, errors.Join(err, giveBack(br))
}

// Ask implements peer.
func (p *wsPeer) Ask() error {
	p.nc.SetDeadline(time.Now().Add(patience))
	frame := append([]byte{0x81, 0x80 | byte(len(message)), 1, 2, 3, 4}, message...)
	for i := range len(message) {
		frame[6+i] ^= frame[2+i%4]
	}
	if _, err := p.nc.Write(frame); err != nil {
		return err
	}
	var back [2 + len(message)]byte
	if _, err := io.ReadFull(p.nc, back[:]); err != nil {
		return noEOF(err)
	}
	if back[0] != 0x81 || int(back[1]) != len(message) || string(back[2:]) != message {
		return fmt.Errorf("echo is %q, want %q", back[:], message)
	}
	return nil
}

// Close implements peer.
func (p *wsPeer) Close() error { return p.nc.Close() }
