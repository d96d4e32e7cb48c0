package cli

import (
	"slices"
	"testing"

	"idlehost/host/internal/api"
)

// TestCollect: a page without items may have others behind it, and a list that
// does not go on is no list.
func TestCollect(t *testing.T) {
	pages := map[string]api.Page[int]{
		"":  {Items: []int{1, 2}, Next: "2"},
		"2": {Next: "9"},
		"9": {Items: []int{10}},
	}
	read := func(after string) (api.Page[int], error) { return pages[after], nil }
	if all, err := collect(read, 0); err != nil || !slices.Equal(all.Items, []int{1, 2, 10}) || all.Next != "" {
		t.Errorf("%v, %v", all, err)
	}
	if all, err := collect(read, 2); err != nil || !slices.Equal(all.Items, []int{1, 2}) || all.Next != "2" {
		t.Errorf("the first 2: %v, %v", all, err)
	}
	pages["9"] = api.Page[int]{Next: "9"}
	if _, err := collect(read, 0); err == nil {
		t.Error("a list that is its own next page ends")
	}
}
