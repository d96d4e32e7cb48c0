//go:build !linux

package compile

import (
	"context"
	"errors"
	"io"
	"time"

	"idlehost/host/internal/sandbox/confine"
)

// childCompiler stands for what this platform lacks: limits that hold for a
// child from its first instruction to its last, and a child that dies with its
// parent.
type childCompiler struct {
	path, maker string
	keeps       bool
	why         error
	unit        time.Duration
	confined    confine.Report
	namer       *fileNamer
}

var errPlatform = errors.New("only Linux has the means to bound a child process")

func openChildCompiler(context.Context, Config) (*childCompiler, error) { return nil, errPlatform }

func (c *childCompiler) codeDir() string                    { return "" }
func (c *childCompiler) fetch(string, Order) (result, bool) { return result{}, false }
func (c *childCompiler) discard(string)                     {}
func (c *childCompiler) close() error                       { return nil }
func (c *childCompiler) compile(context.Context, string, Order, bool) (result, error) {
	return result{}, errPlatform
}

// Child compiles the module on stdin. It is for a Compiler's child process.
func Child(io.Reader, io.Writer) error { return errPlatform }
