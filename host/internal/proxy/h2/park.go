package h2

//lint:file-ignore SA1019 see server.go

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"time"

	"golang.org/x/net/http2"

	"idlehost/host/internal/idle"
	"idlehost/host/internal/policy"
	"idlehost/host/internal/proxy/leantls"
)

// longAgo is a deadline that has passed.
var longAgo = time.Unix(1, 0)

// serve runs a server until the session ends or is parked. early is what has
// been read from the client, from a frame's boundary on; first says that there
// was no server before.
func (s *session) serve(early []byte, first bool) {
	for ; ; first = false {
		h := newConn(s, early)
		opts := &http2.ServeConnOpts{Context: s.ctx, BaseConfig: s.server.base, SawClientPreface: true}
		if !first {
			h.resume()
			opts.Settings = s.payload()
			if deficit := s.deficit(); deficit > 0 {
				opts.Handler = deficitFiller{s, deficit, s.server.base.Handler}
			}
		}
		early = nil
		var served net.Conn = h
		if t, ok := s.nc.(*tls.Conn); ok {
			served = secureConn{h, t}
		}
		s.server.http.ServeConn(served, opts)
		if !h.asleep.Load() {
			return
		}
		h.keep()
		s.idle.SetEnder(nil) // it holds the layer
		if s.park() {
			return
		}
	}
}

// park gives the session to the Governor, if that takes it.
func (s *session) park() bool {
	if t, ok := s.nc.(*tls.Conn); ok {
		leantls.Release(t)
	}
	return s.idle.Park(s)
}

// Wake is called by the Governor: there is something to read.
func (s *session) Wake(c *idle.Conn) {
	if !s.server.begin(s.attend) {
		c.Close()
	}
}

// Finish is called by the Governor: the session is to be ended.
func (s *session) Finish(c *idle.Conn, r policy.Reason) {
	if r == policy.ReasonPeer || !s.server.begin(s.leave) {
		c.Close()
	}
}

// leave sends GOAWAY and closes.
func (s *session) leave() {
	f := goAway(s.last)
	s.nc.SetWriteDeadline(time.Now().Add(goAwayTimeout))
	s.nc.Write(f[:])
	s.nc.Close()
}

// attend reads what has woken the session. It answers frames that need no server
// and parks the session again, or has a new server serve it.
func (s *session) attend() {
	buf := s.server.buffers.Get().(*controlBuffers)
	early, err := s.handle(buf)
	if len(early) > 0 {
		early = append([]byte(nil), early...)
	}
	s.server.buffers.Put(buf)
	switch {
	case err == nil && s.park():
	case err == nil || errors.Is(err, errBusy):
		s.serve(early, false)
	case s.ended():
		s.leave()
	default:
		s.nc.Close()
	}
}

// errBusy says that a session needs a server.
var errBusy = errors.New("session needs a server")

func (s *session) ended() bool {
	_, ended := s.idle.Ending()
	return ended
}

// handle reads until nothing is left and answers. early is what needs a server
// (errBusy). Over TLS it reads until crypto/tls holds no bytes either, since no
// event of the socket would tell of those.
func (s *session) handle(buf *controlBuffers) (early []byte, err error) {
	s.idle.Doze()
	n, err := s.nc.Read(buf.in[:])
	s.idle.Rouse()
	_, secured := s.nc.(*tls.Conn)
	for n > 0 {
		buf.out = buf.out[:0]
		rest, frames := s.control(buf.in[:n], buf)
		if werr := s.reply(buf.out); werr != nil {
			return nil, werr
		}
		if len(rest) > 0 || !s.rate.add(frames, time.Now()) {
			return rest, errBusy
		}
		if err != nil || !secured {
			break
		}
		n, err = s.readNow(buf.in[:])
	}
	if err != nil && (errors.Is(err, idle.ErrPark) || isTimeout(err) && !s.ended()) {
		err = nil
	}
	return nil, err
}

// readNow reads without waiting.
func (s *session) readNow(p []byte) (int, error) {
	s.nc.SetReadDeadline(longAgo)
	n, err := s.nc.Read(p)
	s.nc.SetReadDeadline(time.Time{})
	return n, err
}

// reply writes to a client that is expected to read.
func (s *session) reply(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	s.nc.SetWriteDeadline(time.Now().Add(goAwayTimeout))
	_, err := s.nc.Write(b)
	s.nc.SetWriteDeadline(time.Time{})
	return err
}

func isTimeout(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}

var (
	_ idle.Sleeper = (*session)(nil)
	_ io.Closer    = (*Conn)(nil)
)
