// Package delivery is the engine that brings each delivery to its webhook: at least once, in order for each interaction,
// and with no receiver able to delay another.
//
// # The way of a delivery
//
//	accepted ─▶ Take ─▶ lane ─▶ send ─▶ judge ─▶ recorder ─▶ store
//	              │       ▲                          │
//	         no room      └──── claim ◀── sweep ◀────┘ due again, freed, left over
//
// The process that accepted an event hands the delivery from memory to the lane of its webhook ([Engine.Take]). The store
// is read for what is not in memory: retries, what a dead process left, and what a full lane refused.
//
// # What it guarantees, and to whom
//
//  1. To the receiver: at most its webhook's concurrency of POSTs at a time and its rate limit of them a second, from this
//     process; the same body for the same delivery at every attempt (I5), with signatures made at each attempt; a FINISHED
//     only after its STARTED is resolved, which the store sees to (I3).
//  2. To the other receivers: a lane has its own queue, workers and rate, and its webhook's circuit. No goroutine, lock or queue that one
//     receiver can hold up is needed by another one (I4). Recording never waits for a receiver.
//  3. To the operator: every attempt is recorded under the delivery's lease, in batches that wait for nothing but the disk.
//     A process that dies leaves its leases to end; nothing else has to happen for its work to be taken over (I2).
//  4. Memory is bounded (I7): at most [laneDeliveriesMax] deliveries wait in a lane, and all lanes together hold at most
//     [deliveriesMax]. No lane takes more than it leaves free, and each may hold [laneDeliveriesMin] whatever the others
//     hold, so that slow ones never use up the room of another (I4).
//     Beyond that a delivery stays in the store, due, and is claimed when its lane has room again.
//
// # Leases
//
// A POST begins only while the whole of its request timeout and [hook.LeaseReserve] fit into the lease that is left. A delivery
// that waited longer, for a batch to fill, for its turn of the rate limit or in its lane, goes back to the store together with
// all that wait behind it and have the same fate, and is claimed anew; the lane then holds fewer, until its workers have to wait
// for more. A webhook for which [hook.LeaseFor] asks more than [Options.Lease] gets nothing from this process: it would only keep
// others, whose leases are longer, from its deliveries. Should everything that is claimed be too old all the same, claims pause
// for [sweepEvery].
//
// # The circuit
//
// A webhook's circuit is stored, and one for all processes ([hook.Circuit]). After so many failures in a row, or so large a failing
// share of a minute's attempts, as the webhook's [hook.BreakerLimits] say, a lane opens it: the deliveries of all lanes go back to the store, where they wait without using up attempts, and one probe at a
// time goes out, from the process that changes the stored circuit first when it is due. The first success closes it. A lane looks
// at the circuit wherever it looks at its webhook, in memory; the store is asked only to change one, beside the workers. Until an
// opening is stored, the lane goes by its own opinion ([hook.Breaker]).
//
// # What may fail
//
// A store that cannot commit makes outcomes wait, bounded, and then the lanes; they go on when it can. Receivers may do
// anything. [Engine.Run] ends with a drain: POSTs in flight may finish within a bound, what was not begun is released.
package delivery
