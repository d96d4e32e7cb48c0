package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// order is what a process of clients is told to do.
type order struct {
	Do      task   `json:"do"`
	Kind    kind   `json:"kind,omitempty"`
	Address string `json:"address,omitempty"`
	Count   int    `json:"count,omitempty"` // connections to open; requests of a load
	Ask     bool   `json:"ask,omitempty"`   // after opening, one request each
	Mode    mode   `json:"mode,omitempty"`  // of a load
	Conns   int    `json:"conns,omitempty"` // of a load, at a time
	// Start is when a burst begins, so that several processes begin together.
	Start time.Time `json:"start,omitzero"`
}

// task is one of an order's.
type task string

const (
	openMore task = "open"  // idle connections, beside those there are
	burst    task = "burst" // a request on all of them at once
	askEach  task = "ask"   // one on each, a few at a time
	closeAll task = "close"
	load     task = "load" // requests, or connections, one after the other
)

// report answers an order.
type report struct {
	Failed int           `json:"failed"`
	Error  string        `json:"error,omitempty"` // the first one
	Took   time.Duration `json:"took"`
	P50    time.Duration `json:"p50,omitempty"`
	P99    time.Duration `json:"p99,omitempty"`
}

// obey carries out one order a line, and answers with a report a line.
func obey(in io.Reader, out io.Writer) error {
	var h herd
	defer h.close()
	lines, answers := json.NewDecoder(in), json.NewEncoder(out)
	for {
		var o order
		if err := lines.Decode(&o); err != nil {
			return ignoreEOF(err)
		}
		r, err := h.carryOut(o)
		if err != nil && r.Failed == 0 {
			r.Failed = max(o.Count, 1)
		}
		if err != nil {
			r.Error = err.Error()
		}
		if err := answers.Encode(r); err != nil {
			return err
		}
	}
}

func (h *herd) carryOut(o order) (report, error) {
	if o.Count < 0 || o.Conns < 0 {
		return report{}, errors.New("a number is negative")
	}
	switch o.Do {
	case openMore:
		return h.open(&dialer{kind: o.Kind, address: o.Address}, o.Count, o.Ask)
	case burst:
		return h.burst(o.Start)
	case askEach:
		return h.askEach()
	case closeAll:
		return report{}, h.close()
	case load:
		return run(&dialer{kind: o.Kind, address: o.Address, classic: true}, o.Mode, o.Conns, o.Count)
	}
	return report{}, fmt.Errorf("no order is called %q", o.Do)
}
