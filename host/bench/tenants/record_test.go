package tenants

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"strings"
	"testing"

	"idlehost/host/bench/attacks"
)

// record is a file that plays are added to.
type record struct {
	file    *os.File
	results *attacks.Results
}

// openRecord goes on with the plays of an earlier run of the same program.
func openRecord(b *testing.B) *record {
	name := os.Getenv("RESULTS")
	if name == "" {
		name = "attacks.new"
	}
	code, err := os.ReadFile(program)
	if err != nil {
		b.Fatal(err)
	}
	digest := sha256.Sum256(code)
	about := fmt.Appendf(nil, "# %s; program %x\n", processor(), digest[:6])
	text, err := os.ReadFile(name)
	if err != nil && !os.IsNotExist(err) {
		b.Fatal(err)
	}
	if !bytes.HasPrefix(text, about) {
		if len(text) > 0 {
			fmt.Fprintf(os.Stderr, "%s is of another program: begun anew\n", name)
		}
		text = about
	}
	r := &record{}
	if r.results, err = attacks.Parse(string(text)); err != nil {
		b.Fatal(err)
	}
	if r.file, err = os.Create(name); err == nil {
		_, err = r.file.Write(text)
	}
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { r.file.Close() })
	return r
}

func (r *record) add(b *testing.B, p *attacks.Play) {
	r.results.Add(p)
	if _, err := fmt.Fprintln(r.file, p); err != nil {
		b.Fatal(err)
	}
}

// processor is the name of the machine's.
func processor() string {
	text, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown processor"
}
