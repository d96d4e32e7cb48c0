package cli

import (
	"encoding/json"
	"fmt"
	"io"

	"idlehost/host/internal/api"
	"idlehost/host/internal/check"
)

// writePolicy shows people one version.
func writePolicy(w io.Writer, p *api.Policy) error {
	t := newTable(w)
	t.row("version", p.Digest)
	t.row("name", cut(p.Name, 64))
	t.row("state", p.State)
	t.row("size", size(p.Size))
	t.row("uploaded", ago(p.Uploaded)+" ago by "+cut(p.By, 48))
	if p.SignedBy != "" {
		t.row("signed by", cut(p.SignedBy, 32))
	}
	if r := readReport(p.Report); r != nil {
		t.row("verdict", string(r.Outcome))
		t.row("abi", fmt.Sprintf("version %d", r.ABI.Policy))
		t.row("memory", size(r.Memory.Bytes))
		if r.Memory.StateBytes > 0 {
			t.row("learned state", fmt.Sprintf("%s, format %d", size(uint64(r.Memory.StateBytes)), r.Memory.StateFormat))
		}
		if r.Fuel.Worst != nil {
			t.row("worst fuel", percent(r.Fuel.Percent)+" of the budget")
		}
	}
	return t.end()
}

// readReport reads the report of a check; nil: there is none that can be read.
func readReport(raw json.RawMessage) *check.Report {
	r := &check.Report{}
	if len(raw) == 0 || json.Unmarshal(raw, r) != nil {
		return nil
	}
	return r
}
