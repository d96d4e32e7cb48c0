package trace

import "slices"

var kindNames = [kindEnd]string{
	"unknown", "open", "begin", "end", "phase", "burst", "hint", "ask", "close",
	"lost", "tenant", "policy", "rules", "answer",
}

// String returns the name that people are shown.
func (k Kind) String() string {
	if k >= kindEnd {
		return kindNames[0]
	}
	return kindNames[k]
}

// ParseKind is the inverse of String for the kinds there are.
func ParseKind(name string) (Kind, bool) {
	i := slices.Index(kindNames[:], name)
	return Kind(max(i, 0)), i > 0
}

// KindNames lists them.
func KindNames() []string { return slices.Clone(kindNames[1:]) }

// ofConn reports whether records of the kind are about one connection.
func (k Kind) ofConn() bool { return k <= KindClose || k == KindAnswer }
