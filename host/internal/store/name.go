package store

import "fmt"

// CheckName says what keeps a name from being a tenant's: ErrInvalid. What
// passes is safe as a path element.
func CheckName(name string) error {
	if len(name) < 1 || len(name) > 63 {
		return fmt.Errorf("tenant name of %d characters, want 1 to 63: %w", len(name), ErrInvalid)
	}
	for i := range len(name) {
		switch c := name[i]; {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9':
		case c == '-' && i > 0 && i < len(name)-1:
		case c == '-':
			return fmt.Errorf("tenant name %q begins or ends with \"-\": %w", name, ErrInvalid)
		default:
			return fmt.Errorf("tenant name %q: %q is none of a-z, 0-9 and \"-\": %w", name, name[i:i+1], ErrInvalid)
		}
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
