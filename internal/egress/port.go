package egress

import (
	"fmt"
	"slices"
)

// badPorts are those at which another protocol than HTTP is spoken, in order: the Fetch standard's list of bad ports (section 2.9, "Port
// blocking"), which browsers refuse. A receiver at a public address has no reason to use one, and whoever names one means another
// service; what the operator allows explicitly may use any.
func badPorts() []uint16 {
	return []uint16{
		0, 1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104, 109, 110, 111, 113, 115,
		117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513, 514, 515, 526, 530, 531, 532, 540, 548, 554, 556, 563, 587,
		601, 636, 989, 990, 993, 995, 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679,
		6697, 10080,
	}
}

// checkPort returns a [blockedError] when a port is not for HTTP. It is asked for addresses that the operator has not listed.
func (g *guard) checkPort(port uint16) error {
	if _, bad := slices.BinarySearch(g.badPorts, port); bad {
		return &blockedError{fmt.Sprintf(
			"the port %d is for another protocol than HTTP: use another one, or have the operator list the address in allow-private-targets", port,
		)}
	}
	return nil
}
