package overload

// Descriptors divides those that the process may have open (ulimit -n): some are
// for the admin server, some for files of all kinds, the store, certificates,
// logs, recordings, names that are looked up and the compiling child, and the
// rest is for connections.
type Descriptors struct {
	Limit, Admin, Files, Connections int // all 0: there is no limit
}

// fewest is how many descriptors connections get in any case.
const fewest = 16

// Divide divides so many descriptors; 0: there is no limit.
func Divide(limit int) Descriptors {
	if limit <= 0 {
		return Descriptors{}
	}
	most := max(128, limit/128)
	d := Descriptors{Limit: limit, Admin: min(max(limit/16, 12), most), Files: min(max(limit/8, 40), most)}
	d.Connections = max(limit-d.Admin-d.Files, fewest)
	return d
}

// beside returns how many descriptors connections may have while files and the
// admin server have others, which may be more than planned for.
func (d Descriptors) beside(others int) int {
	const slack = 8
	return max(min(d.Connections, d.Limit-others-slack), fewest)
}
