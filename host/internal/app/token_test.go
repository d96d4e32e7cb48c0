package app

import (
	"os"
	"reflect"
	"testing"

	"idlehost/host/internal/config"
)

func TestTokens(t *testing.T) {
	file := t.TempDir() + "/tokens"
	os.WriteFile(file, []byte("# who may look\n\n  0123456789abcdef  \nfedcba9876543210\n"), 0o600)
	t.Setenv("IDLEHOST_TEST_TOKEN", " 0123456789abcdef\n")
	for _, tt := range []struct {
		admin config.Admin
		want  []string
	}{
		{config.Admin{}, nil},
		{config.Admin{TokenFile: file}, []string{"0123456789abcdef", "fedcba9876543210"}},
		{config.Admin{TokenEnv: "IDLEHOST_TEST_TOKEN"}, []string{"0123456789abcdef"}},
	} {
		got, err := tokens(&config.Config{Admin: tt.admin})
		if err != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%+v: %q, %v", tt.admin, got, err)
		}
	}
	os.WriteFile(file, []byte("# nobody\n"), 0o600)
	if _, err := tokens(&config.Config{Admin: config.Admin{TokenFile: file}}); err == nil {
		t.Error("a file without tokens is accepted")
	}
}
