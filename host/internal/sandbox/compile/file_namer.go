package compile

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
)

// fileNamer computes the names under which wazero looks for code. They depend on
// the module and on a set of processor features that wazero does not export; the
// name that wazero gave to a known module reveals the set.
type fileNamer struct{ features uint64 }

// mostFeatures is how many sets of features wazero may tell apart: it has three
// bits for them.
const mostFeatures = 1 << 8

// findFileNamer returns the namer that gives name to wasm. If there is none, this
// wazero makes its names in another way, and ok is false.
func findFileNamer(wasm []byte, name string) (l fileNamer, ok bool) {
	for l.features = range uint64(mostFeatures) {
		if l.name(wasm, false) == name {
			return l, true
		}
	}
	return fileNamer{}, false
}

// name returns that of the file with the code of wasm. stoppable: Order.Stoppable.
func (l fileNamer) name(wasm []byte, stoppable bool) string {
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
