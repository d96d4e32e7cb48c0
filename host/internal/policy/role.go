package policy

// Role is what part a version of a tenant's policy plays.
type Role uint8

// The roles.
const (
	RoleActive Role = iota // answers, and is obeyed
	RoleCanary             // the same for some of the clients
	RoleShadow             // answers beside, and is not obeyed
)

// Roles is the number of roles.
const Roles = 3

var roleNames = [Roles]string{"active", "canary", "shadow"}

// String returns the name used in logs, metrics and the API.
func (r Role) String() string { return roleNames[r] }
