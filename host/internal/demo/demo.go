// Package demo is the upstream that answers when the operator names none: a
// few pages that show what the proxy does with a connection.
package demo

import (
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strings"
	"time"
)

//go:embed page.html
var files embed.FS

// New returns the demo:
//
//	/             a page (plain text for clients that do not ask for HTML)
//	              with the facts of the request
//	/slow?d=2s    waits, at most maxDelay, then answers
//	/echo         answers with the request's content
//	/events       sends a server-sent event a second; ?n=5 of them
func New() http.Handler {
	page := template.Must(template.ParseFS(files, "page.html"))
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { show(w, r, page) })
	mux.HandleFunc("/slow", slow)
	mux.HandleFunc("/echo", echo)
	mux.HandleFunc("GET /events", events)
	return mux
}

// facts are what the demo knows of a request.
type facts struct {
	Method, Path, Protocol, Host, Client, TLS string
	Headers                                   []header
}

type header struct{ Name, Value string }

func factsOf(r *http.Request) facts {
	f := facts{Method: r.Method, Path: r.URL.RequestURI(), Protocol: r.Proto, Host: r.Host, Client: r.RemoteAddr, TLS: "no"}
	if r.TLS != nil {
		f.TLS = "yes"
	}
	for name, values := range r.Header {
		switch name {
		case "Authorization", "Cookie", "Proxy-Authorization":
			values = []string{"(not shown)"}
		}
		f.Headers = append(f.Headers, header{name, strings.Join(values, ", ")})
	}
	slices.SortFunc(f.Headers, func(a, b header) int { return strings.Compare(a.Name, b.Name) })
	return f
}

func show(w http.ResponseWriter, r *http.Request, page *template.Template) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Add("Vary", "Accept")
	f := factsOf(r)
	if strings.Contains(r.Header.Get("Accept"), "text/html") {
		h.Set("Content-Type", "text/html; charset=utf-8")
		// The only error is that the client has gone.
		_ = page.Execute(w, f)
		return
	}
	h.Set("Content-Type", "text/plain; charset=utf-8")
	fmt.Fprintf(w, "The host works: this is its built-in demo upstream.\n\n%s %s %s\nHost: %s\n", f.Method, f.Path, f.Protocol, f.Host)
	for _, x := range f.Headers {
		fmt.Fprintf(w, "%s: %s\n", x.Name, x.Value)
	}
	fmt.Fprintf(w, "\nclient %s, TLS %s\nalso here: /slow?d=2s /echo /events\n", f.Client, f.TLS)
}

// maxDelay bounds how long /slow waits.
const maxDelay = time.Minute

func slow(w http.ResponseWriter, r *http.Request) {
	d := time.Second
	if s := r.URL.Query().Get("d"); s != "" {
		var err error
		if d, err = time.ParseDuration(s); err != nil || d < 0 || d > maxDelay {
			http.Error(w, fmt.Sprintf("d is a duration from 0 to %s, such as 2s", maxDelay), http.StatusBadRequest)
			return
		}
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		fmt.Fprintf(w, "answered after %s\n", d)
	case <-r.Context().Done():
	}
}

func echo(w http.ResponseWriter, r *http.Request) {
	// Not the client's own type: the page of another must not run scripts here.
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	control := http.NewResponseController(w)
	// The content is read while the answer is written; HTTP/2 can anyway.
	_ = control.EnableFullDuplex()
	for buf := make([]byte, 16<<10); ; {
		n, err := r.Body.Read(buf)
		if n > 0 {
			if _, err := w.Write(buf[:n]); err != nil || control.Flush() != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}
