package compile

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

var (
	testSecret = bytes.Repeat([]byte{7}, 32)
	testKey    = strings.Repeat("a", 64)
	testName   = strings.Repeat("0", 64)
)

func sealed(t testing.TB, code string) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := seal(&b, testSecret, testKey, testName, strings.NewReader(code), int64(len(code))); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestSeal(t *testing.T) {
	for _, code := range []string{"", "x", strings.Repeat("code", 200_000)} {
		data := sealed(t, code)
		var out bytes.Buffer
		name, size, err := unseal(&out, testSecret, testKey, bytes.NewReader(data), int64(len(data)))
		if err != nil || name != testName || size != int64(len(code)) || out.String() != code {
			t.Errorf("%d bytes: %q, %d, %v", len(code), name, size, err)
		}
		another := append(bytes.Clone(testSecret[1:]), 8)
		if _, _, err := unseal(&out, another, testKey, bytes.NewReader(data), int64(len(data))); !errors.Is(err, errSeal) {
			t.Errorf("another secret: %v", err)
		}
		if _, _, err := unseal(&out, testSecret, strings.Repeat("b", 64), bytes.NewReader(data), int64(len(data))); !errors.Is(err, errSeal) {
			t.Errorf("another key: %v", err)
		}
	}
	if err := seal(&bytes.Buffer{}, testSecret, testKey, testName, strings.NewReader("abc"), 4); err == nil {
		t.Error("less code than there should be")
	}
}

func TestEveryFlippedBitBreaksTheSeal(t *testing.T) {
	data := sealed(t, "some code")
	for i := range len(data) * 8 {
		bad := bytes.Clone(data)
		bad[i/8] ^= 1 << (i % 8)
		if _, _, err := unseal(&bytes.Buffer{}, testSecret, testKey, bytes.NewReader(bad), int64(len(bad))); err == nil {
			t.Errorf("bit %d", i)
		}
	}
	for n := range data {
		if _, _, err := unseal(&bytes.Buffer{}, testSecret, testKey, bytes.NewReader(data[:n]), int64(n)); err == nil {
			t.Errorf("cut to %d bytes", n)
		}
		if _, _, err := unseal(&bytes.Buffer{}, testSecret, testKey, bytes.NewReader(data[:n]), int64(len(data))); err == nil {
			t.Errorf("cut to %d bytes while it was read", n)
		}
	}
}

func FuzzUnseal(f *testing.F) {
	f.Add(sealed(f, ""))
	f.Add(sealed(f, "some code"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var out bytes.Buffer
		name, size, err := unseal(&out, testSecret, testKey, bytes.NewReader(data), int64(len(data)))
		if err == nil && !bytes.Equal(data, func() []byte {
			var b bytes.Buffer
			_ = seal(&b, testSecret, testKey, name, &out, size)
			return b.Bytes()
		}()) {
			t.Error("authentic, but not what seal writes")
		}
	})
}
