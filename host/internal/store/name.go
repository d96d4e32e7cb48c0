package store

import (
	"fmt"

	"idlehost/host/internal/tenant/spec"
)

// CheckName says what keeps a name from being a tenant's: ErrInvalid. What
// passes is safe as a path element.
func CheckName(name string) error {
	if problem := spec.CheckName(name); problem != "" {
		return fmt.Errorf("tenant name: %s: %w", problem, ErrInvalid)
	}
	return nil
}

// CheckDigest says what keeps a text from being the SHA-256 of a module in
// lower-case hexadecimal: ErrInvalid. What passes is safe as a path element.
func CheckDigest(digest string) error {
	if len(digest) != 64 {
		return fmt.Errorf("digest of %d characters, want 64: %w", len(digest), ErrInvalid)
	}
	for i := range len(digest) {
		if c := digest[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return fmt.Errorf("digest %q: %q is none of 0-9 and a-f: %w", digest, digest[i:i+1], ErrInvalid)
		}
	}
	return nil
}
