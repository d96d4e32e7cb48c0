package meter

import (
	"context"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// TestHostIsPaidForThroughTables: a function of the host's costs no less where
// it is called through a table, and those of other types cost no more for it.
func TestHostIsPaidForThroughTables(t *testing.T) {
	named := func(name string, fn byte) []byte { return append(append([]byte{byte(len(name))}, name...), 0, fn) }
	exports := []byte{3}
	for fn, name := range map[byte]string{2: "direct", 3: "indirect", 4: "own"} {
		exports = append(exports, named(name, fn)...)
	}
	wasm := raw(
		section(1, 3, 0x60, 0, 0, 0x60, 0, 1, 0x7e, 0x60, 0, 0), // the last is the first once more
		section(2, 1, 1, 'h', 1, 'f', 0, 0),
		section(3, 4, 1, 0, 0, 0),
		section(4, 1, 0x70, 0, 2),
		section(7, exports...),
		section(9, 1, 0, 0x41, 0, 0x0b, 2, 0, 1),
		section(10, 4, 4, 0, 0x42, 3, 0x0b, 4, 0, 0x10, 0, 0x0b, 7, 0, 0x41, 0, 0x11, 2, 0, 0x0b, 8, 0, 0x41, 1, 0x11, 1, 0, 0x1a, 0x0b))
	ctx := context.Background()
	r := wazero.NewRuntime(ctx)
	defer r.Close(ctx)
	if _, err := r.NewHostModuleBuilder("h").NewFunctionBuilder().WithFunc(func() {}).Export("f").Instantiate(ctx); err != nil {
		t.Fatal(err)
	}
	guest, err := r.Instantiate(ctx, metered(t, wasm, ample))
	if err != nil {
		t.Fatal(err)
	}
	used := func(name string) int64 {
		fuel := guest.ExportedGlobal(Global).(api.MutableGlobal)
		fuel.Set(ample)
		if _, err := guest.ExportedFunction(name).Call(ctx); err != nil {
			t.Fatal(err)
		}
		return ample - int64(fuel.Get())
	}
	direct, indirect, own := used("direct"), used("indirect"), used("own")
	if direct < costImported || indirect < direct || own > costImported/2 {
		t.Errorf("called by name %d, through a table %d, a function of the guest's %d", direct, indirect, own)
	}
}
