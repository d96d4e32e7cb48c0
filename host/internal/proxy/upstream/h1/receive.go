package h1

import (
	"fmt"
	"io"
	"net/http"
	"net/textproto"
)

var errNoAnswer = fmt.Errorf("connection was closed without an answer: %w", io.ErrUnexpectedEOF)

// receive reads the head of the final answer.
func (k *Call) receive() (*http.Response, error) {
	s := k.buf
	s.source.conn = k.conn
	limit := k.client.cfg.MaxHeaderBytes
	s.source.head(limit)
	if _, err := s.reader.Peek(1); err != nil {
		if err == io.EOF {
			err = errNoAnswer
		}
		return nil, &MissingAnswerError{Err: err, Sent: k.conn.wire.wrote.Load(), Begun: k.sender != nil}
	}
	for {
		res, err := http.ReadResponse(s.reader, k.req)
		if err != nil && s.source.left <= 0 { // whatever the parser made of what came before
			err = s.source.exceeded()
		}
		if err != nil {
			return nil, err
		}
		switch code := res.StatusCode; {
		case code < 100:
			return nil, fmt.Errorf("malformed HTTP status code %q", res.Status)
		case code >= 200, code == http.StatusSwitchingProtocols:
			return k.answered(res)
		case code == http.StatusContinue && k.sender != nil:
			k.sender.permit(true)
		}
		if err := k.owner.Inform(res.StatusCode, textproto.MIMEHeader(res.Header)); err != nil {
			return nil, err
		}
		s.source.head(limit)
	}
}

// answered hands the final answer over.
func (k *Call) answered(res *http.Response) (*http.Response, error) {
	k.buf.source.content()
	if k.sender != nil {
		k.sender.permit(false) // content that waits for the answer 100 is not wanted
	}
	if res.StatusCode == http.StatusSwitchingProtocols {
		return k.switched(res)
	}
	k.keep = !res.Close && !k.req.Close && !k.cut
	k.owner.Answer(res)
	if res.Body == http.NoBody {
		k.finish()
		return res, nil
	}
	k.body, res.Body = res.Body, (*content)(k)
	return res, nil
}
