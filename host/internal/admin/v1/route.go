package v1

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"idlehost/host/internal/api"
)

// audience says whom a route is for.
type audience uint8

const (
	nobody    audience = iota // a route that does not say is for nobody
	anybody                   // no authentication: it tells nothing
	anyCaller                 // everybody who is authenticated
	operator                  // operators
	ownTenant                 // operators, and the tenant that the path names
)

// route is an operation of the API.
type route struct {
	method   string
	pattern  string // segments in braces match anything
	audience audience
	id       string // operationId in openapi.json
	query    string // the names of query parameters
	stream   bool   // lasts, and is counted apart
	handle   func(*call) error
}

const (
	get    = http.MethodGet // and HEAD
	put    = http.MethodPut
	post   = http.MethodPost
	remove = http.MethodDelete
)

// routes is every operation. Who may call what stands here, and nowhere else.
func routes() []route {
	const of = api.Prefix + "/tenants/{tenant}"
	const filters = "after limit phase side protocol client version min_idle min_age"
	return []route{
		{get, api.Prefix + "/openapi.json", anybody, "getDocument", "", false, (*call).document},
		{get, api.Prefix + "/whoami", anyCaller, "whoami", "", false, (*call).whoami},

		{get, api.Prefix + "/tenants", operator, "listTenants", "after limit", false, (*call).tenants},
		{get, of, ownTenant, "getTenant", "", false, (*call).tenant},
		{put, of, operator, "putTenant", "", false, (*call).putTenant},
		{remove, of, operator, "deleteTenant", "", false, (*call).deleteTenant},
		{get, of + "/limits", ownTenant, "getLimits", "", false, (*call).limits},

		{get, api.Prefix + "/tokens", operator, "listOperatorTokens", "", false, (*call).tokens},
		{post, api.Prefix + "/tokens", operator, "createOperatorToken", "", false, (*call).createToken},
		{remove, api.Prefix + "/tokens/{id}", operator, "revokeOperatorToken", "", false, (*call).revokeToken},
		{get, of + "/tokens", ownTenant, "listTokens", "", false, (*call).tokens},
		{post, of + "/tokens", ownTenant, "createToken", "", false, (*call).createToken},
		{remove, of + "/tokens/{id}", ownTenant, "revokeToken", "", false, (*call).revokeToken},
		{get, of + "/keys", ownTenant, "getKeys", "", false, (*call).keys},
		{put, of + "/keys", ownTenant, "putKeys", "", false, (*call).putKeys},

		{get, of + "/policies", ownTenant, "listPolicies", "", false, (*call).policies},
		{post, of + "/policies", ownTenant, "uploadPolicy", "name", false, (*call).upload},
		{get, of + "/policies/{digest}", ownTenant, "getPolicy", "", false, (*call).policy},
		{remove, of + "/policies/{digest}", ownTenant, "deletePolicy", "", false, (*call).deletePolicy},
		{get, of + "/policies/{digest}/module", ownTenant, "getModule", "", false, (*call).module},

		{get, of + "/rollout", ownTenant, "getRollout", "", false, (*call).rollout},
		{post, of + "/rollout/shadow", ownTenant, "shadow", "", false, step(api.StepShadow)},
		{post, of + "/rollout/canary", ownTenant, "canary", "", false, step(api.StepCanary)},
		{post, of + "/rollout/promote", ownTenant, "promote", "", false, step(api.StepPromote)},
		{post, of + "/rollout/rollback", ownTenant, "rollback", "", false, step(api.StepRollback)},

		{get, of + "/connections", ownTenant, "listConnections", filters, false, (*call).connections},
		{get, of + "/decisions", ownTenant, "streamDecisions", "", true, (*call).decisions},
		{get, of + "/recording", ownTenant, "getRecording", "", false, (*call).recording},
		{post, of + "/recording", operator, "startRecording", "", false, (*call).startRecording},
		{remove, of + "/recording", operator, "stopRecording", "", false, (*call).stopRecording},
		{get, of + "/recording/file", ownTenant, "getRecordingFile", "", false, (*call).recordingFile},
		{get, of + "/audit", ownTenant, "listTenantAudit", "before limit", false, (*call).audit},
		{get, api.Prefix + "/audit", operator, "listAudit", "before limit", false, (*call).audit},
	}
}

// allows holds an actor to a route. The answer does not depend on whether what
// the path names exists.
func (t *route) allows(r *http.Request, a api.Actor) error {
	switch {
	case a.Operator, t.audience == anyCaller:
		return nil
	case t.audience == ownTenant && a.Tenant != "" && r.PathValue("tenant") == a.Tenant:
		return nil
	case t.audience == ownTenant:
		return api.NewProblem(api.KindForbidden, "it is another tenant's")
	}
	return api.NewProblem(api.KindForbidden, "it is for operators")
}

// path is what the routes of one pattern have in common.
type path struct {
	segments []string // without the first slash
	routes   map[string]*route
	allow    string // field Allow
}

// byPath arranges routes.
func byPath(list []route) (paths []*path) {
	at := map[string]*path{}
	for i := range list {
		t := &list[i]
		p := at[t.pattern]
		if p == nil {
			p = &path{segments: strings.Split(t.pattern[1:], "/"), routes: map[string]*route{}}
			at[t.pattern] = p
			paths = append(paths, p)
		}
		p.routes[t.method] = t
	}
	for _, p := range paths {
		var methods []string
		for m := range p.routes {
			methods = append(methods, m)
		}
		if p.routes[get] != nil {
			methods = append(methods, http.MethodHead)
		}
		slices.Sort(methods)
		p.allow = strings.Join(methods, ", ")
	}
	return paths
}

// find returns the route of a request, and keeps what its pattern matches for
// PathValue. http.ServeMux would redirect what it finds untidy, and answer in
// its own way.
func (h *Handler) find(w http.ResponseWriter, r *http.Request) (*route, error) {
	segments := strings.Split(strings.TrimPrefix(r.URL.EscapedPath(), "/"), "/")
	for i, s := range segments {
		var err error
		if segments[i], err = url.PathUnescape(s); err != nil {
			return nil, api.NewProblem(api.KindNotFound, "the path is malformed")
		}
	}
	for _, p := range h.paths {
		if !p.matches(segments) {
			continue
		}
		method := r.Method
		if method == http.MethodHead {
			method = get
		}
		t := p.routes[method]
		if t == nil {
			w.Header().Set("Allow", p.allow)
			return nil, api.NewProblem(api.KindMethod, "allowed are %s", p.allow)
		}
		p.keep(r, segments)
		return t, nil
	}
	return nil, api.NewProblem(api.KindNotFound, "there is no such path: %s/openapi.json has those that there are", api.Prefix)
}

func (p *path) matches(segments []string) bool {
	return len(segments) == len(p.segments) && !slices.ContainsFunc(p.segments, func(want string) bool {
		got := segments[0]
		segments = segments[1:]
		return want[0] == '{' && got == "" || want[0] != '{' && got != want
	})
}

func (p *path) keep(r *http.Request, segments []string) {
	for i, s := range p.segments {
		if s[0] == '{' {
			r.SetPathValue(strings.Trim(s, "{}"), segments[i])
		}
	}
}
