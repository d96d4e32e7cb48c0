package httpproxy

import (
	"errors"
	"fmt"
	"net/http"

	"idlehost/host/internal/idle"
)

// Refusal is how a request is answered that no site serves.
type Refusal struct {
	Status int
	Text   string // for strangers: it ends without a full stop
	Close  bool   // it is the last of its connection
}

func (r *Refusal) Error() string {
	return fmt.Sprintf("%d %s: %s", r.Status, http.StatusText(r.Status), r.Text)
}

// admit says whom a request's connection belongs to, and how the request is
// refused; nil: it is served.
func (h *Handler) admit(s *Session, r *http.Request) (Home, *Refusal) {
	if r.Method == http.MethodConnect { // its host is no host of ours
		return s.Home(), &Refusal{Status: http.StatusMethodNotAllowed, Text: "this proxy opens no tunnels"}
	}
	host := hostOf(r.Host)
	home, err := s.enter(h.ctx, host)
	switch {
	case err != nil:
		return home, h.refusal(s, host, err)
	case !home.Owns(host):
		return home, &Refusal{Status: http.StatusMisdirectedRequest, Text: "this connection belongs to another host, open a new one"}
	}
	return home, nil
}

// refusal makes an answer of why a connection has found no tenant.
func (h *Handler) refusal(s *Session, host string, err error) *Refusal {
	h.log.Debug("request without a tenant", "conn", s.conn.ID(), "peer", s.peer, "host", host, "error", err)
	var said *Refusal
	switch {
	case errors.As(err, &said):
		return said
	case errors.Is(err, idle.ErrRefused):
		return &Refusal{Status: http.StatusServiceUnavailable, Text: "no further connection is allowed now", Close: true}
	}
	return &Refusal{Status: http.StatusMisdirectedRequest, Text: "nobody answers for this host here"}
}

// refuse answers a request that no site serves.
func refuse(w http.ResponseWriter, r *http.Request, why *Refusal) {
	if why.Close {
		w.Header().Set("Connection", "close") // over HTTP/2 the server makes a GOAWAY of it
	}
	reply(w, r, why.Status, why.Text)
}

var _ error = (*Refusal)(nil)
