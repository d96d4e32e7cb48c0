package trace

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite testdata")

// golden compares with a file of testdata, which -update rewrites.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	if *update {
		check(t, os.MkdirAll("testdata", 0o755))
		check(t, os.WriteFile("testdata/"+name, got, 0o644))
	}
	want, err := os.ReadFile("testdata/" + name)
	check(t, err)
	if !bytes.Equal(got, want) {
		t.Errorf("%s has changed:\n%q, want\n%q", name, got, want)
	}
}

// TestFormatStaysAsItIs: files of every version that others have can be read
// for ever. What changes the bytes of one that was released is a new version.
func TestFormatStaysAsItIs(t *testing.T) {
	golden(t, "v2.trace", written(t, header, every(), 3, 8))
	for name, want := range map[string][]Record{"testdata/v1.trace": everyOfVersion1(), "testdata/v2.trace": every()} {
		f, err := Open(name)
		check(t, err)
		defer f.Close()
		if got := rest(t, f); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v", name, got)
		}
	}
	if _, err := Open("testdata/none.trace"); err == nil || !strings.Contains(err.Error(), "testdata/none.trace") {
		t.Errorf("a file that is not there: %v", err)
	}
}

// everyOfVersion1 is what is in that version's file: the question is a shadow's,
// of which there is the answer only.
func everyOfVersion1() []Record {
	return slices.DeleteFunc(every(), func(r Record) bool {
		return r.Kind == KindAsk || r.Kind == KindAnswer && r.Conn != 7
	})
}

func TestText(t *testing.T) {
	var b, lines strings.Builder
	for _, r := range append(every(),
		Record{Kind: KindTenant, Name: "\x1b[31mred\n"}, Record{Kind: KindAsk, Conn: 1}, Record{Kind: KindAnswer, Conn: 1}, Record{Kind: KindRules}, Record{}, Record{Kind: 200},
	) {
		b.WriteString(r.String() + "\n")
		line, err := json.Marshal(&r)
		check(t, err)
		lines.WriteString(string(line) + "\n")
	}
	golden(t, "v2.jsonl", []byte(lines.String()))
	golden(t, "v2.txt", []byte(b.String()))
}

func TestKindsAreParsedBack(t *testing.T) {
	if len(KindNames()) != int(kindEnd)-1 {
		t.Error("a kind has no name")
	}
	for _, name := range KindNames() {
		if k, ok := ParseKind(name); !ok || k.String() != name {
			t.Errorf("%q: %v, %v", name, k, ok)
		}
	}
	if _, ok := ParseKind("unknown"); ok {
		t.Error("an unknown kind is a kind")
	}
}
