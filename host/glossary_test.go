package main_test

import (
	"go/ast"
	"go/token"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// standard are the words of exported type names that a reader brings along:
// those of Go, of operating systems, of HTTP and of WebAssembly.
//
// Do not add a word to this list because a name needs one. Say it in a word that
// is here, or explain the word in GLOSSARY.md.
const standard = `
abi access account action actor adapter address admin agreement answer app assignment attack backend
balancer batch bin binary block body bound bucket budget buffer cache call callback capability
cause certificate charge chunk class clear client close code column command comparison compiler config
conn connect connection context contract control cookie counter cursor data decision descriptor
dialer difference digest directory disk drain duration effective end engine entry error event
exchange exit experiment export extern failure file fixed frame func function gauge generated
global group handler header health hello histogram host http id identity import index info input
inspection instr interval item iterator job key kind ledger limit limiter line list listener load
loaded loader lock log map match measure memory message metered method metric missing mode name
network new notifier notify number object observer offset op open option order outcome overview
owner packet page pair param parser path pattern peer percentage permission plan point pool port
precondition prefix problem process profile program protocol proxy pseudonym query queue quota
range rate ratio reader reason record recorder refusal registry release remote reply report
request resolver resource response result retry root route router row rule runtime sample
scheduler schema scope script section segment selector sequence server service session setting
shape signal site size slot snapshot socket source space span spec spent split stack stage stat
state status step storage store strategy stream string study summary switched syntax table target
task tcp template text thread time timeout timer tls token topic trace transport tree type
unassigned unit unknown update upload upstream url usage used user val value version view virtual
wait warning watch weight window writer zone
`

// older are words of names that came before this rule. A better name takes its
// word off this list; nothing is added to it.
const older = `
allowance answerer bearers beat census cliff contender ending fitted look loss orderer played
prepared presence replier roster says searched sleeper spike sums survey tally terms tried want
world
`

// glossary returns the packages in which a type may have a word's name, by word.
func glossary(t *testing.T) map[string][]string {
	words := map[string][]string{}
	for _, row := range regexp.MustCompile(`(?m)^\| ([a-z][a-z, ]*) \| (.+) \| ([a-z0-9/, ]+) \|$`).FindAllStringSubmatch(read(t, "host/GLOSSARY.md"), -1) {
		if row[1] == "word" {
			continue
		}
		for word := range strings.SplitSeq(row[1], ", ") {
			if words[word] != nil {
				t.Errorf("host/GLOSSARY.md: %q has two meanings", word)
			}
			words[word] = strings.Split(row[3], ", ")
		}
	}
	return words
}

// TestGlossary: a stranger can read the name of every exported type. Each of its
// words is in the glossary or standard, and a type whose name is a word of the
// glossary stands where the glossary says.
func TestGlossary(t *testing.T) {
	words := glossary(t)
	if n := len(words); n < 30 || n > 60 {
		t.Errorf("host/GLOSSARY.md has %d words: it is read in one go", n)
	}
	plain := strings.Fields(standard + older)
	known := func(word string) bool {
		for _, w := range []string{word, strings.TrimSuffix(word, "s"), strings.TrimSuffix(word, "es"), strings.TrimSuffix(word, "ies") + "y"} {
			if words[w] != nil || slices.Contains(plain, w) {
				return true
			}
		}
		return false
	}
	inside := module + "/host/internal/"
	for _, p := range packages(t) {
		name, ok := strings.CutPrefix(p.path, inside)
		if !ok {
			continue
		}
		for _, typ := range p.exportedTypes() {
			for _, w := range camelWords(typ) {
				if !known(w) {
					t.Errorf("%s.%s: who reads it for the first time does not know %q: use a standard word, or explain this one in host/GLOSSARY.md", name, typ, w)
				}
			}
			if in := words[strings.ToLower(typ)]; in != nil && !slices.Contains(in, name) {
				t.Errorf("%s.%s: host/GLOSSARY.md has that word for %s: call a different thing by a different name", name, typ, strings.Join(in, ", "))
			}
		}
	}
	for word, in := range words {
		for _, name := range in {
			if !slices.ContainsFunc(packages(t), func(p *pkg) bool { return p.path == inside+name }) {
				t.Errorf("host/GLOSSARY.md: %s: there is no package %s", word, name)
			}
		}
	}
}

// exportedTypes returns the names of the types that other packages see.
func (p *pkg) exportedTypes() (list []string) {
	for _, f := range p.code() {
		for _, d := range f.ast.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok || g.Tok != token.TYPE {
				continue
			}
			for _, s := range g.Specs {
				if typ := s.(*ast.TypeSpec); typ.Name.IsExported() {
					list = append(list, typ.Name.Name)
				}
			}
		}
	}
	return list
}

// camelWords splits HTTPRouteTable into http, route and table.
func camelWords(name string) (words []string) {
	r := []rune(name)
	begin := 0
	for i := 1; i <= len(r); i++ {
		if i == len(r) || unicode.IsUpper(r[i]) && (unicode.IsLower(r[i-1]) || i+1 < len(r) && unicode.IsLower(r[i+1])) {
			words = append(words, strings.ToLower(string(r[begin:i])))
			begin = i
		}
	}
	return words
}

func TestCamelWords(t *testing.T) {
	for name, want := range map[string]string{
		"Conn": "conn", "SectionID": "section id", "ABI": "abi", "HTTPRouteTable": "http route table", "TenantSnapshot": "tenant snapshot",
	} {
		if got := strings.Join(camelWords(name), " "); got != want {
			t.Errorf("words of %s are %q, want %q", name, got, want)
		}
	}
}
