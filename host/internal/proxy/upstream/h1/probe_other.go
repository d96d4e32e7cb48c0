//go:build !unix

package h1

import "syscall"

// canProbe says that the kernel can tell whether a connection is quiet. Without,
// connections are used once.
const canProbe = false

type probe struct{}

func newProbe() *probe { return nil }

func (*probe) quiet(syscall.RawConn) bool { return false }
