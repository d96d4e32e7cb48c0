package httpproxy

import (
	"errors"
	"net/http"

	"idlehost/host/internal/idle"
	"idlehost/host/internal/proxy/route"
)

// resolve returns what serves a request, and how the request is refused; nil:
// it is not. The site of a refused request says only which class its path has.
func (h *Handler) resolve(s *Session, r *http.Request) (*route.Site, *route.Refusal) {
	if r.Method == http.MethodConnect { // its host is none of ours
		return nil, &route.Refusal{Status: http.StatusMethodNotAllowed, Text: "this proxy opens no tunnels"}
	}
	host := hostOf(r.Host)
	target, err := s.assign(h.ctx, host)
	if err != nil {
		return nil, h.refusal(s, host, err)
	}
	site, ok := target.Site(host)
	if !ok {
		return site, &route.Refusal{Status: http.StatusMisdirectedRequest, Text: "this connection belongs to another host, open a new one"}
	}
	return site, nil
}

// refusal returns how a request is answered whose connection no tenant was
// assigned to.
func (h *Handler) refusal(s *Session, host string, err error) *route.Refusal {
	h.log.Debug("request without a tenant", "conn", s.conn.ID(), "peer", s.peer, "host", host, "error", err)
	var said *route.Refusal
	switch {
	case errors.As(err, &said):
		return said
	case errors.Is(err, idle.ErrRefused):
		return &route.Refusal{Status: http.StatusServiceUnavailable, Text: "no further connection is allowed now", Close: true}
	}
	return &route.Refusal{Status: http.StatusMisdirectedRequest, Text: "nobody answers for this host here"}
}

// refuse answers a request that no site serves.
func refuse(w http.ResponseWriter, r *http.Request, why *route.Refusal) {
	if why.Close {
		w.Header().Set("Connection", "close") // over HTTP/2 the server makes a GOAWAY of it
	}
	reply(w, r, why.Status, why.Text)
}
