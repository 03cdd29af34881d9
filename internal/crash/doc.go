// Package crash proves on the real binary what the store and the engine promise: it holds tests and nothing else.
//
// What its tests guarantee to everybody who changes the program. However often `hookswitch serve` is killed with SIGKILL,
// under load, within its first milliseconds or while a receiver is down: every change that was answered 2xx is delivered,
// and so is every change whose answer was lost and that was made nevertheless (I1, I2); a FINISHED never arrives before its
// STARTED, nor a STARTED again after it (I3); an event keeps its bytes and its operation id (I5); and what arrives twice is
// bounded by what was in flight. And while the disk is full: changes are refused with 503 and a problem document, reads go
// on, nothing acknowledged is lost, and the process recovers by itself when there is space again.
//
// With several nodes on one PostgreSQL: whichever of them is killed, frozen for longer than its lease or ended, under a load
// that creates on one node and stops on another, every acknowledged change is delivered, the others take its work over when
// its leases end, or at once when it ended gracefully; what a node that slept records late changes nothing; FINISHED never
// arrives before its STARTED was acknowledged; and nothing arrives twice that was not open at a fault. A webhook that one node
// changed counts at once for what the others accept.
//
// On both: a replay of a range makes each delivery pending once and finishes once, whoever goes on with it; a paused one stays so.
// What operators are told of, with what is held back for a quiet period, is what happened, to the last exhausted delivery.
//
// What they do not prove: a SIGKILL leaves the system's page cache as it is, so that a missing fsync is not seen here.
//
// A failure names its seed. The same seed makes the same changes and chooses the same moments, but the machine's own timing
// is part of every run: repeat it a few times.
package crash
