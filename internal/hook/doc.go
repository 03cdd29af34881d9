// Package hook is the domain of Hookswitch: what an interaction, an event, a webhook, a delivery and an attempt are,
// and what may happen to them. It is pure: every function decides from its arguments alone, with time and randomness
// passed in as values. It does no input or output and starts no goroutine, so every rule here is proven by a property
// test and holds for every store, every node and every surface.
//
// # Vocabulary
//
//	contact centre  a tenant; every record belongs to exactly one ([ContactCenterID])
//	interaction     one chat or one secure e-mail, from its creation to its stop ([Interaction])
//	session         a long-lived conversation that may hold several interactions, one after another ([SessionID])
//	queue           where a submitted interaction waits for an agent or a workflow
//	submit          put a NEW interaction into a queue: emits STARTED
//	stop            end its processing: emits FINISHED
//	webhook         a receiver's URL with its secret and settings ([Webhook], [Settings])
//	event           the fact that an interaction STARTED or FINISHED, with its payload ([Event])
//	delivery        one event on its way to one webhook ([Delivery])
//	attempt         one POST of a delivery and what came of it ([Attempt])
//	notice          what operators are told about a webhook, on its way to other webhooks as an event is ([Notice], [Purpose])
//	lease           a claim on a delivery, until a time, by the one process that may send it ([Lease])
//	replay          make a delivered or exhausted delivery pending again: one, or those of a range ([Replay])
//	serial          the internal key of a record: 64 bits, ordered by time ([Serial])
//
// # An interaction
//
//	create ─▶ NEW ──submit──▶ QUEUED ──accept──▶ IN_PROCESS ──┐
//	                           ▲   └──────── stop ───────┐    ├─ stop ─▶ STOPPED (terminal)
//	                           └── return / transfer ────│────┘
//
// Any other transition is a [ConflictError] that says what the state is. A repeated stop is not a conflict: it answers
// with the first one's outcome and emits nothing.
//
// # A delivery
//
//	born ──▶ pending ──acknowledged──▶ delivered (terminal; may be replayed)
//	  │         │  ▲
//	  │         │  └── failed, attempts left: due again after the retry schedule's wait
//	  ▼         └───── failed, none left ──▶ exhausted (kept, visible; may be replayed)
//	waiting ──STARTED resolved──▶ pending
//
// A FINISHED is born waiting when the same webhook's delivery of the STARTED is still unresolved. A pending delivery of a
// disabled webhook, or behind an open circuit, is shown as held: that is a view, not a stored state.
//
// # Invariants
//
// The numbers are those of the specification, section 3; tests name the invariant that they prove.
//
//	I1  Acknowledged means durable: an interaction's change, its event and one delivery per matching webhook are one
//	    transaction of one store, committed before the change is answered.
//	I2  At least once: a delivery leaves the open set only by an acknowledgement; after its last attempt it is exhausted,
//	    which is a state that is seen and replayed, never a deletion.
//	I3  Ordered per interaction: for one webhook, a FINISHED is sent only when its STARTED is delivered or exhausted.
//	I4  Isolated: nothing that one receiver does changes when another webhook's deliveries are sent.
//	I5  The same bytes: an event's payload and operation id are made once, with the event, and never change; signatures
//	    are made at each attempt.
//	I6  Deduplicable: (interaction id, event) and the operation id name an event for ever; attempt numbers of a delivery
//	    only grow.
//	I7  Bounded: every setting, text, list and wait has a named limit, checked here.
package hook
