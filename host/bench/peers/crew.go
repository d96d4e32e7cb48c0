package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// crew is the clients of one contestant: as many processes as the limit of
// descriptors asks for.
type crew struct {
	room  int // connections that a process may hold
	hands []*hand
}

type hand struct {
	*child
	holds int
}

// newCrew makes a crew whose processes may have so many descriptors.
func newCrew(descriptors int) *crew { return &crew{room: max(descriptors-200, 100)} }

// open adds n idle connections.
func (c *crew) open(k kind, address string, n int, ask bool) (report, error) {
	var sum report
	for n > 0 {
		h, err := c.roomy()
		if err != nil {
			return sum, err
		}
		share := min(n, c.room-h.holds)
		r, err := h.obey(order{Do: openMore, Kind: k, Address: address, Count: share, Ask: ask})
		if err != nil {
			return sum, err
		}
		h.holds, n = h.holds+share, n-share
		sum.add(r)
	}
	return sum, nil
}

// roomy returns a process that can hold more.
func (c *crew) roomy() (*hand, error) {
	if n := len(c.hands); n > 0 && c.hands[n-1].holds < c.room {
		return c.hands[n-1], nil
	}
	ch, err := spawn(beClients)
	if err != nil {
		return nil, err
	}
	h := &hand{child: ch}
	c.hands = append(c.hands, h)
	return h, nil
}

// burst makes all idle connections active at once. Took is the time until the
// last answer.
func (c *crew) burst() (report, error) {
	n := 0
	for _, h := range c.hands {
		n += h.holds
	}
	// Time for each connection to get ready.
	o := order{Do: burst, Start: time.Now().Add(100*time.Millisecond + time.Duration(n)*50*time.Microsecond)}
	type result struct {
		report
		error
	}
	results := make(chan result, len(c.hands))
	for _, h := range c.hands {
		go func() { // the loop below waits for it
			r, err := h.obey(o)
			results <- result{r, err}
		}()
	}
	var sum report
	var errs []error
	for range c.hands {
		r := <-results
		sum.add(r.report)
		errs = append(errs, r.error)
	}
	return sum, errors.Join(errs...)
}

// askAll asks on each idle connection, a few at a time.
func (c *crew) askAll() (sum report, err error) {
	for _, h := range c.hands {
		r, err := h.obey(order{Do: askEach})
		if err != nil {
			return sum, err
		}
		sum.add(r)
	}
	return sum, nil
}

// closeAll closes the idle connections.
func (c *crew) closeAll() error {
	for _, h := range c.hands {
		r, err := h.obey(order{Do: closeAll})
		if err != nil {
			return err
		}
		if r.Error != "" {
			return errors.New(r.Error)
		}
		h.holds = 0
	}
	return nil
}

// run is a load.
func (c *crew) run(k kind, address string, m mode, conns, n int) (report, error) {
	h, err := c.roomy()
	if err != nil {
		return report{}, err
	}
	return h.obey(order{Do: load, Kind: k, Address: address, Mode: m, Conns: conns, Count: n})
}

// end ends the processes, and with them their connections.
func (c *crew) end() {
	for _, h := range c.hands {
		h.child.end()
	}
	c.hands = nil
}

// obey gives an order. Failures of connections are in the report.
func (h *hand) obey(o order) (r report, err error) {
	text, err := json.Marshal(o)
	if err != nil {
		return r, err
	}
	if _, err := h.in.Write(append(text, '\n')); err != nil {
		return r, fmt.Errorf("clients: %w: %s", err, h.says)
	}
	line, err := h.line()
	if err != nil {
		return r, err
	}
	return r, json.Unmarshal([]byte(line), &r)
}

// add sums up reports of processes that worked at the same time; quantiles are
// the worst of them.
func (r *report) add(s report) {
	r.Failed += s.Failed
	if r.Error == "" {
		r.Error = s.Error
	}
	r.Took, r.P50, r.P99 = max(r.Took, s.Took), max(r.P50, s.P50), max(r.P99, s.P99)
}
