//go:build !linux

package forge

import (
	"context"
	"errors"
	"io"
	"time"
)

// shop stands for what this platform lacks: limits that hold for a child from
// its first instruction to its last, and a child that dies with its parent.
type shop struct {
	path, maker string
	keeps       bool
	why         error
	unit        time.Duration
}

var errPlatform = errors.New("only Linux has the means to bound a child process")

func openShop(context.Context, Config) (*shop, error) { return nil, errPlatform }

func (s *shop) codeDir() string           { return "" }
func (s *shop) fetch(string) (made, bool) { return made{}, false }
func (s *shop) discard(string)            {}
func (s *shop) close() error              { return nil }
func (s *shop) compile(context.Context, string, Order, bool) (made, error) {
	return made{}, errPlatform
}

// Child compiles the module on stdin. It is for a Forge's child process.
func Child(io.Reader, io.Writer) error { return errPlatform }
