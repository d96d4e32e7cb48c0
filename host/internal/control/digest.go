package control

import (
	"strings"

	"idlehost/host/internal/api"
	"idlehost/host/internal/store"
)

// minPrefix is the length of the shortest prefix that stands for a digest.
const minPrefix = 8

// checkPrefix reads a digest or a prefix of one.
func checkPrefix(text string) (string, error) {
	prefix := lower(text)
	if len(prefix) < minPrefix || len(prefix) > 64 || strings.Trim(prefix, "0123456789abcdef") != "" {
		return "", invalid("digest", "%q is neither a digest nor its first %d digits or more", clean(text, 80), minPrefix)
	}
	return prefix, nil
}

// version finds the version that a digest, or a prefix of one, stands for.
func version(t *store.Tenant, text string) (*store.Version, error) {
	prefix, err := checkPrefix(text)
	if err != nil {
		return nil, err
	}
	var found []*store.Version
	for i := range t.Versions {
		if strings.HasPrefix(t.Versions[i].Digest, prefix) {
			found = append(found, &t.Versions[i])
		}
	}
	switch len(found) {
	case 0:
		return nil, api.NewProblem(api.KindNotFound, "tenant %s has no policy %s", t.Name, prefix)
	case 1:
		return found[0], nil
	}
	p := api.NewProblem(api.KindConflict, "%s stands for each of %s", prefix, listed(found))
	p.Field = "digest"
	return nil, p
}

// listed names versions so that they can be told apart, the first few.
func listed(versions []*store.Version) string {
	var b strings.Builder
	for i, v := range versions {
		if i == 5 {
			b.WriteString(" and others")
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(v.Digest)
	}
	return b.String()
}
