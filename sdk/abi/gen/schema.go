package main

import (
	"fmt"

	"github.com/BurntSushi/toml"
)

// schema is schema.toml, read and laid out.
type schema struct {
	Version    int     `toml:"version"`
	EventSize  int     `toml:"event_size"`
	Bins       int     `toml:"bins"`
	ClientGaps int     `toml:"client_gaps"`
	StateSize  int     `toml:"state_size"`
	Enums      []enum  `toml:"enum"`
	Flags      []value `toml:"flag"`
	Event      []field `toml:"field"`
	Gaps       []field `toml:"gaps"`

	eventUsed int // bytes of the event that fields take
	gapsSize  int
}

type enum struct {
	Name, Doc string
	Values    []value
}

type value struct{ Name, Doc string }

type field struct {
	Name, Type, Doc string
	Count           any // a number or the name of one above; nil: a scalar

	offset, size, elem, n int
}

func load(path string) (*schema, error) {
	s := new(schema)
	md, err := toml.DecodeFile(path, s)
	if err != nil {
		return nil, err
	}
	if u := md.Undecoded(); len(u) > 0 {
		return nil, fmt.Errorf("%s: unknown key %s", path, u[0])
	}
	if s.eventUsed, err = s.layOut(s.Event); err != nil {
		return nil, err
	}
	if s.eventUsed > s.EventSize {
		return nil, fmt.Errorf("event takes %d bytes of %d", s.eventUsed, s.EventSize)
	}
	s.gapsSize, err = s.layOut(s.Gaps)
	return s, err
}

// layOut gives every field its offset. Fields are naturally aligned without
// padding, so that a C struct, a Go struct and the wire agree.
func (s *schema) layOut(fields []field) (end int, err error) {
	for i := range fields {
		f := &fields[i]
		switch f.Type {
		case "u8":
			f.elem = 1
		case "u16":
			f.elem = 2
		case "u32":
			f.elem = 4
		case "u64":
			f.elem = 8
		default:
			return 0, fmt.Errorf("field %s: type %q", f.Name, f.Type)
		}
		if f.n, err = s.count(f.Count); err != nil {
			return 0, fmt.Errorf("field %s: %w", f.Name, err)
		}
		if end%f.elem != 0 {
			return 0, fmt.Errorf("field %s: offset %d is not aligned to %d", f.Name, end, f.elem)
		}
		f.offset, f.size = end, f.elem*max(f.n, 1)
		end += f.size
	}
	if end%8 != 0 {
		return 0, fmt.Errorf("struct ends at %d, not a multiple of 8", end)
	}
	return end, nil
}

// count resolves an array length; 0 is a scalar.
func (s *schema) count(c any) (int, error) {
	switch c := c.(type) {
	case nil:
		return 0, nil
	case int64:
		return int(c), nil
	case string:
		switch c {
		case "bins":
			return s.Bins, nil
		case "client_gaps":
			return s.ClientGaps, nil
		case "state_size":
			return s.StateSize, nil
		}
	}
	return 0, fmt.Errorf("count %v", c)
}
