package tenants

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

// pace sends n requests for a host over that many keep-alive connections, every
// second rate of them altogether, and returns what each took, sorted. One that
// is late because the one before it was has waited too, and that counts.
func pace(addr, host string, conns, rate, n int) ([]time.Duration, error) {
	var wg sync.WaitGroup
	took, errs := make([][]time.Duration, conns), make([]error, conns)
	every := time.Second * time.Duration(conns) / time.Duration(rate)
	begin := time.Now()
	for i := range conns {
		first := begin.Add(every * time.Duration(i) / time.Duration(conns))
		wg.Go(func() { took[i], errs[i] = stroll(addr, host, first, every, n/conns) })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	all := slices.Concat(took...)
	slices.Sort(all)
	return all, nil
}

// stroll sends one request every so often.
func stroll(addr, host string, due time.Time, every time.Duration, n int) (took []time.Duration, err error) {
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(5 * time.Minute))
	br, request := bufio.NewReader(nc), "GET / HTTP/1.1\r\nHost: "+host+"\r\n\r\n"
	for ; len(took) < n; due = due.Add(every) {
		begin := due
		if wait := time.Until(due); wait > 0 {
			time.Sleep(wait)
			begin = time.Now() // the client's own delay is not the host's
		}
		if _, err := io.WriteString(nc, request); err != nil {
			return nil, err
		}
		res, err := http.ReadResponse(br, nil)
		if err != nil {
			return nil, err
		}
		if _, err := io.Copy(io.Discard, res.Body); err != nil || res.StatusCode != http.StatusOK {
			return nil, fmt.Errorf("%s: %s, %v", host, res.Status, err)
		}
		took = append(took, time.Since(begin))
	}
	return took, nil
}

// quantile returns that of a sorted list: 0.99 is the p99.
func quantile(sorted []time.Duration, q float64) time.Duration {
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

// median sorts the list.
func median(list []float64) float64 {
	slices.Sort(list)
	return list[len(list)/2]
}
