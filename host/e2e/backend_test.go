package e2e

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"testing"
)

// backend is the server behind the host: HTTP/1 and HTTP/2 in clear.
type backend struct {
	addr string
	mux  *http.ServeMux
}

func newBackend(t *testing.T) *backend {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &backend{addr: l.Addr().String(), mux: http.NewServeMux()}
	b.mux.HandleFunc("/hello", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "hello %s\n", r.Host) })
	b.mux.HandleFunc("/sum", sum)
	b.mux.HandleFunc("/trailer", trailer)
	b.mux.HandleFunc("/bytes/{n}", octets)
	srv := &http.Server{Handler: b.mux, Protocols: new(http.Protocols)}
	srv.Protocols.SetHTTP1(true)
	srv.Protocols.SetUnencryptedHTTP2(true)
	served := make(chan struct{})
	go func() {
		defer close(served)
		srv.Serve(l)
	}()
	t.Cleanup(func() {
		srv.Close()
		<-served
	})
	return b
}

func (b *backend) url(scheme string) string { return scheme + "://" + b.addr }

// sum answers the length and the hash of the content.
func sum(w http.ResponseWriter, r *http.Request) {
	h := sha256.New()
	n, err := io.Copy(h, r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	fmt.Fprintf(w, "%d %x\n", n, h.Sum(nil))
}

func sumOf(p []byte) string { return fmt.Sprintf("%d %x\n", len(p), sha256.Sum256(p)) }

// trailer answers with a trailer field.
func trailer(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Trailer", "X-Check")
	io.WriteString(w, "content\n")
	w.(http.Flusher).Flush()
	w.Header().Set("X-Check", "complete")
}

// octets answers that many bytes.
func octets(w http.ResponseWriter, r *http.Request) {
	n, err := strconv.Atoi(r.PathValue("n"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	chunk := make([]byte, 32<<10)
	for n > 0 {
		m, err := w.Write(chunk[:min(n, len(chunk))])
		if err != nil {
			return
		}
		n -= m
	}
}
