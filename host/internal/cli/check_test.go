package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"idlehost/host/internal/sandbox/wasmtest"
)

func runCheck(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = Main(t.Context(), append([]string{"check"}, args...), strings.NewReader(""), &out, &errs)
	return code, out.String(), errs.String()
}

func TestCheckExitCodes(t *testing.T) {
	dir := t.TempDir() + "/"
	for name, wasm := range map[string][]byte{
		"good.wasm":  wasmtest.Guest().Bytes(),
		"noise.wasm": []byte("\x00asm noise"),
		"trap.wasm":  wasmtest.Guest(wasmtest.Hook("on_timeout", wasmtest.Unreachable())).Bytes(),
		"loop.wasm":  wasmtest.Guest(wasmtest.Hook("on_timeout", wasmtest.Forever(), wasmtest.Const64(0))).Bytes(),
	} {
		if err := os.WriteFile(dir+name, wasm, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		args, out, errs string
		code            int
	}{
		{dir + "good.wasm", "verdict    accepted\n", "", ExitOK},
		{"adaptive", "verdict    accepted\n", "", ExitOK},
		{"pressure.wasm --plugin-config idle=3s", "extend   3s ", "", ExitOK},
		{dir + "noise.wasm", "verdict  refused\n", "host: error: policy \"noise.wasm\": gate: module at offset 0x0: is not a WebAssembly module", ExitError},
		{dir + "trap.wasm", "verdict    faulty\n", "; asked about timeout in phase handshake after 10s (first visit); ", ExitError},
		{dir + "loop.wasm", "100.0 %", "host: hint: a unit of fuel is about one simple instruction", ExitError},
		{"fixed --plugin-config idle=soon", "verdict    faulty\n", "host: error: policy \"fixed\": configure: ", ExitError},
		{"fixd", "", "host: error: \"fixd\" is neither a file nor a bundled policy\nhost: hint: bundled: adaptive, fixed, histogram, kinds, pressure, quantile, share, skirental", ExitUsage},
		{dir, "", "is not a regular file", ExitUsage},
		{"fixed --plugin-config idle", "", "\"idle\" is not key=value", ExitUsage},
		{"fixed adaptive", "", "host: error: host check takes one policy, not 2 arguments", ExitUsage},
		{"", "", "host: hint: usage: host check POLICY", ExitUsage},
	} {
		for _, form := range []string{"", " --json"} {
			code, out, errs := runCheck(t, strings.Fields(tt.args+form)...)
			if code != tt.code || !strings.Contains(errs, tt.errs) || (errs == "") != (tt.code == ExitOK) {
				t.Errorf("%s%s: exit code %d, stderr %q", tt.args, form, code, errs)
			}
			switch {
			case tt.code == ExitUsage && out != "":
				t.Errorf("%s%s: stdout %q", tt.args, form, out)
			case form == "" && !strings.Contains(out, tt.out):
				t.Errorf("%s: no %q in\n%s", tt.args, tt.out, out)
			case form != "" && tt.code != ExitUsage && !json.Valid([]byte(out)):
				t.Errorf("%s%s: no JSON: %s", tt.args, form, out)
			}
		}
	}
}

// TestCheckIsInterrupted before it has come to a verdict.
func TestCheckIsInterrupted(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	interrupt()
	var out, errs bytes.Buffer
	code := Main(ctx, []string{"check", "adaptive"}, nil, &out, &errs)
	if code != ExitError || out.Len() > 0 || errs.String() != "host: error: interrupted\n" {
		t.Errorf("exit code %d, stdout %q, stderr %q", code, &out, &errs)
	}
}
