package compile

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
)

// lookup knows the names by which wazero looks for code. They depend on the module
// and on what wazero knows of the processor, which it does not say; the name that
// it has given to a module that is known tells.
type lookup struct{ features uint64 }

// mostFeatures is how many sets of features wazero may tell apart: it has three
// bits for them.
const mostFeatures = 1 << 8

// newLookup returns what finds name for wasm. Where nothing does, names are not
// what they were in another wazero, and ok is false.
func newLookup(wasm []byte, name string) (l lookup, ok bool) {
	for l.features = range uint64(mostFeatures) {
		if l.name(wasm, false) == name {
			return l, true
		}
	}
	return lookup{}, false
}

// name returns that of the file with the code of wasm. stoppable: Order.Stoppable.
func (l lookup) name(wasm []byte, stoppable bool) string {
	id := sha256.New()
	id.Write(wasm)
	if stoppable {
		id.Write([]byte{1})
	} else {
		id.Write([]byte{0})
	}
	key := append(id.Sum(nil), "WAZEVO"...)
	sum := sha256.Sum256(binary.LittleEndian.AppendUint64(key, l.features))
	return hex.EncodeToString(sum[:])
}
