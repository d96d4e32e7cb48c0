package policy

// State is what a policy has learned, as it lies in its memory, to be handed on
// to another that declares the same format.
type State struct {
	// Format is the policy's own number for the layout; 0 where it names none.
	Format uint64
	// Bytes is the region; nil where there is nothing.
	Bytes []byte
}
