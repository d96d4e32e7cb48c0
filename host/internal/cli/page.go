package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"idlehost/host/internal/api"
)

// pageItems is how many items are asked for at a time, the most there are.
const pageItems = 1000

// collect reads pages until there are so many items, or no more; most 0: all. A
// page may be empty and yet have others behind it.
// Next of the result is where to go on.
func collect[T any](next func(after string) (api.Page[T], error), most int) (api.Page[T], error) {
	all := api.Page[T]{Items: []T{}}
	for {
		p, err := next(all.Next)
		if err != nil {
			return all, err
		}
		if p.Next != "" && p.Next == all.Next {
			return all, fmt.Errorf("the list goes round in circles at %q", p.Next)
		}
		all.Items, all.Next = append(all.Items, p.Items...), p.Next
		if all.Next == "" || most > 0 && len(all.Items) >= most {
			return all, nil
		}
	}
}

// page writes a list as JSON.
func (s *session) page(list any, err error) error {
	if err != nil {
		return err
	}
	return writeJSON(s.out, list)
}

// atMost takes up to n arguments, and says so in our words.
func atMost(n int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) <= n {
			return nil
		}
		return usagef("usage: "+cmd.UseLine(), "%s takes at most %s, not %d arguments", cmd.CommandPath(), what, len(args))
	}
}
