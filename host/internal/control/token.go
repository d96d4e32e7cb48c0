package control

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"strings"
)

// A token is "idh_", its ID, "_" and its secret. Both are base32 in lower case:
// no character of it means anything in a shell, a header or a URL, and "idh_"
// lets scanners of source code find it.
const (
	tokenPrefix = "idh_"
	idLength    = 10 // 50 bits
	secretBytes = 32
	secretChars = (secretBytes*8 + 4) / 5
)

var alphabet = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

func newID() string {
	b := make([]byte, 7)
	rand.Read(b) // never fails (crypto/rand)
	return alphabet.EncodeToString(b)[:idLength]
}

func newSecret() string {
	b := make([]byte, secretBytes)
	rand.Read(b)
	return alphabet.EncodeToString(b)
}

func tokenText(id, secret string) string { return tokenPrefix + id + "_" + secret }

// parseToken takes a token apart. The length is what it is for every token, so
// looking at it first tells nobody anything.
func parseToken(text string) (id, secret string, ok bool) {
	rest, ok := strings.CutPrefix(text, tokenPrefix)
	if !ok || len(rest) != idLength+1+secretChars || rest[idLength] != '_' {
		return "", "", false
	}
	id, secret = rest[:idLength], rest[idLength+1:]
	return id, secret, isBase32(id) && isBase32(secret)
}

func isBase32(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '2' || c > '7') {
			return false
		}
	}
	return true
}

// hashSecret is what is kept of a secret. Its 256 random bits need no slow
// hash: there is nothing to guess.
func hashSecret(secret string) []byte {
	sum := sha256.Sum256([]byte(secret))
	return sum[:]
}
