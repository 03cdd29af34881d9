package hook

import "net/netip"

// networkBits is the part of an IPv6 address that one customer has at least (RFC 6177, section 2): the rest is anybody's to choose.
const networkBits = 64

// NetworkOf returns whom a connection from an address with its port counts for, where callers are told apart by where they are: an IPv4
// address, or the network of an IPv6 one. What is no such address, as of a connection that is not TCP, is one caller: the zero value.
func NetworkOf(address string) netip.Prefix {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return netip.Prefix{}
	}
	ip := at.Addr().Unmap().WithZone("")
	bits := ip.BitLen()
	if ip.Is6() {
		bits = networkBits
	}
	network, err := ip.Prefix(bits)
	if err != nil { // bits fit every address
		return netip.Prefix{}
	}
	return network
}
