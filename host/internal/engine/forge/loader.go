package forge

import "context"

// Loader is a Forge as engine.Compiler wants it.
type Loader struct{ *Forge }

// Compile returns once Dir holds the code of wasm; release says that it has
// been loaded.
func (l Loader) Compile(ctx context.Context, wasm []byte) (release func(), err error) {
	code, err := l.Forge.Compile(ctx, Order{Wasm: wasm})
	if err != nil {
		return nil, err
	}
	return code.Close, nil
}
