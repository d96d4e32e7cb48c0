package logs

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"unicode/utf8"
)

// walked returns what an object holds, by path; of an array its last element.
func walked(line []byte) (map[string]string, error) {
	all := map[string]string{}
	o := object{visit: func(path, value []byte) { all[string(path)] = string(value) }}
	err := o.walk(line)
	return all, err
}

func TestObjects(t *testing.T) {
	for _, c := range []struct {
		line string
		want map[string]string
	}{
		{`{}`, map[string]string{}},
		{` { "a" : 1 , "b":"x" } `, map[string]string{"a": "1", "b": "x"}},
		{`{"a":{"b":{"c":true}},"d":null,"e":-1.5e3}`, map[string]string{"a.b.c": "true", "e": "-1.5e3"}},
		{`{"h":{"User-Agent":["curl/7.88"],"x":[]},"y":[{"z":1}]}`, map[string]string{"h.User-Agent": "curl/7.88", "y.z": "1"}},
		{`{"a":"q\"\\\/\b\f\n\r\t","b":"\u00e9\ud83d\ude00\ud83d"}`, map[string]string{"a": "q\"\\/\b\f\n\r\t", "b": "é😀\ufffd"}},
		{`{"nginx":"a\x22b\xzz\q"}`, map[string]string{"nginx": `a"b\xzz\q`}},
		{`{"a":1,"a":2}`, map[string]string{"a": "2"}},
		{`{"k\u0065y":"v"}`, map[string]string{"key": "v"}},
	} {
		if got, err := walked([]byte(c.line)); err != nil || !maps.Equal(got, c.want) {
			t.Errorf("%s: %v, %v", c.line, got, err)
		}
	}
	for _, line := range []string{``, `x`, `[]`, `"a"`, `{`, `{"a"`, `{"a":`, `{"a":1`, `{"a":}`, `{"a":1,}`, `{"a":1}x`, `{"a":"b}`, `{"a":"b\`,
		`{a:1}`, `{"a" 1}`, `{"a":[1}`, `{"a":[1,]}`, `{"a":{]}`} {
		if got, err := walked([]byte(line)); !errors.Is(err, errObject) {
			t.Errorf("%s: %v, %v", line, got, err)
		}
	}
	deep := strings.Repeat(`{"a":`, deepest+1) + "1" + strings.Repeat("}", deepest+1)
	if _, err := walked([]byte(deep)); !errors.Is(err, errDeep) {
		t.Errorf("too deep: %v", err)
	}
	if _, err := walked([]byte(deep[5 : len(deep)-1])); err != nil {
		t.Errorf("as deep as may be: %v", err)
	}
}

// FuzzObject holds what is told of objects to what encoding/json tells.
func FuzzObject(f *testing.F) {
	f.Add([]byte(`{"a":{"b":["x",{"c":1}]},"d":"\u00e9\n","e":null}`))
	f.Add([]byte(`{"nginx":"a\x22b"}`))
	f.Add([]byte(`{"a":1,"a":{"b":2},"a.b":3}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		got, err := walked(line)
		var want map[string]any
		if !utf8.Valid(line) || json.Unmarshal(line, &want) != nil || want == nil {
			return
		}
		if err != nil {
			if !errors.Is(err, errDeep) {
				t.Fatalf("%s: %v", line, err)
			}
			return
		}
		// Of keys that are there twice encoding/json keeps the last.
		d := json.NewDecoder(bytes.NewReader(line))
		d.UseNumber()
		if err := d.Decode(&want); err != nil {
			t.Fatal(err)
		}
		flat := map[string]string{}
		if !flatten(flat, "", want) {
			return
		}
		for path, value := range flat {
			if have, ok := got[path]; !ok || have != value {
				t.Fatalf("%s: %q is %q, want %q", line, path, have, value)
			}
		}
	})
}

// flatten is walk for what encoding/json made; false where a path is not the
// only one of its name.
func flatten(into map[string]string, path string, v any) bool {
	switch v := v.(type) {
	case nil:
	case map[string]any:
		for k, e := range v {
			if path != "" {
				k = path + "." + k
			}
			if !flatten(into, k, e) {
				return false
			}
		}
	case []any:
		return len(v) == 0
	default:
		if _, twice := into[path]; twice {
			return false
		}
		into[path] = fmt.Sprint(v)
	}
	return true
}

func TestObjectsCostNoMemory(t *testing.T) {
	l, err := newJSON(nil, &Config{Key: SeedKey(0)})
	if err != nil {
		t.Fatal(err)
	}
	line := []byte(`{"time":"2020-10-10T13:00:00+02:00","remote_addr":"10.1.2.3","request":"GET \/a HTTP\/1.1","bytes":5,"x":{"y":[1,2]}}`)
	var r row
	if n := testing.AllocsPerRun(100, func() {
		if err := l.parse(line, &r); err != nil {
			t.Fatal(err)
		}
	}); n > 0 {
		t.Errorf("%v allocations a line", n)
	}
}
