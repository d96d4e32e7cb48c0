package httpproxy

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"idlehost/host/internal/idle"
	"idlehost/host/internal/proxy/upstream"
)

// statusClientGone is the status in logs of a request whose client has gone; it is
// not sent. nginx introduced it.
const statusClientGone = 499

// fail is ReverseProxy's ErrorHandler: nothing has been answered yet, but for
// an upgrade.
func (h *Handler) fail(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, errUpgraded) {
		return
	}
	x := exchangeOf(r.Context())
	status, why := x.classify(err)
	h.logFailure(x, status, err)
	if x.Touched.Load() {
		x.answer()
	}
	if status == statusClientGone {
		w.WriteHeader(status)
		return
	}
	reply(w, x.r, status, why)
}

// classify returns how a failure is answered. The texts are for any client: they
// name neither upstreams nor addresses.
func (x *exchange) classify(err error) (status int, why string) {
	var failed *upstream.Error
	cut := x.body.failure()
	switch {
	case x.r.Context().Err() != nil:
		return statusClientGone, ""
	case errors.Is(cut, os.ErrDeadlineExceeded):
		return http.StatusRequestTimeout, "the request's content came too slowly"
	case cut != nil:
		return http.StatusBadRequest, "the request's content is incomplete or malformed"
	case errors.Is(err, upstream.ErrNoTarget):
		return http.StatusServiceUnavailable, "no server is configured for this address"
	case errors.Is(err, idle.ErrRefused), errors.Is(err, idle.ErrFull):
		return http.StatusServiceUnavailable, "no further connection to the server is allowed now"
	case x.Target() == "": // ReverseProxy refused it before it was sent
		return http.StatusBadRequest, "the request cannot be passed on"
	case isTimeout(err):
		return http.StatusGatewayTimeout, "the server did not answer in time"
	case !errors.As(err, &failed):
		return http.StatusBadGateway, "the server's answer makes no sense"
	case upstream.NotConnected(err):
		return http.StatusBadGateway, "the server cannot be reached"
	}
	return http.StatusBadGateway, "the server broke off the connection"
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &t) && t.Timeout()
}

// reply answers in the proxy's own name, as JSON where the client asks for it.
func reply(w http.ResponseWriter, r *http.Request, status int, why string) {
	hd := w.Header()
	hd.Set("Cache-Control", "no-store")
	hd.Set("X-Content-Type-Options", "nosniff")
	switch status {
	case http.StatusServiceUnavailable:
		hd.Set("Retry-After", "1")
	case http.StatusMethodNotAllowed:
		hd.Set("Allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")
	}
	text := fmt.Sprintf("%d %s: %s\n", status, http.StatusText(status), why)
	hd.Set("Content-Type", "text/plain; charset=utf-8")
	if wantsJSON(r.Header) {
		b, _ := json.Marshal(struct {
			Status int    `json:"status"`
			Error  string `json:"error"`
			Detail string `json:"detail"`
		}{status, http.StatusText(status), why})
		text = string(b) + "\n"
		hd.Set("Content-Type", "application/json")
	}
	hd.Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		io.WriteString(w, text)
	}
}

func wantsJSON(h http.Header) bool {
	for _, v := range h["Accept"] {
		if strings.Contains(v, "text/html") {
			return false
		}
		if strings.Contains(v, "application/json") || strings.Contains(v, "+json") {
			return true
		}
	}
	return false
}

// logFailure writes why a request was not answered by its upstream.
func (h *Handler) logFailure(x *exchange, status int, err error) {
	if status < http.StatusInternalServerError {
		h.log.Debug("client broke off its request", x.attrs(status, err)...)
		return
	}
	if more, ok := h.lines.take(time.Now()); ok {
		h.log.Warn("upstream failed", append(x.attrs(status, err), more...)...)
	}
}

// logBroken writes why an answer was cut short.
func (h *Handler) logBroken(x *exchange) {
	err := x.Broken()
	if err == nil || x.r.Context().Err() != nil {
		h.log.Debug("client broke off the answer", x.attrs(statusClientGone, err)...)
		return
	}
	if more, ok := h.lines.take(time.Now()); ok {
		h.log.Warn("upstream broke off its answer", append(x.attrs(0, err), more...)...)
	}
}

// attrs describes a failed request. The query is left out: it may hold secrets.
func (x *exchange) attrs(status int, err error) []any {
	a := []any{
		slog.String("method", x.r.Method), slog.String("host", x.r.Host), slog.String("path", x.r.URL.Path),
		slog.String("peer", x.session.peer), slog.Uint64("conn", x.session.conn.ID()),
	}
	if status != 0 {
		a = append(a, slog.Int("status", status))
	}
	var f *upstream.Error
	if errors.As(err, &f) {
		a = append(a, slog.String("phase", f.Phase.String()))
		err = f.Err
	}
	if t := x.Target(); t != "" {
		a = append(a, slog.String("upstream", t))
	}
	if err != nil {
		a = append(a, slog.String("error", err.Error()))
	}
	return a
}
