package hosttest

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

const exposition = `# HELP m_total Things.
# TYPE m_total counter
m_total{a="x",b="y"} 1
m_total{a="x",b="z"} 2.5
m_total{a="w",b="y"} 4
m_total_other{a="x",b="y"} 100
plain 7
`

func TestScrape(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/metrics" {
			http.NotFound(w, r)
			return
		}
		io.WriteString(w, exposition)
	}))
	defer srv.Close()
	for _, c := range []struct {
		name  string
		pairs []string
		want  float64
	}{
		{"m_total", nil, 7.5},
		{"m_total", []string{`a="x"`}, 3.5},
		{"m_total", []string{`a="x"`, `b="y"`}, 1},
		{"m_total", []string{`a="v"`}, 0},
		{"plain", nil, 7},
		{"none", nil, 0},
	} {
		if got, err := scrape(srv.URL+"/metrics", c.name, c.pairs); err != nil || got != c.want {
			t.Errorf("%s%v = %v, %v; want %v", c.name, c.pairs, got, err, c.want)
		}
	}
	if _, err := scrape(srv.URL+"/", "plain", nil); err == nil {
		t.Error("an answer of 404 is taken for metrics")
	}
}
