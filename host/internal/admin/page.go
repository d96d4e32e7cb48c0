package admin

import (
	"fmt"
	"net/http"
)

func healthz(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") }

// readyz answers 200 also where the host is degraded: it serves, and a load
// balancer that took it out would only make things worse.
func readyz(cfg Config) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if cfg.Ready != nil {
			if err := cfg.Ready(); err != nil {
				http.Error(w, err.Error(), http.StatusServiceUnavailable)
				return
			}
		}
		var reasons []string
		if cfg.Degraded != nil {
			reasons = cfg.Degraded()
		}
		if len(reasons) == 0 {
			fmt.Fprintln(w, "ready")
			return
		}
		fmt.Fprintln(w, "degraded")
		for _, reason := range reasons {
			fmt.Fprintln(w, reason)
		}
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
