// Package egresstest guarantees to tests real proxies on loopback: they speak HTTP's CONNECT and SOCKS 5, and do what a test tells them,
// well or badly. Nothing outside of tests may use it.
package egresstest
