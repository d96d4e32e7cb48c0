package policy

import (
	"strings"
	"testing"
)

func TestParseParams(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"novalue\n", "line 1"},
		{"a=1\n=x\n", "line 2"},
		{"a=1\n\nb=2\n", "line 2"},
		{"a=1\na=2\n", `"a" is given twice`},
		{"\x00\xff", "not key=value"},
	} {
		if _, err := parseParams(c.text); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: error %v, want %q in it", c.text, err, c.want)
		}
	}
	got, err := parseParams("a=\nb=c=d")
	if err != nil || len(got) != 2 || got["a"] != "" || got["b"] != "c=d" {
		t.Errorf("got %v, %v", got, err)
	}
}

func FuzzParseParams(f *testing.F) {
	f.Add("a=1\nb=2\n")
	f.Add("=\n\n")
	f.Fuzz(func(t *testing.T, text string) {
		params, err := parseParams(text)
		if err != nil {
			return
		}
		lines := 0
		for key, value := range params {
			lines++
			if !strings.Contains("\n"+text+"\n", "\n"+key+"="+value+"\n") {
				t.Errorf("%q=%q is not a line of %q", key, value, text)
			}
		}
		if want := len(strings.Split(strings.TrimSuffix(text, "\n"), "\n")); text != "" && lines != want {
			t.Errorf("%d parameters from %d lines of %q", lines, want, text)
		}
	})
}
