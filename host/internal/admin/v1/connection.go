package v1

import (
	"net/http"

	"idlehost/host/internal/api"
)

func (c *call) connections() error {
	q, err := c.connectionQuery()
	if err != nil {
		return err
	}
	page, err := c.service.Connections(c.ctx(), c.of(), q)
	if err != nil {
		return err
	}
	c.listed(len(page.Items))
	return c.reply(http.StatusOK, whole(page))
}

func (c *call) connectionQuery() (q api.ConnectionQuery, err error) {
	read := func(f func() error) {
		if err == nil {
			err = f()
		}
	}
	read(func() (err error) { q.After, err = c.number("after"); return })
	read(func() (err error) { q.Limit, err = c.limit(); return })
	read(func() (err error) { q.Phase, err = c.choice("phase", phases()...); return })
	read(func() (err error) { q.Side, err = c.choice("side", sides()...); return })
	read(func() (err error) { q.Protocol, err = c.choice("protocol", protocols()...); return })
	read(func() (err error) { q.Client, err = c.address("client"); return })
	read(func() (err error) { q.MinIdle, err = c.span("min_idle"); return })
	read(func() (err error) { q.MinAge, err = c.span("min_age"); return })
	q.Version = c.query.Get("version")
	return q, err
}

// The words of the ABI that connections are filtered by. This package knows
// nothing but the API; a test holds them against sdk/abi.

func phases() []string {
	return []string{"handshake", "header", "body", "upstream", "write", "idle", "stream_idle", "tunnel", "half_closed", "draining"}
}

func sides() []string { return []string{"accepted", "dialled"} }

func protocols() []string { return []string{"unknown", "http1", "http2", "websocket", "tcp"} }
