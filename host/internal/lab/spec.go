package lab

import (
	"fmt"
	"path"
	"strings"
)

// Parse reads a policy as the command line names it: MODULE[:PARAMS], where
// PARAMS is key=value,key=value; of fixed, times alone will do, each of which is
// a policy of its own (fixed:5s,30s). find returns a module by its name.
func Parse(spec string, find func(module string) ([]byte, error)) ([]Policy, error) {
	module, params, some := strings.Cut(spec, ":")
	if module == "" {
		return nil, fmt.Errorf("policy %q: want MODULE, or MODULE:key=value and more of these after commas", spec)
	}
	wasm, err := find(module)
	if err != nil {
		return nil, fmt.Errorf("policy %q: %w", spec, err)
	}
	name := strings.TrimSuffix(path.Base(module), ".wasm")
	if some && name == "fixed" && !strings.Contains(params, "=") {
		return fixed(spec, module, wasm, params)
	}
	p := Policy{Name: name, Module: module, Wasm: wasm, Params: map[string]string{}}
	if !some {
		return []Policy{p}, nil
	}
	p.Name = name + ":" + params
	last := ""
	for part := range strings.SplitSeq(params, ",") {
		key, value, ok := strings.Cut(part, "=")
		switch {
		case ok && key != "":
			p.Params[key], last = value, key
		case !ok && last != "": // a comma within a value
			p.Params[last] += "," + part
		default:
			return nil, fmt.Errorf("policy %q: %q is not key=value", spec, part)
		}
	}
	return []Policy{p}, nil
}

// fixed makes a policy of each time.
func fixed(spec, module string, wasm []byte, times string) (all []Policy, err error) {
	for d := range strings.SplitSeq(times, ",") {
		if d == "" {
			return nil, fmt.Errorf("policy %q: want times such as fixed:5s,30s", spec)
		}
		all = append(all, Policy{Name: "fixed " + d, Module: module, Wasm: wasm, Params: map[string]string{"timeout": d}})
	}
	return all, nil
}

// Distinct gives policies of the same name different ones.
func Distinct(all []Policy) {
	seen := map[string]int{}
	for i := range all {
		name := all[i].Name
		if seen[name]++; seen[name] > 1 {
			all[i].Name = fmt.Sprintf("%s #%d", name, seen[name])
		}
	}
}
