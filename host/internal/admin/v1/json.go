package v1

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"

	"idlehost/host/internal/api"
)

// readJSON reads the body, a JSON object, into v.
func (c *call) readJSON(v any) error {
	if !c.sends() {
		return api.NewProblem(api.KindInvalid, "the request has no body, want a JSON object")
	}
	data, err := c.body("application/json", maxJSON)
	if err != nil {
		return err
	}
	return parseObject(data, v)
}

// readOptional is as readJSON, but an empty body is an empty object.
func (c *call) readOptional(v any) error {
	if !c.sends() {
		return nil
	}
	data, err := c.body("application/json", maxJSON)
	if err != nil || len(data) == 0 {
		return err
	}
	return parseObject(data, v)
}

// parseObject is stricter than encoding/json: it takes one object, whose
// fields are known, are spelled as documented, and occur once.
func parseObject(data []byte, v any) error {
	if text := bytes.TrimLeft(data, " \t\r\n"); len(text) == 0 || text[0] != '{' {
		return api.NewProblem(api.KindInvalid, "the body is no JSON object")
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return malformed(err)
	}
	if _, err := d.Token(); err != io.EOF {
		return api.NewProblem(api.KindInvalid, "the body goes on behind its object")
	}
	return checkNames(data)
}

// malformed says what is wrong with a body that was not decoded.
func malformed(err error) error {
	if kind, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		field := kind.Field
		if field == "" {
			field = "body"
		}
		return invalid(clip(field), "a %s cannot stand here", kind.Value)
	}
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		if s, err := strconv.Unquote(name); err == nil {
			name = s
		}
		return unknown(name)
	}
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		return api.NewProblem(api.KindInvalid, "the body is no JSON: %s at byte %d", strings.TrimPrefix(syntax.Error(), "json: "), syntax.Offset)
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return api.NewProblem(api.KindInvalid, "the body is no JSON: it ends too early")
	}
	return api.NewProblem(api.KindInvalid, "%s", clip(err.Error())) // of an UnmarshalText
}

func unknown(name string) error { return invalid(clip(name), "there is no such field") }

// free is the field whose own fields have any names, and any spelling.
const free = "params"

// checkNames refuses fields that occur twice, of which encoding/json takes the
// last, and those that it knows only because it overlooks their spelling.
func checkNames(data []byte) error {
	d := json.NewDecoder(bytes.NewReader(data))
	type object struct {
		seen map[string]bool // nil: it is an array
		name string          // of the field that is read; "": a name is next
		free bool
	}
	var open []object
	for {
		t, err := d.Token()
		if err != nil {
			return nil // it has been decoded: this is the end
		}
		top := len(open) - 1
		switch s, text := t.(string); {
		case t == json.Delim('{'):
			open = append(open, object{seen: map[string]bool{}, free: top >= 0 && open[top].name == free})
			continue
		case t == json.Delim('['):
			open = append(open, object{})
			continue
		case t == json.Delim('}') || t == json.Delim(']'):
			open = open[:top]
			top--
		case text && open[top].seen != nil && open[top].name == "":
			if open[top].seen[s] {
				return invalid(clip(s), "the field occurs twice")
			}
			if !open[top].free && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz_") != "" {
				return unknown(s)
			}
			open[top].seen[s] = true
			open[top].name = s
			if s == "" {
				open[top].name = "\x00"
			}
			continue
		}
		if top >= 0 {
			open[top].name = "" // its value has been read
		}
	}
}
