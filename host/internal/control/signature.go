package control

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/jedisct1/go-minisign"

	"idlehost/host/internal/api"
	"idlehost/host/internal/store"
)

// maxSignature bounds a signature file, in bytes; minisign's own comments have
// at most 8 KiB.
const maxSignature = 16 << 10

// signer returns the key that an upload is signed with; the zero Key of one
// that is not signed and need not be. A signature that is there must be good.
func (s *tenantView) signer(u api.Upload) (store.Key, error) {
	if u.Signature == "" {
		if s.requires() {
			return store.Key{}, unsigned(s.name, len(s.record.Keys))
		}
		return store.Key{}, nil
	}
	sig, err := readSignature(u.Signature)
	if err != nil {
		return store.Key{}, err
	}
	id := keyID(sig.KeyId)
	i := slices.IndexFunc(s.record.Keys, func(k store.Key) bool { return k.ID == id })
	if i < 0 {
		return store.Key{}, badSignature("it is by key %s, which tenant %s has not registered", id, s.name)
	}
	public, err := minisign.NewPublicKey(s.record.Keys[i].Public)
	if err != nil {
		return store.Key{}, fmt.Errorf("key %s of tenant %s in the store: %w", id, s.name, err)
	}
	if ok, err := public.Verify(u.Wasm, sig); !ok || err != nil {
		return store.Key{}, badSignature("it is not key %s's of this module: %v", id, err)
	}
	return s.record.Keys[i], nil
}

// stillSigned holds an upload to the keys as they are when it is kept.
func stillSigned(t *store.Tenant, k store.Key) error {
	switch {
	case k.ID == "" && t.Spec.RequireSignature:
		return unsigned(t.Name, len(t.Keys))
	case k.ID == "":
		return nil
	case !slices.ContainsFunc(t.Keys, func(have store.Key) bool { return have.ID == k.ID && have.Public == k.Public }):
		return badSignature("key %s has been revoked meanwhile", k.ID)
	}
	return nil
}

func unsigned(tenant string, keys int) error {
	if keys == 0 {
		return badSignature("tenant %s takes signed policies only, and has not registered a key yet", tenant)
	}
	return badSignature("tenant %s takes signed policies only: send minisign's signature file in %s", tenant, api.SignatureHeader)
}

func badSignature(format string, args ...any) error {
	p := api.NewProblem(api.KindSignature, format, args...)
	p.Field = api.SignatureHeader
	return p
}

// readSignature reads a minisign file as the header carries it.
func readSignature(header string) (sig minisign.Signature, err error) {
	if len(header) > base64.StdEncoding.EncodedLen(maxSignature) {
		return sig, badSignature("it is larger than %d bytes", maxSignature)
	}
	file, err := base64.StdEncoding.DecodeString(header)
	if err != nil {
		return sig, badSignature("it is not in base64")
	}
	text := string(file)
	if !strings.HasPrefix(text, "untrusted comment:") {
		return sig, badSignature("it is no minisign file: the untrusted comment is missing")
	}
	sig, err = minisign.DecodeSignature(strings.ReplaceAll(text, "\r\n", "\n"))
	if err != nil {
		return sig, badSignature("it is no minisign file: %s", lower(err.Error()))
	}
	return sig, nil
}

// readKey reads a public key: minisign's base64 line, or its file.
func readKey(text string) (id, line string, err error) {
	line = strings.TrimSpace(text)
	if i := strings.LastIndexByte(line, '\n'); i >= 0 && strings.HasPrefix(line, "untrusted comment:") {
		line = strings.TrimSpace(line[i+1:])
	}
	if strings.ContainsAny(line, "\r\n") {
		return "", "", fmt.Errorf("more than one line is no public key of minisign")
	}
	k, err := minisign.NewPublicKey(line)
	if err != nil {
		return "", "", fmt.Errorf("it is no public key of minisign: 56 characters that begin with RW")
	}
	if k.SignatureAlgorithm != [2]byte{'E', 'd'} {
		return "", "", fmt.Errorf("its algorithm is not Ed25519")
	}
	return keyID(k.KeyId), line, nil
}

// keyID is what minisign calls a key: it prints no zeros before it.
func keyID(id [8]byte) string { return fmt.Sprintf("%X", binary.LittleEndian.Uint64(id[:])) }
