package httpproxy

import (
	"maps"
	"net/http"
)

// WriteHeader passes a status on. Ahead of an interim one (RFC 9110 section
// 15.2) it invites the content, if that may still wait for an invitation: the
// HTTP/2 server sends the 100 that a read of the content asks for only while
// nothing else of the stream's answer was sent, and has taken the client's
// Expect header away. A client gets a second 100 when a read that has not
// returned asked for one just before, and one it did not expect when it is
// slow to send; it must put up with both.
func (w *streamWriter) WriteHeader(code int) {
	if !interim(code) {
		w.ResponseWriter.WriteHeader(code)
		return
	}
	if code == http.StatusContinue {
		w.invited = true
	} else if !w.invited && w.x.HasBody && !w.x.body.arrived.Load() {
		w.invited = true
		h := w.Header()
		held := maps.Clone(h)
		clear(h)
		w.send(http.StatusContinue)
		maps.Copy(h, held)
	}
	w.send(code)
}

// send writes the header section of an interim answer. The server's
// goroutines may read the map after WriteHeader has returned, when the client
// resets the stream meanwhile. The key, which HTTP/2 does not know, makes the
// server take a copy first.
func (w *streamWriter) send(code int) {
	h := w.Header()
	h["Transfer-Encoding"] = nil
	w.ResponseWriter.WriteHeader(code)
	delete(h, "Transfer-Encoding")
}

func interim(code int) bool { return code >= 100 && code < 200 }
