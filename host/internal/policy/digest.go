package policy

import (
	"crypto/sha256"
	"encoding/hex"
)

// Digest returns what a policy's module is known by: its SHA-256, in
// lower-case hex.
func Digest(wasm []byte) string {
	sum := sha256.Sum256(wasm)
	return hex.EncodeToString(sum[:])
}

// ShortDigest returns the part of a digest that is shown to people.
func ShortDigest(digest string) string { return digest[:min(12, len(digest))] }
