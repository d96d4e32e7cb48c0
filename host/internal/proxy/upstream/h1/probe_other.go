//go:build !unix

package h1

import "syscall"

// canAsk says that the kernel can tell whether a connection is quiet. Without,
// connections are used once.
const canAsk = false

type probe struct{}

func newProbe() *probe { return nil }

func (*probe) quiet(syscall.RawConn) bool { return false }
