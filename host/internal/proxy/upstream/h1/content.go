package h1

import (
	"io"
	"net/http"
)

// content is the content of a Call's answer. Close may come beside a Read.
type content Call

func (c *content) Read(p []byte) (int, error) {
	k := (*Call)(c)
	k.mu.Lock()
	over := k.over
	k.mu.Unlock()
	if over != nil {
		return 0, over
	}
	n, err := k.body.Read(p)
	if err == nil {
		return n, nil
	}
	if over = k.end(err); over != nil { // closed meanwhile
		return n, over
	}
	if err == io.EOF {
		k.finish()
		return n, io.EOF
	}
	err = k.fail(err)
	k.mu.Lock()
	k.over = err
	k.mu.Unlock()
	return n, err
}

// Close discards what has not been read, and the connection with it, since the
// server may still send any amount.
func (c *content) Close() error {
	k := (*Call)(c)
	if k.end(http.ErrBodyReadAfterClose) != nil {
		return nil
	}
	if k.stop != nil {
		k.stop()
	}
	k.conn.sever() // a Read beside it gets an error, and leaves the buffers to the garbage collector
	return nil
}

// end makes err what is read from now on. It returns what was before.
func (k *Call) end(err error) (before error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.over == nil {
		k.over = err
		return nil
	}
	return k.over
}
