package compile

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestReply(t *testing.T) {
	hex := strings.Repeat("0f", 32)
	for _, tt := range []struct {
		reply reply
		ok    bool
	}{
		{reply{Sub: "wazero-v1", Name: hex, Probe: hex}, true},
		{reply{Refused: "no module"}, true},
		{reply{Failed: "too large", Limit: "code"}, true},
		{reply{}, false},
		{reply{Sub: "wazero-v1", Name: hex}, false},
		{reply{Sub: "wazero-v1", Name: "../" + hex[3:], Probe: hex}, false},
		{reply{Sub: "wazero-v1", Name: strings.ToUpper(hex), Probe: hex}, false},
		{reply{Sub: "wazero-v1/..", Name: hex, Probe: hex}, false},
		{reply{Sub: "..", Name: hex, Probe: hex}, false},
		{reply{Refused: strings.Repeat("x", maxReply)}, false},
	} {
		data, _ := json.Marshal(tt.reply)
		if _, err := parseReply(data); (err == nil) != tt.ok {
			t.Errorf("%.200s: %v", data, err)
		}
	}
	for _, s := range []string{"", "PASS\n", "{", "{} {}", "[]"} {
		if _, err := parseReply([]byte(s)); err == nil {
			t.Errorf("%q is a reply", s)
		}
	}
}

func FuzzReply(f *testing.F) {
	f.Add([]byte(`{"Sub":"wazero-v1","Name":"` + strings.Repeat("0", 64) + `"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := parseReply(data)
		if err == nil && r.Refused == "" && r.Failed == "" && (strings.Contains(r.Sub, "/") || strings.Contains(r.Name, "/")) {
			t.Errorf("reply %+v leaves the folder, want it refused", r)
		}
	})
}
