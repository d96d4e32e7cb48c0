package logs

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// leap is how far a time may be ahead of all before it, nanoseconds. One that
// is further is believed if the next line is not back where the log was: it
// would make everything that follows too late.
const leap = 24 * 3600 * int64(1e9)

// trial is how many lines are read before a log is believed to be one: half of
// them have to be.
const trial = 1000

// fill reads until the first request may leave the window, or all is read.
func (s *Source) fill() error {
	for !s.done && !s.window.ready() {
		switch err := s.read(); {
		case err == io.EOF:
			if err := s.finishReading(); err != nil {
				return err
			}
		case err != nil:
			return err
		}
	}
	return nil
}

func (s *Source) finishReading() error {
	s.believe()
	s.done = true
	if s.tried < trial {
		return s.doubt()
	}
	return nil
}

// read reads one line, of the next file if need be.
func (s *Source) read() error {
	line, err := s.in.line()
	switch {
	case err == io.EOF:
		return s.nextFile()
	case err == errLong:
	case err != nil:
		return err
	case skipped(line):
		return nil
	}
	if err == nil {
		err = s.format.parse(line, &s.parsed)
	}
	if err == nil {
		s.hold(&s.parsed)
	} else {
		s.bad(s.in.at, err)
	}
	if s.tried++; s.tried == trial {
		return s.doubt()
	}
	return nil
}

func (s *Source) nextFile() error {
	if err := s.in.Close(); err != nil {
		return err
	}
	if err := s.in.open(); err != nil {
		return err
	}
	return s.recognise()
}

// recognise tells what the file that was opened is: of the kind of those
// before.
func (s *Source) recognise() error {
	for {
		lines, err := s.in.peek()
		if err != nil {
			return err
		}
		f, head, err := sniff(lines, &s.cfg)
		if errors.Is(err, ErrEmpty) && s.in.opened < len(s.in.paths) {
			if err := s.nextOpen(); err != nil {
				return err
			}
			continue
		}
		if errors.Is(err, ErrEmpty) && s.format != nil {
			return nil // the last is empty, as a fresh log is
		}
		if err != nil {
			return s.in.located(err)
		}
		return s.adopt(f, head)
	}
}

func (s *Source) nextOpen() error {
	if err := s.in.Close(); err != nil {
		return err
	}
	return s.in.open()
}

// adopt takes a format, and leaves what is its head.
func (s *Source) adopt(f format, head bool) error {
	if s.format == nil {
		s.format, s.stats.Format = f, f.name()
	} else if f.name() != s.stats.Format {
		return s.in.located(fmt.Errorf("%w: it is %s, and what comes before it is %s", ErrFormat, f.name(), s.stats.Format))
	}
	if t, ok := f.(*tsv); ok && s.format != f { // its columns may lie otherwise
		t.count = s.format.(*tsv).count
		s.format = t
	}
	for head {
		line, err := s.in.line()
		if err != nil {
			return err
		}
		head = skipped(line)
	}
	return nil
}

// hold keeps a row until the next one shows whether its time is believable,
// and takes the one before.
func (s *Source) hold(r *row) {
	if s.holds && s.leaps() && r.logged < s.held.logged-leap {
		s.bad(s.heldAt, errors.New("its time is more than a day after those around it"))
		s.holds = false
	}
	s.believe()
	s.held, s.heldAt, s.holds = *r, s.in.at, true
}

// leaps reports whether the held row is far ahead of all before it.
func (s *Source) leaps() bool {
	return s.stats.Rows == 0 || s.held.logged > s.window.high+leap
}

// believe puts the held row, if there is one, into the window.
func (s *Source) believe() {
	if !s.holds {
		return
	}
	s.holds = false
	st := &s.stats
	at := time.Unix(0, s.held.logged).UTC()
	if st.Rows == 0 || at.Before(st.First) {
		st.First = at
	}
	if at.After(st.Last) {
		st.Last = at
	}
	st.Rows++
	st.clock(s.held.logged)
	switch s.window.push(&s.held) {
	case late:
		st.Shortened++
	case tooLate:
		if st.Dropped++; st.Dropped == 1 {
			st.DroppedAt = s.in.String(s.heldAt)
		}
	}
}

func (s *Source) bad(at place, why error) {
	if s.stats.Bad++; s.stats.Bad <= badNamed {
		s.stats.BadAt = append(s.stats.BadAt, fmt.Sprintf("%s: %v", s.in.String(at), why))
	}
}

// doubt fails if most lines so far are no log's.
func (s *Source) doubt() error {
	if s.stats.Bad*2 <= s.tried {
		return nil
	}
	return fmt.Errorf("%s: %w: %d of the first %d lines are not %s: %s",
		s.in.name(0), ErrFormat, s.stats.Bad, s.tried, s.stats.Format, strings.Join(s.stats.BadAt, "; "))
}
