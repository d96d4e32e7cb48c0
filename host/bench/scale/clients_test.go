package scale

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"strconv"
	"sync"
)

// clients opens that many connections and says so. At the next line of its
// input it sends a byte over each; at the end of its input it ends.
func clients(addr, count string) error {
	n, err := strconv.Atoi(count)
	if err != nil {
		return err
	}
	conns := make([]net.Conn, n)
	if err := each(n, func(i int) error {
		conns[i], err = dial(addr, i)
		return err
	}); err != nil {
		return err
	}
	fmt.Println("open")
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		for _, nc := range conns {
			if _, err := nc.Write([]byte("x")); err != nil {
				return err
			}
		}
	}
	return nil
}

// dial uses an address of this process for every 10,000 connections: ports are
// scarce.
func dial(addr string, i int) (net.Conn, error) {
	pid := os.Getpid()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, byte(1+pid>>8&0x7f), byte(pid), byte(1+i/10_000))}}
	return d.Dial("tcp", addr)
}

// each calls f for 0 to n-1 from a few goroutines.
func each(n int, f func(int) error) error {
	const workers = 8
	var wg sync.WaitGroup
	errs := make([]error, workers)
	for w := range workers {
		wg.Go(func() {
			for i := w; i < n && errs[w] == nil; i += workers {
				errs[w] = f(i)
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
