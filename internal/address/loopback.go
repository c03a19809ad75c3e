package address

import "net/netip"

// Loopback reports whether a host, a name or an address, is this machine and no other can reach
// it there. An empty host, which is all addresses, is not.
func Loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}
