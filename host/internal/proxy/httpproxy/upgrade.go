package httpproxy

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"

	"golang.org/x/net/http/httpguts"

	"idlehost/host/internal/idle"
	"idlehost/host/internal/proxy/tunnel"
	"idlehost/sdk/abi"
)

// errUpgraded tells ReverseProxy, and fail, that the connection does not speak HTTP
// any more and gets no answer.
var errUpgraded = errors.New("connection was upgraded")

// upgrade gives the client's and the upstream's connection to a tunnel. It
// stands for ReverseProxy's own handling, which would keep the request, its
// handler's goroutine and four buffers for as long as the tunnel lasts. The
// error is errUpgraded, or says why the upstream's answer cannot be passed on.
func (h *Handler) upgrade(x *exchange, res *http.Response) error {
	up, err := x.upgradable(res)
	if err != nil {
		return err
	}
	nc, brw, err := http.NewResponseController(x.w).Hijack()
	if err != nil {
		return fmt.Errorf("take over the client's connection: %w", err)
	}
	res.Body = http.NoBody // what ReverseProxy closes
	down, ok := bare(nc)
	if !ok {
		nc.Close()
		up.Stream.Close()
		return errUpgraded
	}
	for _, c := range []*idle.Conn{down.Conn, up.Conn} {
		c.SetProtocol(abi.ProtocolWebSocket)
		c.SetPhase(abi.PhaseTunnel)
	}
	if err := x.switching(brw.Writer, res); err != nil {
		h.log.Debug("client broke off an upgrade", slog.Uint64("conn", down.Conn.ID()), slog.String("error", err.Error()))
		down.Stream.Close()
		up.Stream.Close()
		return errUpgraded
	}
	down.Early, _ = brw.Reader.Peek(brw.Reader.Buffered()) // sent without waiting for the answer
	h.tunnels.Open(down, up)
	return errUpgraded
}

// upgradable checks an answer of status 101 against the request (RFC 9110
// section 7.8) and returns the upstream's end.
func (x *exchange) upgradable(res *http.Response) (up tunnel.End, err error) {
	asked, got := upgradeType(res.Request.Header), upgradeType(res.Header)
	switch {
	case x.session.h2 || asked == "":
		return up, errors.New("the upstream switched protocols without being asked to")
	case !printable(got) || !strings.EqualFold(asked, got):
		return up, fmt.Errorf("the upstream switched to protocol %q when %q was asked for", got, asked)
	case x.HasBody && !x.body.complete():
		return up, errors.New("the upstream switched protocols before the request's content was sent")
	}
	nc, early, err := x.Detach(res.Body)
	if err != nil {
		return up, fmt.Errorf("take over the upstream's connection: %w", err)
	}
	stream, ok := nc.(tunnel.Stream)
	if !ok {
		return up, errors.New("the upstream's connection does not half close")
	}
	return tunnel.End{Conn: idle.From(nc), Stream: stream, Early: early}, nil
}

func upgradeType(h http.Header) string {
	if !httpguts.HeaderValuesContainsToken(h["Connection"], "Upgrade") {
		return ""
	}
	return h.Get("Upgrade")
}

func printable(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// switching writes the answer's header section to the client.
func (x *exchange) switching(w *bufio.Writer, res *http.Response) error {
	hd := x.w.Header()
	hd.Del("Connection") // it was said of the connection as one of HTTP
	for k, v := range res.Header {
		hd[k] = append(hd[k], v...)
	}
	answer := *res
	answer.Header, answer.Body = hd, nil
	if err := answer.Write(w); err != nil {
		return err
	}
	return w.Flush()
}

// bare returns the client's end without the wrapper of HTTP/1, which holds no bytes
// any more.
func bare(nc net.Conn) (tunnel.End, bool) {
	c := idle.From(nc)
	for nc != nil && c != nil {
		switch s := nc.(type) {
		case *tls.Conn:
			return tunnel.End{Conn: c, Stream: s}, true
		case *idle.Conn:
			return tunnel.End{Conn: c, Stream: s}, true
		}
		u, ok := nc.(interface{ NetConn() net.Conn })
		if !ok {
			break
		}
		nc = u.NetConn()
	}
	return tunnel.End{}, false
}
