package hook

import "time"

// SignInProblem says what kind of obstacle a sign-in with an OpenID Connect issuer met.
type SignInProblem int

// The kinds of obstacles.
const (
	// SignInAway means that the issuer does not answer now; later it may.
	SignInAway SignInProblem = iota + 1
	// SignInAgain means that the answer belongs to no sign-in that this browser has begun, or comes too late: begin anew.
	SignInAgain
	// SignInRefused means that the issuer refused the person, or that what it says of the person permits nothing here.
	SignInRefused
	// SignInMisset means that the issuer and this server are not set up for each other.
	SignInMisset
)

// SignInError is why somebody could not be signed in by an OpenID Connect issuer.
type SignInError struct {
	Problem SignInProblem
	// Text tells it to the person, in whole sentences. It holds no secret; words of the issuer in it are shortened and visible.
	Text string
	// RetryAfter is when the issuer is asked again, if it is away.
	RetryAfter time.Duration
	// Cause is for the log; nil where there is nothing to add, or that was logged already. It holds no secret either.
	Cause error
}

// Error returns the text.
func (e *SignInError) Error() string { return e.Text }

// Unwrap returns the cause.
func (e *SignInError) Unwrap() error { return e.Cause }
