package client

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"

	"idlehost/host/internal/api"
)

func TestRecordingIsFetched(t *testing.T) {
	c := fake(t, func(r *http.Request) (*http.Response, error) {
		if r.URL.Path != "/v1/tenants/a/recording/file" || r.Method != http.MethodGet {
			t.Errorf("%s %s", r.Method, r.URL.Path)
		}
		return reply(r, 200, api.RecordingType, "all of it"), nil
	})
	var got bytes.Buffer
	if n, err := c.RecordingFile(t.Context(), "a", &got); err != nil || n != 9 || got.String() != "all of it" {
		t.Errorf("%d, %v, %q", n, err, got.String())
	}
}

func TestWhatIsNoRecordingIsNotKept(t *testing.T) {
	c := fake(t, func(r *http.Request) (*http.Response, error) {
		return reply(r, 200, "text/html", "<h1>hotel</h1>"), nil
	})
	var got bytes.Buffer
	if n, err := c.RecordingFile(t.Context(), "a", &got); err == nil || n != 0 || got.Len() > 0 {
		t.Errorf("%d, %v, %q", n, err, got.String())
	}
	c = fake(t, func(r *http.Request) (*http.Response, error) {
		res := reply(r, 200, api.RecordingType, "")
		res.Body = io.NopCloser(io.MultiReader(strings.NewReader("half"), broken{}))
		return res, nil
	})
	if n, err := c.RecordingFile(t.Context(), "a", &got); err == nil || n != 4 || !strings.Contains(err.Error(), "broke off after 4 bytes") {
		t.Errorf("%d, %v", n, err)
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }
