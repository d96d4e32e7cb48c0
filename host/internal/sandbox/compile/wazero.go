package compile

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/tetratelabs/wazero"
)

// probeModule returns a module without content but a name of its own.
func probeModule() []byte {
	return append([]byte("\x00asm\x01\x00\x00\x00\x00\x0d\x05probe"), "idlhost"...)
}

// compileInto compiles a module into dir, as wazero's cache lays it out.
func compileInto(dir string, o Order) (err error) {
	ctx := context.Background()
	cache, err := wazero.NewCompilationCacheWithDir(dir)
	if err != nil {
		return err
	}
	cfg := wazero.NewRuntimeConfigCompiler().
		WithCompilationCache(cache).
		WithDebugInfoEnabled(false).
		WithCloseOnContextDone(o.Stoppable)
	runtime := wazero.NewRuntimeWithConfig(ctx, cfg)
	_, err = runtime.CompileModule(ctx, o.Wasm)
	return errors.Join(err, runtime.Close(ctx), cache.Close(ctx))
}

// compileProbe compiles the probe into dir and returns where it went: the
// folder below dir is named after the version of wazero, the operating system
// and the architecture, the file after the module and what the processor can.
func compileProbe(dir string) (sub, name string, err error) {
	if err := compileInto(dir, Order{Wasm: probeModule()}); err != nil {
		return "", "", err
	}
	if sub, err = sole(dir, nil); err != nil {
		return "", "", err
	}
	name, err = sole(dir+"/"+sub, nil)
	return sub, name, err
}

// sole returns the one name in dir that is not among the others.
func sole(dir string, others []string) (string, error) {
	list, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	var names []string
	for _, e := range list {
		if !slices.Contains(others, e.Name()) {
			names = append(names, e.Name())
		}
	}
	if len(names) != 1 {
		return "", fmt.Errorf("compiler left %d files, not one", len(names))
	}
	return names[0], nil
}
