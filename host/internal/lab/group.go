package lab

// Groups is how many groups of clients are told apart: by clients as long as
// there are no more, then by their pseudonyms. It is what a bootstrap over
// clients resamples.
const Groups = 8192

// Group is what one client has cost, or a group of them.
type Group struct {
	Client    uint64 // the first
	HeldUs    int64
	Premature int64
}

// groups finds the group of a client; two plays of one recording number them
// the same way, because it is by the order in which lanes begin.
type groups struct {
	index map[uint64]int
	all   []Group
}

func newGroups() *groups { return &groups{index: map[uint64]int{}, all: make([]Group, 0, Groups)} }

// of returns the group of a client. It stays where it is.
func (g *groups) of(client uint64) *Group {
	if i, ok := g.index[client]; ok {
		return &g.all[i]
	}
	if len(g.all) == Groups {
		return &g.all[mix(client)%Groups]
	}
	g.index[client] = len(g.all)
	g.all = append(g.all, Group{Client: client})
	return &g.all[len(g.all)-1]
}

// mix is the finaliser of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
