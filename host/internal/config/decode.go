package config

import (
	"encoding"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// decoder moves a TOML tree into the typed configuration. The TOML library's
// own decoder stops at the first value of a wrong type; an operator wants all
// of them at once.
type decoder struct {
	origin   func(path string) string
	problems Problems
}

func (d *decoder) table(path string, tree map[string]any, dst reflect.Value) {
	fields := fieldsOf(dst)
	names := slices.Sorted(maps.Keys(fields))
	for _, key := range slices.Sorted(maps.Keys(tree)) {
		field, ok := fields[key]
		if !ok {
			hint := nearest(key, names)
			if hint == "" {
				hint = "known here: " + strings.Join(names, ", ")
			}
			d.bad(join(path, key), "unknown key", hint)
			continue
		}
		d.value(join(path, key), tree[key], field)
	}
}

// fieldsOf returns the fields of a section by key, those of embedded structs
// among them.
func fieldsOf(dst reflect.Value) map[string]reflect.Value {
	fields := map[string]reflect.Value{}
	for i := range dst.NumField() {
		if f := dst.Type().Field(i); f.Anonymous {
			maps.Copy(fields, fieldsOf(dst.Field(i)))
		} else if name, _, _ := strings.Cut(f.Tag.Get("toml"), ","); name != "" && name != "-" {
			fields[name] = dst.Field(i)
		}
	}
	return fields
}

func (d *decoder) value(path string, v any, dst reflect.Value) {
	if u, ok := dst.Addr().Interface().(encoding.TextUnmarshaler); ok {
		d.text(path, v, u)
		return
	}
	switch dst.Kind() {
	case reflect.String:
		if s, ok := v.(string); ok {
			dst.SetString(s)
			return
		}
		d.bad(path, "is "+kind(v)+", want a string", "")
	case reflect.Bool:
		if b, ok := v.(bool); ok {
			dst.SetBool(b)
			return
		}
		d.bad(path, "is "+kind(v)+", want true or false", "")
	case reflect.Int, reflect.Int64:
		if n, ok := v.(int64); ok {
			dst.SetInt(n)
			return
		}
		d.bad(path, "is "+kind(v)+", want a whole number", "")
	case reflect.Float64:
		switch n := v.(type) {
		case float64:
			dst.SetFloat(n)
			return
		case int64:
			dst.SetFloat(float64(n))
			return
		}
		d.bad(path, "is "+kind(v)+", want a number", "")
	case reflect.Slice:
		d.list(path, v, dst)
	case reflect.Map:
		d.params(path, v, dst)
	case reflect.Struct:
		if t, ok := v.(map[string]any); ok {
			d.table(path, t, dst)
			return
		}
		d.bad(path, "is "+kind(v)+", want a table", "write ["+path+"]")
	}
}

func (d *decoder) text(path string, v any, dst encoding.TextUnmarshaler) {
	noun, such := "a duration", `such as "30s", "1m30s" or "0"`
	if _, ok := dst.(*Size); ok {
		noun, such = "a size", `such as "512MB" or "2GB"`
	}
	s, ok := v.(string)
	if !ok {
		d.bad(path, "is "+kind(v)+", want "+noun+" in quotes", such)
		return
	}
	if err := dst.UnmarshalText([]byte(s)); err != nil {
		d.bad(path, err.Error(), "write "+noun+" "+such)
	}
}

func (d *decoder) list(path string, v any, dst reflect.Value) {
	var items []any
	switch v := v.(type) {
	case []any:
		items = v
	case []map[string]any: // how the library gives an array of tables
		for _, t := range v {
			items = append(items, t)
		}
	default:
		hint := "write [[" + path + "]]"
		if dst.Type().Elem().Kind() == reflect.String {
			hint = `write ["...", "..."]`
		}
		d.bad(path, "is "+kind(v)+", want an array", hint)
		return
	}
	dst.Set(reflect.MakeSlice(dst.Type(), len(items), len(items)))
	for i, item := range items {
		d.value(Index(path, i), item, dst.Index(i))
	}
}

// params reads free keys with scalar values, as text.
func (d *decoder) params(path string, v any, dst reflect.Value) {
	t, ok := v.(map[string]any)
	if !ok {
		d.bad(path, "is "+kind(v)+", want a table", "write ["+path+"]")
		return
	}
	out := make(map[string]string, len(t))
	for _, key := range slices.Sorted(maps.Keys(t)) {
		at := join(path, key)
		switch v := t[key].(type) {
		case string:
			out[key] = v
		case bool:
			out[key] = strconv.FormatBool(v)
		case int64:
			out[key] = strconv.FormatInt(v, 10)
		case float64:
			out[key] = strconv.FormatFloat(v, 'g', -1, 64)
		default:
			d.bad(at, "is "+kind(v)+", want a string, number or boolean", "")
		}
		if text := CheckParam(key, out[key]); text != "" {
			d.bad(at, text, "")
		}
	}
	dst.Set(reflect.ValueOf(out))
}

// CheckParam says in words what is wrong with a policy parameter, or "":
// parameters travel as lines of key=value.
func CheckParam(key, value string) string {
	switch {
	case key == "":
		return "parameter without a name"
	case strings.ContainsAny(key, "=\n\r\x00"):
		return fmt.Sprintf("parameter name %q contains a line break, a NUL or =", key)
	case strings.ContainsAny(value, "\n\r\x00"):
		return fmt.Sprintf("value of parameter %q contains a line break or a NUL", key)
	}
	return ""
}

func (d *decoder) bad(path, text, hint string) {
	d.problems.add(d.origin(path), path, text, hint)
}

func kind(v any) string {
	switch v.(type) {
	case string:
		return "a string"
	case int64, float64:
		return "a number"
	case bool:
		return "a boolean"
	case map[string]any:
		return "a table"
	case []any, []map[string]any:
		return "an array"
	}
	return "a date"
}
