package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"idlehost/host/e2e/hosttest"
	"idlehost/host/internal/api"
	"idlehost/host/internal/client"
)

// operator gives the client commands of the program, as processes of their
// own. It is an operator's unless its token is a tenant's.
type operator struct {
	t       *testing.T
	program string
	env     []string
}

func newOperator(t *testing.T, h *hosttest.Host, env ...string) operator {
	t.Helper()
	path, err := commands()
	if err != nil {
		t.Fatal(err)
	}
	return operator{t, path, append([]string{"HOST_SERVER=" + h.Admin, "HOST_TOKEN=", "HOST_TENANT="}, env...)}
}

// with returns the same with other variables of the environment.
func (o operator) with(env ...string) operator {
	o.env = append(o.env[:len(o.env):len(o.env)], env...)
	return o
}

// try runs a command and returns both outputs and its exit code.
func (o operator) try(args ...string) (stdout, stderr string, code int) {
	o.t.Helper()
	var out, text bytes.Buffer
	cmd := exec.CommandContext(o.t.Context(), o.program, args...)
	cmd.Env, cmd.Stdout, cmd.Stderr = append(os.Environ(), o.env...), &out, &text
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		code = exit.ExitCode()
	} else if err != nil {
		o.t.Fatal(err)
	}
	return out.String(), text.String(), code
}

// do runs a command that succeeds, and returns what it prints.
func (o operator) do(args ...string) string {
	o.t.Helper()
	out, text, code := o.try(args...)
	if code != 0 {
		o.t.Fatalf("host %s: exit code %d: %s", strings.Join(args, " "), code, text)
	}
	return out
}

// refused runs a command that fails for the reason given.
func (o operator) refused(reason string, args ...string) {
	o.t.Helper()
	out, text, code := o.try(args...)
	if code != 1 || out != "" || !strings.HasPrefix(text, "host: error: ") || !strings.Contains(text, reason) {
		o.t.Errorf("host %s: exit code %d, %q, %q, want 1 and %q", strings.Join(args, " "), code, out, text, reason)
	}
}

// read runs a command with --json that succeeds, and decodes the first object
// it prints.
func (o operator) read(into any, args ...string) {
	o.t.Helper()
	out := o.do(append(args, "--json")...)
	if err := json.NewDecoder(strings.NewReader(out)).Decode(into); err != nil {
		o.t.Fatalf("host %s: %q: %v", strings.Join(args, " "), out, err)
	}
}

// push uploads a policy and returns its digest.
func (o operator) push(tenant, name string, wasm []byte, args ...string) string {
	o.t.Helper()
	var p api.Policy
	file := writeFile(o.t, name, string(wasm))
	o.read(&p, append([]string{"policy", "push", "-t", tenant, file}, args...)...)
	if p.Digest == "" {
		o.t.Fatalf("no digest of %s", name)
	}
	return p.Digest
}

// rollout shows a tenant's.
func (o operator) rollout(tenant string) (r api.Rollout) {
	o.t.Helper()
	o.read(&r, "policy", "show", "-t", tenant)
	return r
}

// dial returns a client of the API, for what comes too often for processes.
func dial(t *testing.T, h *hosttest.Host, token string) *client.Client {
	t.Helper()
	c, err := client.New(client.Config{Server: h.Admin, Token: token})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}
