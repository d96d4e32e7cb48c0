package v1_test

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"idlehost/host/internal/admin/v1"
	"idlehost/host/internal/api"
	"idlehost/host/internal/tenant/spec"
	"idlehost/sdk/abi"
)

func routesOf(t *testing.T) []v1.Route {
	t.Helper()
	list := v1.Routes()
	if len(list) == 0 {
		t.Fatal("there are no routes")
	}
	return list
}

// TestDocumentHasTheRoutes: every route with its operation, its audience and
// its parameters, and no operation more.
func TestDocumentHasTheRoutes(t *testing.T) {
	doc := document(t)
	known := map[string]bool{}
	for _, route := range routesOf(t) {
		known[route.Method+" "+route.Pattern] = true
		item := doc.Paths.Value(route.Pattern)
		if item == nil || item.GetOperation(route.Method) == nil {
			t.Errorf("%s %s is not documented", route.Method, route.Pattern)
			continue
		}
		op := item.GetOperation(route.Method)
		if op.OperationID != route.ID || op.Extensions["x-who"] != route.Who {
			t.Errorf("%s %s: documented as %s for %v, is %s for %s", route.Method, route.Pattern, op.OperationID, op.Extensions["x-who"], route.ID, route.Who)
		}
		var documented []string
		for _, p := range op.Parameters {
			if p.Value.In == "query" {
				documented = append(documented, p.Value.Name)
			}
		}
		taken := strings.Fields(route.Query)
		slices.Sort(documented)
		slices.Sort(taken)
		if !slices.Equal(documented, taken) {
			t.Errorf("%s: documented parameters %v, taken %v", route.ID, documented, taken)
		}
		if (op.Security != nil && len(*op.Security) == 0) != (route.Who == "anybody") {
			t.Errorf("%s is for %s, and the document's security is %v", route.ID, route.Who, op.Security)
		}
	}
	for path, item := range doc.Paths.Map() {
		for method := range item.Operations() {
			if !known[method+" "+path] {
				t.Errorf("%s %s is documented, and there is no such route", method, path)
			}
		}
	}
}

// TestDocumentHasTheTypes: the schemas have the fields of the Go types, and
// require those that are always written.
func TestDocumentHasTheTypes(t *testing.T) {
	schemas := document(t).Components.Schemas
	types := map[string]any{
		"Actor": api.Actor{}, "Spec": spec.Spec{}, "Limits": spec.Limits{}, "Guard": spec.Guard{}, "Tenant": api.Tenant{},
		"EffectiveLimits": api.EffectiveLimits{}, "Storage": api.Storage{}, "Token": api.Token{}, "NewToken": api.NewToken{}, "Key": api.Key{},
		"Keys": api.Keys{}, "Policy": api.Policy{}, "Release": spec.Release{}, "Rollout": api.Rollout{}, "Verdict": spec.Rollback{},
		"Side": api.RoleStats{}, "Comparison": api.Comparison{}, "Step": api.Step{}, "Connection": api.Connection{},
		"Decision": api.Decision{}, "Entry": api.Entry{}, "Recording": api.Recording{}, "NewRecording": api.NewRecording{}, "Problem": api.Problem{},
		"TenantPage": api.Page[api.Tenant]{}, "TokenPage": api.Page[api.Token]{}, "PolicyPage": api.Page[api.Policy]{},
		"ConnectionPage": api.Page[api.Connection]{}, "EntryPage": api.Page[api.Entry]{},
	}
	for name, schema := range schemas {
		if schema.Value.Type.Is("object") && types[name] == nil {
			t.Errorf("schema %s is of no type", name)
		}
	}
	for name, v := range types {
		if schemas[name] == nil {
			t.Errorf("type %s has no schema", name)
			continue
		}
		sameFields(t, name, schemas[name].Value, reflect.TypeOf(v))
	}
}

func sameFields(t *testing.T, name string, schema *openapi3.Schema, typ reflect.Type) {
	t.Helper()
	fields := map[string]bool{}
	for _, field := range reflect.VisibleFields(typ) {
		tag, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		if tag == "-" || field.Anonymous { // the fields of an embedded struct are visited too
			continue
		}
		fields[tag] = true
		property := schema.Properties[tag]
		if property == nil {
			t.Errorf("schema %s lacks %s", name, tag)
			continue
		}
		if want, got := jsonType(field.Type), property.Value.Type; !got.Is(want) {
			t.Errorf("schema %s: %s is %v, want %s", name, tag, got.Slice(), want)
		}
		always := options == ""
		if always != slices.Contains(schema.Required, tag) {
			t.Errorf("schema %s: %s is always written: %v; the document says otherwise", name, tag, always)
		}
	}
	for property := range schema.Properties {
		if !fields[property] {
			t.Errorf("schema %s: no type has %s", name, property)
		}
	}
}

// jsonType is how a Go type is written.
func jsonType(typ reflect.Type) string {
	switch typ {
	case reflect.TypeFor[time.Time](), reflect.TypeFor[spec.Duration]():
		return "string"
	case reflect.TypeFor[json.RawMessage]():
		return "object" // reports are
	}
	switch typ.Kind() {
	case reflect.Pointer:
		return jsonType(typ.Elem())
	case reflect.Struct, reflect.Map:
		return "object"
	case reflect.Slice:
		return "array"
	case reflect.String:
		return "string"
	case reflect.Bool:
		return "boolean"
	case reflect.Float64:
		return "number"
	}
	return "integer"
}

// TestDocumentHasTheProblems: each kind with its status, in words and as enum.
func TestDocumentHasTheProblems(t *testing.T) {
	schema := document(t).Components.Schemas["Problem"].Value.Properties["type"].Value
	for _, v := range schema.Enum {
		kind := strings.TrimPrefix(v.(string), api.TypePrefix)
		p := api.NewProblem(kind, "") // panics at one that is none
		if want := "`" + kind + "` (" + strings.TrimSpace(statusText(p.Status)) + ")"; !strings.Contains(schema.Description, want) {
			t.Errorf("the description lacks %s", want)
		}
	}
	for _, kind := range []string{
		api.KindUnauthorized, api.KindForbidden, api.KindNotFound, api.KindMethod, api.KindTimeout, api.KindConflict, api.KindDeclared,
		api.KindPrecondition, api.KindTooLarge, api.KindMediaType, api.KindMisdirected, api.KindInvalid, api.KindRefused, api.KindSignature,
		api.KindPreconditionNeed, api.KindRate, api.KindInternal, api.KindNoStore, api.KindBusy,
		api.KindStorage,
	} {
		if !slices.Contains(schema.Enum, any(api.TypePrefix+kind)) {
			t.Errorf("the document lacks %s", kind)
		}
	}
}

func statusText(status int) string {
	text, _ := json.Marshal(status)
	return string(text)
}

// TestWordsAreTheABIs: connections are filtered by the words of the ABI.
func TestWordsAreTheABIs(t *testing.T) {
	phase, side, protocol := v1.Words()
	if abi.Phase(len(phase)).String() != "unknown" || abi.Side(len(side)).String() != "unknown" || abi.Protocol(len(protocol)).String() != "unknown" {
		t.Error("the ABI has more words")
	}
	for i, word := range phase {
		if got := abi.Phase(i).String(); got != word {
			t.Errorf("phase %d is %s, want %s", i, word, got)
		}
	}
	for i, word := range side {
		if got := abi.Side(i).String(); got != word {
			t.Errorf("side %d is %s, want %s", i, word, got)
		}
	}
	for i, word := range protocol {
		if got := abi.Protocol(i).String(); got != word {
			t.Errorf("protocol %d is %s, want %s", i, word, got)
		}
	}
	doc := document(t)
	op := doc.Paths.Value("/v1/tenants/{tenant}/connections").Get
	for name, words := range map[string][]string{"phase": phase, "side": side, "protocol": protocol} {
		var documented []string
		for _, v := range op.Parameters.GetByInAndName("query", name).Schema.Value.Enum {
			documented = append(documented, v.(string))
		}
		if !slices.Equal(documented, words) {
			t.Errorf("%s: documented %v, taken %v", name, documented, words)
		}
	}
}
