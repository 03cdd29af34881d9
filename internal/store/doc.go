// Package store is the durable truth of Hookswitch: interactions, events, deliveries and attempts, in one database and
// nowhere else. Its callers are the API, which accepts changes, and the delivery engine, which claims and records.
//
// # What it guarantees
//
//  1. A method that changes something is one transaction. When it returns without an error, the change is on disk; when it
//     returns [hook.ErrUnavailable], nothing was changed, or, if the disk failed in the very moment of the commit, the
//     change may have been made: repeating the request with the same id or Idempotency-Key is safe.
//  2. [Store.AcceptChanges] commits a change, its event and one delivery for each webhook that wants the event together (I1).
//  3. A delivery leaves the open set only when an acknowledged attempt is recorded (I2). [Store.Record] changes a delivery
//     only under the lease token that the delivery carries: whoever slept through a lease records nothing.
//  4. A FINISHED whose STARTED is still open for the same webhook is born waiting and is not claimable; recording the
//     STARTED as delivered or exhausted frees it in the same transaction (I3).
//  5. An event's payload and operation id are written once and never changed (I5). A contact centre's retention may empty the
//     payload, under the lock that a replay takes, once no delivery of the event is open.
//  6. Nothing scans history: a claim reads an index that holds pending deliveries alone, keys grow with time, and a list
//     reads as many rows as it shows. Where its filters have no index it looks at a bounded part of history, and its cursor
//     goes on from there (I7).
//  7. [Store.Events] gives every reader every event once, in one order, in which nothing appears behind a cursor that was
//     given, and no FINISHED before its STARTED. What is not below the horizon of transactions that have ended waits.
//  8. A replay of a range makes each delivery that it comes to pending in the transaction that moves it past that delivery: so
//     each once, whatever fails, and on however many nodes.
//  9. What is secret of a webhook, and an answer that shows it, is stored sealed. A start without a key that something is sealed with is
//     refused ([KeysetError]); what is not under the primary key is sealed anew in the background, beside all else and on however many
//     nodes, and a killed process goes on where it was, because each row names its key. On SQLite what was there before is overwritten.
//     A process that others have left behind, because its keyset lacks their key, goes on with what it can open, and seals nothing.
//
// # Group commit
//
// Writers do not open transactions; they queue tasks. [Store.Run] takes whatever waits, up to [groupWeightMax], runs it as
// one transaction with one fsync, and answers each task after the commit. A task that fails for its own reasons is taken
// out of its group and judged alone, so that it costs nobody else's commit.
//
// A task is written in stages. In each stage it queues statements; their results are there in the next one. SQLite
// executes a statement as it is queued and runs one task's stages after the other. PostgreSQL gets a whole stage of all tasks
// in one round trip, as far as no task decides about what another one of them reads (sharer). The SQL text and the logic are
// the same.
//
// # Many processes, one PostgreSQL
//
// SQLite belongs to one process. A PostgreSQL is shared by as many as like to, none of which is special:
//
//   - What a process holds of the open set, it holds by a lease in the delivery's row. Whoever asks for due deliveries gets
//     those whose lease has ended, and passes over rows that another transaction is busy with. A process that slept through
//     its lease finds another token there, and changes nothing.
//   - Contact centres, webhooks and keys are kept in memory with the version that they had. Every group looks at the version
//     before it decides, and begins anew when it is old: what one process has answered counts for all requests after that.
//   - No two processes make the same serial: each has a slot of its own, renewed in a row (see seat).
//   - Transactions take their row locks in one order, and one that the database breaks off to end a deadlock is begun anew. A
//     process that freezes in the middle of one soon loses its locks.
//   - Nothing outlives a transaction in a session: no setting, no lock, and no prepared statement that could not be missed. So
//     a pooler may hand out a session for each transaction.
//
// # The life of a delivery here
//
// It is born leased when the accepting process has room for it in memory, else born due. A lease is no more than a due
// time in the future and a token. Done, its row is deleted from the open set, which therefore stays as small as the work
// that is open, and its attempt is appended to the log.
//
// # What may fail
//
// Driver errors are translated by code: a full disk, an input/output error or a lost connection is [hook.ErrUnavailable].
// A record that does not exist in the contact centre asked for is [hook.ErrNotFound], whether or not it exists in another.
package store
