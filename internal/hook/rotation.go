package hook

import "time"

// How long the previous secret goes on signing after a promotion.
const (
	KeepPreviousDefault = 24 * time.Hour      // KeepPreviousDefault is where nothing is said.
	KeepPreviousMax     = 30 * 24 * time.Hour // KeepPreviousMax is how long at most.
)

// SigningSecret is a secret that signs until a time; the zero time is for ever.
type SigningSecret struct {
	Secret Secret
	Until  time.Time
}

// Signs reports whether the secret signs at a time.
func (s *SigningSecret) Signs(now time.Time) bool { return s.Until.IsZero() || now.Before(s.Until) }

// Signing returns the secrets in the order in which they sign: the current one, which alone makes the headers that hold one signature,
// then the next one and the previous one where there is one. A previous one has an end, and signs nothing after it even
// while it is still stored.
func (s *Secrets) Signing() []SigningSecret {
	list := []SigningSecret{{Secret: s.Current}}
	if !s.Next.IsZero() {
		list = append(list, SigningSecret{Secret: s.Next})
	}
	if !s.Previous.IsZero() {
		list = append(list, SigningSecret{Secret: s.Previous, Until: s.PreviousUntil})
	}
	return list
}

// AddNext begins a rotation: the secret will be current, and signs beside the current one from now on. It replaces a next one that was
// added before. The previous secret may come back in this way.
func (s *Secrets) AddNext(secret Secret) error {
	if secret.Equal(s.Current) {
		return &ConflictError{
			Verb: "add the next secret", State: "that it is the current one",
			Detail: "give another secret, or none to have one made",
		}
	}
	if secret.Equal(s.Previous) {
		s.Previous, s.PreviousUntil = Secret{}, time.Time{}
	}
	s.Next = secret
	return nil
}

// Promote makes the next secret the current one. The one that was current is the previous one for so long and ends at once where that is zero;
// one that was previous before it ends in any case.
func (s *Secrets) Promote(now time.Time, keepPrevious time.Duration) error {
	if s.Next.IsZero() {
		return &ConflictError{
			Verb: "promote the next secret", State: "that there is none",
			Detail: "add one first (action next), have the receiver accept both, and promote it then",
		}
	}
	previous, until := s.Current, now.Add(keepPrevious)
	if keepPrevious <= 0 {
		previous, until = Secret{}, time.Time{}
	}
	*s = Secrets{Current: s.Next, Previous: previous, PreviousUntil: until}
	return nil
}

// ExpirePrevious ends the previous secret before its time.
func (s *Secrets) ExpirePrevious() error {
	if s.Previous.IsZero() {
		return &ConflictError{
			Verb: "expire the previous secret", State: "that there is none",
			Detail: "it has ended already, or the next one was not promoted yet: promote it first, or expire the next one in its place",
		}
	}
	s.Previous, s.PreviousUntil = Secret{}, time.Time{}
	return nil
}

// CancelNext ends a rotation before the promotion: the next secret is forgotten.
func (s *Secrets) CancelNext() error {
	if s.Next.IsZero() {
		return &ConflictError{
			Verb: "expire the next secret", State: "that there is none",
			Detail: "it was promoted already, or none was added: to go back to the previous secret, add that as the next one and promote it",
		}
	}
	s.Next = Secret{}
	return nil
}

// PreviousEnded reports whether a previous secret is stored whose time has passed.
func (s *Secrets) PreviousEnded(now time.Time) bool {
	return !s.Previous.IsZero() && !now.Before(s.PreviousUntil)
}

// Trial returns the secrets of a POST that shows what the promotion would bring: all its signatures are made with the next secret.
func (s *Secrets) Trial() (Secrets, error) {
	if s.Next.IsZero() {
		return Secrets{}, &ConflictError{Verb: "test with the next secret", State: "that there is none", Detail: "add one first (action next)"}
	}
	return Secrets{Current: s.Next}, nil
}
