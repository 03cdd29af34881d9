package hook

import "time"

// The bounds of every duration of a [Retention].
const (
	RetentionMin = Duration(time.Hour)           // RetentionMin is longer than any lease: nobody still sends what has passed it.
	RetentionMax = Duration(876_000 * time.Hour) // RetentionMax is 100 years.
)

// Retention is how long a contact centre keeps what it has. What is absent is inherited: Interactions from the server, the
// others from the interaction that they belong to.
type Retention struct {
	// Interactions is how long an interaction is kept after its stop, with all that is its own; zero is for ever.
	Interactions *Duration `json:"interactions,omitempty"`
	// Deliveries is how long after the event a delivery that is resolved, delivered or exhausted, is listed.
	Deliveries *Duration `json:"deliveries,omitempty"`
	// Attempts is how long after the event each of a delivery's attempts is kept, and what the receiver answered; then the last
	// one stays, without the answer.
	Attempts *Duration `json:"attempts,omitempty"`
	// Payloads is how long after the event its payload is kept; one that is still to be delivered is kept whatever its age.
	Payloads *Duration `json:"payloads,omitempty"`
}

// Kept is how long something is kept.
type Kept struct {
	// For is zero for ever.
	For time.Duration
	// Inherited is whether nobody has set it for the contact centre.
	Inherited bool
}

// RetentionPolicy is what a [Retention] comes to. Of the last three, what is inherited is kept as long as its interaction, and
// what is not as long after its event.
type RetentionPolicy struct{ Interactions, Deliveries, Attempts, Payloads Kept }

// Policy returns what the settings come to where the server keeps interactions for a time, zero for ever.
func (r Retention) Policy(server time.Duration) RetentionPolicy {
	var p RetentionPolicy
	p.Interactions = kept(r.Interactions, server)
	p.Deliveries = kept(r.Deliveries, p.Interactions.For)
	p.Attempts = kept(r.Attempts, p.Deliveries.For)
	p.Payloads = kept(r.Payloads, p.Interactions.For)
	return p
}

func kept(set *Duration, inherited time.Duration) Kept {
	if set == nil {
		return Kept{For: inherited, Inherited: true}
	}
	return Kept{For: time.Duration(*set)}
}

// Validate checks what is set against its bounds and against each other, on a server that keeps interactions for a time; the
// error is an [InvalidError] that names all that is wrong with the prefix before each name.
func (r Retention) Validate(prefix string, server time.Duration) error {
	c, p := new(checker), r.Policy(server)
	if r.Interactions != nil && *r.Interactions != 0 {
		c.kept(prefix+"interactions", r.Interactions, " or 0, for ever")
	}
	c.kept(prefix+"deliveries", r.Deliveries, "")
	c.kept(prefix+"attempts", r.Attempts, "")
	c.kept(prefix+"payloads", r.Payloads, "")
	if len(c.fields) > 0 {
		return c.err() // what is wrong by itself is compared with nothing
	}
	c.within(prefix+"deliveries", r.Deliveries, "interactions", p.Interactions)
	c.within(prefix+"attempts", r.Attempts, "deliveries", p.Deliveries)
	c.within(prefix+"payloads", r.Payloads, "interactions", p.Interactions)
	return c.err()
}

func (c *checker) kept(field string, d *Duration, also string) {
	if d != nil && (*d < RetentionMin || *d > RetentionMax) {
		c.fail(field, d.String(), "must be from %v to %v%s", RetentionMin, RetentionMax, also)
	}
}

// within checks that something is not kept longer than what it belongs to.
func (c *checker) within(field string, d *Duration, owner string, most Kept) {
	if d != nil && most.For != 0 && time.Duration(*d) > most.For {
		c.fail(field, d.String(), "must not be longer than %s, which are kept for %v", owner, Duration(most.For))
	}
}
