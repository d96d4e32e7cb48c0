package check

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"unicode/utf16"
)

// Outcome is the result of a check in one word; reports call it the verdict.
type Outcome string

// The outcomes.
const (
	OutcomeAccepted Outcome = "accepted"
	OutcomeRefused  Outcome = "refused" // the host would not load it
	OutcomeFaulty   Outcome = "faulty"  // it does not start, or fails at a question
	// OutcomeUndecided: time, memory or disk of the host ran out. No fault of the policy
	// is known: try again.
	OutcomeUndecided Outcome = "undecided"
)

// Report is what a check has found. Its JSON is an API: names stay. Fields of steps
// that the check did not reach are zero or null.
type Report struct {
	Policy  string   `json:"policy"`
	Digest  string   `json:"digest"` // SHA-256 of the module, in hexadecimal
	Outcome Outcome  `json:"verdict"`
	Failure *Failure `json:"failure"` // null: it is accepted
	ABI     ABI      `json:"abi"`
	Module  Binary   `json:"module"`
	Memory  Memory   `json:"memory"`
	Imports []Extern `json:"imports"`
	Exports []Extern `json:"exports"`
	Fuel    Fuel     `json:"fuel"`
	Answers []Answer `json:"answers"` // in the order of the questions
	Log     []Line   `json:"log"`     // the first lines that the guest has written
	// LogDropped counts the lines that are not in Log.
	LogDropped int `json:"log_dropped"`
}

// ABI is the versions of the ABI.
type ABI struct {
	Policy uint32 `json:"policy"` // that the policy is written for; 0: not known
	Host   uint32 `json:"host"`   // the highest that this host speaks
}

// Binary describes the module.
type Binary struct {
	Bytes        int    `json:"bytes"`
	BytesLimit   int    `json:"bytes_limit"`
	MeteredBytes int    `json:"metered_bytes"` // what is compiled
	Functions    int    `json:"functions"`     // of its own
	Effort       uint64 `json:"effort"`        // of compiling, in units of about 10 ns
	EffortLimit  int    `json:"effort_limit"`
}

// Memory describes the guest's memory, in pages of 64 KiB and in bytes.
type Memory struct {
	MinPages    uint32  `json:"min_pages"`
	MaxPages    *uint32 `json:"max_pages"` // null: it sets none
	LimitPages  int     `json:"limit_pages"`
	Bytes       uint64  `json:"bytes"` // once it can be asked
	BufferBytes uint32  `json:"buffer_bytes"`
	StateBytes  uint32  `json:"state_bytes"` // learned state; 0: none
	StateFormat uint64  `json:"state_format"`
}

// Extern is an import or an export.
type Extern struct {
	Name string `json:"name"` // "module.name" of an import
	Kind string `json:"kind"`
	Type string `json:"type"` // of a function
}

// Line is a line that the guest has logged.
type Line struct {
	Level string `json:"level"`
	Text  string `json:"text"`
}

// maxLog bounds Report.Log.
const maxLog = 32

func newReport(name, digest string, size int) *Report {
	return &Report{
		Policy: name, Digest: digest, Outcome: OutcomeAccepted,
		Module:  Binary{Bytes: size},
		Imports: []Extern{}, Exports: []Extern{}, Answers: []Answer{}, Log: []Line{},
	}
}

// WriteJSON writes the report as one object: EncodeJSON.
func (r *Report) WriteJSON(w io.Writer) error { return EncodeJSON(w, r, "  ") }

// EncodeJSON writes a value as JSON in ASCII: names in it are anybody's, and may
// go to a terminal.
func EncodeJSON(w io.Writer, v any, indent string) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetIndent("", indent)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	_, err := w.Write(ascii(b.Bytes()))
	return err
}

// ascii escapes the characters of a JSON text that are not ASCII, which occur in
// strings only.
func ascii(text []byte) []byte {
	out := make([]byte, 0, len(text))
	for _, c := range string(text) {
		switch {
		case c < 0x7f:
			out = append(out, byte(c))
		case c < 0x10000:
			out = fmt.Appendf(out, `\u%04x`, c)
		default:
			high, low := utf16.EncodeRune(c)
			out = fmt.Appendf(out, `\u%04x\u%04x`, high, low)
		}
	}
	return out
}

// addLog adds a line that the guest has written.
func (r *Report) addLog(_ string, level int, text string) {
	if len(r.Log) == maxLog {
		r.LogDropped++
		return
	}
	names := [...]string{"debug", "info", "warn", "error"}
	r.Log = append(r.Log, Line{Level: names[min(max(level, 0), len(names)-1)], Text: text})
}
