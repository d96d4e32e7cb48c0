package config

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
)

func TestRecordIsRead(t *testing.T) {
	c, err := Parse(filepath.Join("etc", "host.toml"), []byte("[record]\nfile = \"a.trace\"\ndir = \"/r\"\ntenants = [\"default\"]\nsample = 0.25\nmax_size = \"64MiB\"\nkeep = 3\nsync = true\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := Record{File: filepath.Join("etc", "a.trace"), Dir: "/r", Sample: 0.25, MaxSize: 64 << 20, Keep: 3, Sync: true}
	got := c.Record
	if len(got.Tenants) != 1 || got.Tenants[0] != "default" {
		t.Errorf("tenants %v", got.Tenants)
	}
	if got.Tenants = nil; got.File != want.File || got.Dir != want.Dir || got.Sample != want.Sample || got.MaxSize != want.MaxSize || got.Keep != want.Keep || !got.Sync {
		t.Errorf("%+v, want %+v", got, want)
	}
	var text bytes.Buffer
	if err := c.Print(&text); err != nil || !strings.Contains(text.String(), `max_size = "64MB"`) {
		t.Errorf("%v, %s", err, text.String())
	}
	if _, err := Parse("host.toml", text.Bytes()); err != nil {
		t.Errorf("what is printed is not read: %v", err)
	}
}

func TestRecordIsChecked(t *testing.T) {
	for text, want := range map[string]string{
		"sample = 0":                                   "record.sample",
		"sample = 1.5":                                 "record.sample",
		"sample = nan":                                 "record.sample",
		`max_size = "1KB"`:                             "too small",
		"max_size = 1073741824":                        "want a size in quotes",
		`max_size = "big"`:                             `"big" is not a size`,
		"keep = -1":                                    "record.keep",
		`tenants = ["default"]`:                        "nothing is recorded",
		"file = \"a\"\ntenants = [\"defautl\"]":        `no tenant is called "defautl"`,
		"file = \"a\"\nfsync = true":                   "unknown key",
		"file = \"a\"\nmax_size = \"9999999999999TB\"": "is not a size",
	} {
		_, err := Parse("host.toml", []byte("[record]\n"+text+"\n"))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

func TestSizes(t *testing.T) {
	for text, want := range map[string]Size{"0": 0, "1": 1, "1500": 1500, "1500B": 1500, "1KB": 1024, "2 MiB": 2 << 20, "3GB": 3 << 30, "1TB": 1 << 40} {
		var got Size
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want {
			t.Errorf("%s is %d, %v", text, got, err)
		}
		var again Size
		if err := again.UnmarshalText([]byte(want.String())); err != nil || again != want {
			t.Errorf("%s is written as %s", text, want)
		}
	}
	for _, text := range []string{"", "MB", "-1", "1.5GB", "1MBMB", "1 M B", "0x10", "1e3"} {
		var got Size
		if err := got.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is %d", text, got)
		}
	}
}

func FuzzSize(f *testing.F) {
	for _, seed := range []string{"1GB", "0", "4611686018427387904", "1MiBGB"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var s, again Size
		if s.UnmarshalText([]byte(text)) != nil {
			return
		}
		if s < 0 {
			t.Fatalf("%q is %d", text, s)
		}
		if err := again.UnmarshalText([]byte(s.String())); err != nil || again != s {
			t.Fatalf("%q: %d is written as %s, which is %d, %v", text, s, s, again, err)
		}
	})
}
