package v1

// Route is what tests see of a route.
type Route struct{ Method, Pattern, Who, ID, Query string }

// Routes returns the table.
func Routes() (list []Route) {
	names := map[audience]string{nobody: "nobody", anybody: "anybody", anyCaller: "caller", operator: "operator", ownTenant: "own"}
	for _, t := range routes() {
		list = append(list, Route{t.method, t.pattern, names[t.audience], t.id, t.query})
	}
	return list
}

// Document is the OpenAPI document.
func Document() []byte { return openAPI }

// Words are those that connections are filtered by.
func Words() (phase, side, protocol []string) { return phases(), sides(), protocols() }

// Tags reads a list of entity tags.
func Tags(s string) (list []string, any, ok bool) {
	t, ok := parseTags(s)
	if !ok {
		return nil, false, false
	}
	return t.list, t.any, true
}

// ParseObject reads a JSON object.
var ParseObject = parseObject

// Bounds of bodies and pages.
const (
	MaxJSON  = maxJSON
	MaxValue = maxValue
	Stall    = stall
	Recheck  = recheck
	Gather   = gather
)

// Refusal is how long a refusal is held back.
const Refusal = refusal
