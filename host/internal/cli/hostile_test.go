package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode"

	"idlehost/host/internal/api"
)

// evil is what a terminal must never be given.
const evil = "\x1b[2J\x07\x9b31m\u202eevil\r\n\x00host: error: forged\u009b\xff"

// poisoned returns a T every text of which is evil, and every list of which
// has an element.
func poisoned[T any]() T {
	var v T
	poison(reflect.ValueOf(&v).Elem())
	return v
}

func poison(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(evil)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		poison(v.Elem())
	case reflect.Slice:
		if v.Type() == reflect.TypeFor[json.RawMessage]() {
			raw, _ := json.Marshal(map[string]any{"verdict": evil, "policy": evil, "abi": map[string]any{"policy": 1}})
			v.SetBytes(raw)
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		poison(v.Index(0))
	case reflect.Map:
		m := reflect.MakeMap(v.Type())
		e := reflect.New(v.Type().Elem()).Elem()
		poison(e)
		m.SetMapIndex(reflect.ValueOf(evil), e)
		v.Set(m)
	case reflect.Struct:
		if _, ok := v.Interface().(time.Time); ok {
			v.Set(reflect.ValueOf(time.Now()))
			return
		}
		for i := range v.NumField() {
			poison(v.Field(i))
		}
	case reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(9)
	case reflect.Int, reflect.Int64:
		v.SetInt(-9)
	case reflect.Float64:
		v.SetFloat(-0.5)
	case reflect.Bool:
		v.SetBool(true)
	default:
		panic("BUG: cannot poison " + v.Type().String())
	}
}

// ask runs a command against a server that answers every request alike.
func ask(t *testing.T, answer http.HandlerFunc, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	s := httptest.NewServer(answer)
	defer s.Close()
	t.Setenv(envServer, s.URL)
	t.Setenv(envToken, "idh_aaaaaaaaaa_topsecret")
	t.Setenv(envTenant, "")
	var out, errs bytes.Buffer
	code = Main(t.Context(), args, strings.NewReader(""), &out, &errs)
	return code, out.String(), errs.String()
}

// paths answers with what fits the end of a path.
func paths(answers map[string]any) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		parts := strings.Split(r.URL.Path, "/")
		v, ok := answers[parts[len(parts)-1]]
		if !ok && len(parts) > 2 {
			v = answers[parts[len(parts)-2]+"/"]
		}
		kind := "application/json"
		if parts[len(parts)-1] == "decisions" {
			kind = "application/x-ndjson"
		}
		w.Header().Set("Content-Type", kind)
		w.Header().Set("ETag", `"s1"`)
		_ = json.NewEncoder(w).Encode(v)
	}
}

func TestNothingHostileReachesTheTerminal(t *testing.T) {
	page := func(items any) any { return map[string]any{"items": items} }
	rollout := poisoned[api.Rollout]()
	for _, role := range []string{"active", "canary", "shadow"} {
		side := poisoned[api.RoleStats]()
		side.Role = role
		rollout.Sides = append(rollout.Sides, side)
	}
	policy, tenant := poisoned[api.Policy](), poisoned[api.Tenant]()
	answer := paths(map[string]any{
		"whoami":  poisoned[api.Actor](),
		"tenants": page([]api.Tenant{tenant}), "tenants/": tenant, "limits": poisoned[api.EffectiveLimits](),
		"tokens": page([]api.Token{poisoned[api.Token]()}), "keys": poisoned[api.Keys](),
		"policies": page([]api.Policy{policy}), "policies/": policy, "rollout": rollout, "rollout/": rollout,
		"connections": page([]api.Connection{poisoned[api.Connection]()}), "decisions": poisoned[api.Decision](),
		"audit": page([]api.Entry{poisoned[api.Entry]()}),
	})
	for _, args := range []string{
		"tenant list", "tenant show", "tenant show x", "tenant set x --log-rate 1", "tenant token list", "tenant key list",
		"policy list", "policy show", "policy show 0123abcd", "policy shadow --off", "policy canary 0123abcd", "policy canary", "policy promote",
		"policy rollback", "policy logs", "conns", "audit", "policy canary 0123abcd -t x",
		"__complete tenant show ", "__complete policy promote ",
	} {
		for _, form := range []string{"", " --json"} {
			if strings.HasPrefix(args, "__") && form != "" {
				continue
			}
			fields := strings.Fields(args + form)
			if strings.HasSuffix(args, " ") {
				fields = append(fields, "")
			}
			code, out, errs := ask(t, answer, fields...)
			if code != ExitOK {
				t.Errorf("%s%s: exit code %d: %s", args, form, code, errs)
			}
			if !strings.Contains(out, `\u001b`) {
				t.Errorf("%s%s: the texts are missing: %q", args, form, out)
			}
			harmless(t, args+form, out+errs)
		}
	}
}

// harmless fails for what a terminal would do something with, and for lines
// that only look like ours.
func harmless(t *testing.T, what, text string) {
	t.Helper()
	for _, c := range text {
		if c != '\n' && c != '\t' && !unicode.IsPrint(c) || c == unicode.ReplacementChar {
			t.Errorf("%s: %q in %q", what, c, text)
			return
		}
	}
	if strings.HasPrefix(text, "host: error: forged") || strings.Contains(text, "\nhost: error: forged") {
		t.Errorf("%s: a line is forged:\n%s", what, text)
	}
	if strings.Contains(text, "topsecret") {
		t.Errorf("%s: the token shows:\n%s", what, text)
	}
}

func TestProblemsAreHarmlessAndHelp(t *testing.T) {
	for _, tt := range []struct{ kind, args, want string }{
		{api.KindPrecondition, "tenant set x --log-rate 1", "host: hint: somebody else was faster: look again"},
		{api.KindPrecondition, "policy promote", "host: hint: somebody else was faster: look again"},
		{api.KindPrecondition, "tenant key add KEY", "host: hint: somebody else was faster: look again"},
		{api.KindRefused, "policy push adaptive", "host: error: policy refused: "},
		{api.KindRefused, "policy push adaptive", "host: hint: host check FILE shows the whole report"},
		{api.KindSignature, "policy push adaptive", "give it with --signature"},
		{api.KindNoStore, "policy push adaptive", "start the host with a [store]"},
		{api.KindRate, "tenant token create --name x", "host: hint: again in 2s"},
		{api.KindInternal, "tenant rm x", "the host's log tells more of "},
		{api.KindForbidden, "tenant list", "for operators"},
		{api.KindInvalid, "tenant set x --log-rate 1", "evil"},
	} {
		key := t.TempDir() + "/key.pub"
		os.WriteFile(key, []byte("untrusted comment: minisign public key\nRWabc\n"), 0o600)
		answer := func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet && tt.args != "tenant list" {
				w.Header().Set("Content-Type", "application/json")
				io.WriteString(w, `{}`)
				return
			}
			p := api.NewProblem(tt.kind, "%s", evil)
			p.Field, p.Instance, p.Cause = evil, evil, evil
			w.Header().Set("Content-Type", api.ProblemType)
			if tt.kind == api.KindRate {
				w.Header().Set("Retry-After", "2")
			}
			w.WriteHeader(p.Status)
			_ = json.NewEncoder(w).Encode(p)
		}
		code, out, errs := ask(t, answer, strings.Fields(strings.ReplaceAll(tt.args, "KEY", key))...)
		want := ExitError
		if tt.kind == api.KindRate || tt.kind == api.KindBusy {
			want = ExitTryAgain
		}
		if code != want || out != "" || !strings.Contains(errs, tt.want) {
			t.Errorf("%s: %s: exit code %d, %q, %q", tt.kind, tt.args, code, out, errs)
		}
		harmless(t, tt.args, errs)
	}
}

func TestServersThatAreNone(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"a web page": func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>"+evil) },
		"text": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			w.WriteHeader(500)
			io.WriteString(w, evil)
		},
		"a redirect": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "http://evil.example/\u202e")
			w.WriteHeader(302)
		},
		"wrong types": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprintf(w, `{"items":%q,"name":7}`, evil)
		},
		"circles": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			io.WriteString(w, `{"items":[{}],"next":"7"}`)
		},
		"numbers that are none": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			io.WriteString(w, `{"items":[],"next":"\u001b"}`)
		},
	} {
		for _, args := range []string{"tenant list", "conns --limit 0 -t x", "audit --limit 0 -t x"} {
			code, out, errs := ask(t, answer, strings.Fields(args)...)
			if code != ExitError || out != "" || !strings.HasPrefix(errs, "host: error: ") {
				t.Errorf("%s: %s: exit code %d, %q, %q", name, args, code, out, errs)
			}
			harmless(t, name+": "+args, errs)
		}
	}
}

func TestWatchListsAgain(t *testing.T) {
	asked := 0
	answer := func(w http.ResponseWriter, _ *http.Request) {
		if asked++; asked > 3 {
			http.NotFound(w, nil)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"items":[{"id":%d}]}`, asked)
	}
	code, out, errs := ask(t, answer, "conns", "--watch", "--every", "100ms", "-t", "x")
	if code != ExitError || strings.Count(out, "connections of tenant x\nID ") != 3 || !strings.Contains(out, "\n3  ") {
		t.Errorf("exit code %d, %s%s", code, out, errs)
	}
	if strings.Contains(out, "\x1b") {
		t.Error("what is no terminal is cleared")
	}
}

func TestAnInterruptEndsAStreamWell(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/x-ndjson")
		io.WriteString(w, "{}\n")
		w.(http.Flusher).Flush()
		interrupt()
		<-r.Context().Done()
	}))
	defer s.Close()
	var out, errs bytes.Buffer
	if code := Main(ctx, []string{"policy", "logs", "-t", "x", "--server", s.URL}, nil, &out, &errs); code != ExitOK || errs.Len() > 0 {
		t.Errorf("exit code %d, %s", code, errs.String())
	}
	if code := Main(ctx, []string{"policy", "list", "-t", "x", "--server", s.URL}, nil, &out, &errs); code != ExitError || errs.String() != "host: error: interrupted\n" {
		t.Errorf("exit code %d, %s", code, errs.String())
	}
}
