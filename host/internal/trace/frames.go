package trace

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// frames finds the frames of a file, also behind damage.
type frames struct {
	in     *bufio.Reader // holds a whole frame
	seed   uint32
	at     int64 // where in looks, bytes from the beginning
	held   int   // bytes of the frame that next has returned
	hurt   damage
	vain   int64 // bytes checked as frames that were none
	places int   // damage behind which there was a frame
	lost   int64 // bytes of it
}

// damage is where a file stops making sense; why is nil where it does.
type damage struct {
	at  int64
	why error
}

// frame is a frame's records.
type frame struct {
	records []byte // valid until the next call of next
	first   uint64 // number of the first in the file
}

// next returns the next whole frame with a number from least on. After the
// last it returns what the file ended with: io.EOF, or an error of reading.
func (f *frames) next(least uint64) (frame, error) {
	f.skip(f.held)
	f.held = 0
	for {
		got, why, err := f.here(least)
		if err == nil && why == nil {
			f.found()
			return got, nil
		}
		if why != nil {
			f.damaged(f.at, why)
		}
		if err == nil || errors.Is(err, errShort) {
			err = f.seek()
		}
		if err != nil {
			return frame{}, err
		}
	}
}

// Why there is no frame at a place.
var (
	errNone  = errors.New("no frame where one should begin")
	errShort = errors.New("the file ends within a frame")
	errSum   = errors.New("a frame's checksum is wrong")
	errOrder = errors.New("a frame is not where it was written")
)

// here looks at what is at the current place: a frame, or why it is none, or
// the end.
func (f *frames) here(least uint64) (got frame, why, err error) {
	head, err := f.in.Peek(frameHead)
	if len(head) == 0 {
		return got, nil, err
	}
	if err != nil {
		return got, errShort, ended(err)
	}
	length := int(binary.LittleEndian.Uint32(head[4:]))
	if string(head[:4]) != mark || length == 0 || length > MaxFrame {
		return got, errNone, nil
	}
	all, err := f.in.Peek(frameHead + length)
	if err != nil {
		f.vain += int64(len(all))
		return got, errShort, ended(err)
	}
	got = frame{records: all[frameHead:], first: binary.LittleEndian.Uint64(all[8:])}
	if sum(f.seed, all[4:16], got.records) != binary.LittleEndian.Uint32(all[16:]) {
		f.vain += int64(length)
		return got, errSum, nil
	}
	if got.first < least || got.first > MaxCount {
		return got, errOrder, nil
	}
	f.held = frameHead + length
	return got, nil, nil
}

// ended makes the end of the file errShort, behind which seek still looks for
// frames in what is there.
func ended(err error) error {
	if errors.Is(err, io.EOF) {
		return errShort
	}
	return err
}

// seek goes to where the next frame may begin, behind the current place.
func (f *frames) seek() error {
	if f.vain > 16<<20+4*f.at {
		return fmt.Errorf("%d bytes look like frames and are none", f.vain)
	}
	f.skip(1)
	for {
		if _, err := f.in.Peek(len(mark)); err != nil {
			f.skip(f.in.Buffered())
			return err
		}
		b, _ := f.in.Peek(f.in.Buffered())
		if i := bytes.Index(b, []byte(mark)); i >= 0 {
			f.skip(i)
			return nil
		}
		f.skip(len(b) - len(mark) + 1)
	}
}

func (f *frames) skip(n int) {
	n, _ = f.in.Discard(n)
	f.at += int64(n)
}

// damaged notes where it began.
func (f *frames) damaged(at int64, why error) {
	if f.hurt.why == nil {
		f.hurt = damage{at, why}
	}
}

// found notes that damage has ended here.
func (f *frames) found() {
	if f.hurt.why != nil {
		f.places++
		f.lost += f.at - f.hurt.at
		f.hurt = damage{}
	}
}
