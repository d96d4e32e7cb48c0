package admin

import (
	"fmt"
	"net/http"
)

func healthz(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") }

func readyz(ready func() error) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if ready != nil {
			if err := ready(); err != nil {
				http.Error(w, err.Error(), http.StatusServiceUnavailable)
				return
			}
		}
		fmt.Fprintln(w, "ready")
	}
}

// index is plain text: it is read with curl as often as with a browser.
func index(cfg Config) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if cfg.About != nil {
			for _, line := range cfg.About() {
				fmt.Fprintln(w, line)
			}
			fmt.Fprintln(w)
		}
		fmt.Fprintln(w, "/metrics       Prometheus metrics")
		fmt.Fprintln(w, "/healthz       200 while the process lives")
		fmt.Fprintln(w, "/readyz        200 while it takes traffic")
		if cfg.API != nil {
			fmt.Fprintln(w, "/v1/           the API, described by /v1/openapi.json")
		}
		if cfg.Pprof {
			fmt.Fprintln(w, "/debug/pprof/  profiles")
		}
	}
}
