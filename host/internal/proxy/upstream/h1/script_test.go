package h1

import (
	"bufio"
	"net"
)

type conn = net.Conn

func reader(nc net.Conn) *bufio.Reader { return bufio.NewReader(nc) }

// skipHead reads a request's head.
func skipHead(b *bufio.Reader) (lines []string) {
	for {
		line, err := b.ReadString('\n')
		if err != nil || line == "\r\n" {
			return lines
		}
		lines = append(lines, line)
	}
}
