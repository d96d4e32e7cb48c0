package file_test

import (
	"testing"
	"time"

	"idlehost/host/internal/store"
	"idlehost/host/internal/store/file"
	"idlehost/host/internal/store/storetest"
)

func openForSuite(t *testing.T, place string, grace time.Duration) store.Store {
	t.Helper()
	s, err := file.Open(place, file.Config{Grace: grace})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestStore(t *testing.T)        { storetest.Run(t, openForSuite) }
func TestStoreDurable(t *testing.T) { storetest.RunDurable(t, openForSuite) }
