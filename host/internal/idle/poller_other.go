//go:build !linux

package idle

import "errors"

// poller is missing here: nothing parks, and everything else works.
type poller struct{}

func newPoller() (*poller, error) { return nil, errors.ErrUnsupported }

func (*poller) close()           {}
func (*poller) watch(*Conn) bool { return false }
func (*poller) forget(*Conn)     {}
