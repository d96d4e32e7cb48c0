package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// Frames and flags of RFC 9113 section 6 that the client knows.
const (
	frameData     = 0
	frameHeaders  = 1
	frameReset    = 3
	frameSettings = 4
	framePing     = 6
	frameGoAway   = 7
	frameWindow   = 8

	flagEndStream  = 0x1
	flagAck        = 0x1
	flagEndHeaders = 0x4
	flagPadded     = 0x8
	flagPriority   = 0x20
)

const maxFrame = 16384 // as SETTINGS_MAX_FRAME_SIZE is, untold

// h2Peer is an HTTP/2 connection with one stream at a time and without a header
// table: its requests are the same octets each time.
type h2Peer struct {
	nc     net.Conn
	block  []byte // header section of a request
	stream uint32 // last one
	taken  uint32 // octets of DATA since the last WINDOW_UPDATE of the connection
}

// frame is one frame.
type frame struct {
	kind, flags byte
	stream      uint32
	payload     []byte
}

// openH2 sets up a session: each side has acknowledged the other's settings.
func openH2(nc net.Conn, secure bool) (*h2Peer, error) {
	p := &h2Peer{nc: nc, block: requestBlock(secure)}
	hello := append([]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), appendFrame(nil, frameSettings, 0, 0, nil)...)
	if _, err := nc.Write(hello); err != nil {
		return nil, err
	}
	for theirs, ours := false, false; !theirs || !ours; {
		f, err := p.read()
		if err != nil {
			return nil, fmt.Errorf("settings: %w", err)
		}
		if f.kind != frameSettings {
			continue
		}
		ours = ours || f.flags&flagAck != 0
		theirs = theirs || f.flags&flagAck == 0
	}
	return p, nil
}

// requestBlock is RFC 7541 without the dynamic table: static entries and
// literals.
func requestBlock(secure bool) []byte {
	b := []byte{0x82, 0x86} // GET, http
	if secure {
		b[1] = 0x87
	}
	for _, f := range []struct {
		index byte // of the name in the static table, Appendix A
		value string
	}{{4, "/api/items/1"}, {1, "bench.example"}, {58, "peers"}, {19, "application/json"}, {16, "identity"}} {
		if f.index < 15 {
			b = append(b, f.index)
		} else {
			b = append(b, 15, f.index-15)
		}
		b = append(append(b, byte(len(f.value))), f.value...)
	}
	return b
}

func appendFrame(b []byte, kind, flags byte, stream uint32, payload []byte) []byte {
	b = append(b, byte(len(payload)>>16), byte(len(payload)>>8), byte(len(payload)), kind, flags)
	b = binary.BigEndian.AppendUint32(b, stream)
	return append(b, payload...)
}

// Ask implements peer.
func (p *h2Peer) Ask() error {
	p.nc.SetDeadline(time.Now().Add(patience))
	if p.stream == 0 {
		p.stream = 1
	} else {
		p.stream += 2
	}
	var out []byte
	if p.taken >= 1<<14 {
		out = appendFrame(out, frameWindow, 0, 0, binary.BigEndian.AppendUint32(nil, p.taken))
		p.taken = 0
	}
	out = appendFrame(out, frameHeaders, flagEndHeaders|flagEndStream, p.stream, p.block)
	if _, err := p.nc.Write(out); err != nil {
		return err
	}
	return p.answer()
}

// answer reads up to the end of the last stream.
func (p *h2Peer) answer() error {
	status, length := false, 0
	for {
		f, err := p.read()
		if err != nil {
			return err
		}
		switch {
		case f.kind == frameData && f.stream == p.stream:
			p.taken += uint32(len(f.payload))
			length += len(f.unpadded())
		case f.kind == frameHeaders && f.stream == p.stream && !status:
			if status = ok(f.unpadded()); !status {
				return fmt.Errorf("stream %d: header section % x does not begin with status 200", f.stream, f.payload)
			}
		case f.kind == frameReset && f.stream == p.stream, f.kind == frameGoAway:
			return fmt.Errorf("stream %d: frame of kind %d instead of an answer: % x", p.stream, f.kind, f.payload)
		}
		if f.stream == p.stream && f.kind <= frameHeaders && f.flags&flagEndStream != 0 {
			if !status || length != len(answer) {
				return fmt.Errorf("stream %d: answer of %d bytes, want %d", p.stream, length, len(answer))
			}
			return nil
		}
	}
}

// ok tells whether a header section begins with :status 200, which is one
// octet, after changes of the size of a table that is not used.
func ok(block []byte) bool {
	for len(block) > 0 && block[0]&0xe0 == 0x20 {
		long := block[0] == 0x3f
		for block = block[1:]; long && len(block) > 0; block = block[1:] {
			long = block[0]&0x80 != 0
		}
	}
	return len(block) > 0 && block[0] == 0x88
}

// unpadded returns the payload of HEADERS or DATA without padding and priority.
func (f frame) unpadded() []byte {
	b := f.payload
	if f.flags&flagPadded != 0 && len(b) > 0 {
		pad := int(b[0])
		b = b[1:max(len(b)-pad, 1)]
	}
	if f.kind == frameHeaders && f.flags&flagPriority != 0 {
		b = b[min(5, len(b)):]
	}
	return b
}

// read returns the next frame, and answers those that want it.
func (p *h2Peer) read() (frame, error) {
	var head [9]byte
	if _, err := io.ReadFull(p.nc, head[:]); err != nil {
		return frame{}, noEOF(err)
	}
	n := int(head[0])<<16 | int(head[1])<<8 | int(head[2])
	if n > maxFrame {
		return frame{}, fmt.Errorf("frame of %d bytes", n)
	}
	f := frame{head[3], head[4], binary.BigEndian.Uint32(head[5:]) &^ (1 << 31), make([]byte, n)}
	if _, err := io.ReadFull(p.nc, f.payload); err != nil {
		return frame{}, noEOF(err)
	}
	var err error
	if ack := f.flags&flagAck != 0; f.kind == frameSettings && !ack {
		_, err = p.nc.Write(appendFrame(nil, frameSettings, flagAck, 0, nil))
	} else if f.kind == framePing && !ack {
		_, err = p.nc.Write(appendFrame(nil, framePing, flagAck, 0, f.payload))
	}
	return f, err
}

// Close implements peer.
func (p *h2Peer) Close() error {
	last := appendFrame(nil, frameGoAway, 0, 0, make([]byte, 8))
	p.nc.SetDeadline(time.Now().Add(patience))
	_, err := p.nc.Write(last)
	return errors.Join(err, p.nc.Close())
}
