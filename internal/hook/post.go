package hook

import (
	"net/http"
	"net/url"
	"time"
)

// Post is one HTTP request to a receiver, ready to be sent.
type Post struct {
	// URL is parsed once, where the webhook is loaded, not at each attempt. It is shared and never changed.
	URL *url.URL
	// Header has canonical names and is not changed once it is posted: make a new one for each attempt.
	Header http.Header
	// Body may be shared by many posts and is never changed: it is the event's payload (I5).
	Body []byte
	// Credentials are the webhook's: whoever sends the post gets a token by their OAuth2 and makes the connection by their TLS; their
	// headers and what Basic makes are in Header already. Nil means none. They are shared and never changed.
	Credentials *Credentials
	// Secretless says that nothing that is posted is for this receiver alone, so that [Post.Conceal] has nothing to look for. False is
	// never wrong.
	Secretless bool
	// ResponseMax is how many bytes of the response body are read; zero means [ResponseBytesMax].
	ResponseMax int
	// Timeout bounds the whole of the attempt, from the look-up of the name to the last byte read of the response.
	Timeout time.Duration
}
