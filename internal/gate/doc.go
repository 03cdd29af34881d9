// Package gate stands between the network and whatever answers HTTP: it listens, speaks TLS, bounds connections and time, and
// refuses what a browser was made to send by a page of somebody else's.
//
// # What it guarantees
//
// To those who run the server:
//
//   - One process has as many connections at most as it was told, and one remote address as many of them. Where there are so many, a new one
//     takes the place of a quiet one: of the address that has most, and there of the one that has been quiet for the longest. Quiet are
//     connections that have not said anything, or wait for their next request; whoever keeps many keeps nobody out. Where none is quiet, the new one is
//     closed before a byte of it is read: it costs a file descriptor for a moment and no memory.
//   - A connection that says nothing, a request that dribbles and a reader that does not read are cut off: see the limits in
//     server.go. Nothing that is bounded by time is bounded by the caller's.
//   - A certificate and its key are taken together or not at all. A pair on disk that is half written, does not fit or may be read by others is
//     not taken: the one before it stays, and that is logged once.
//   - TLS is 1.2 or newer.
//
// To those who build pages on it: an unsafe request (anything but GET, HEAD and OPTIONS) that a browser sends for another origin
// is answered with 403 before any handler sees it. Programs send neither Origin nor Sec-Fetch-Site, and pass. Every answer has the headers of
// [Headers], each of which a handler may set otherwise.
//
// # What may fail
//
// [OpenCertificate] fails when the first pair cannot be used. Later pairs fail into the log and a metric only.
package gate
