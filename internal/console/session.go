package console

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
)

const (
	// sessionMax is how long a session may last that was begun with a key.
	sessionMax = 12 * time.Hour
	// flashMax is how long a text waits for the page that shows it.
	flashMax = time.Minute
	// cookieBytesMax bounds what is opened of a cookie.
	cookieBytesMax = 4 << 10

	cookieSession = "hookswitch-session"
	cookieFlash   = "hookswitch-flash"
	// hostPrefix makes browsers refuse the cookie unless it came over https from this very host (RFC 6265bis, section 4.1.3.2).
	hostPrefix = "__Host-"

	// What is in a cookie opens as nothing else.
	aboutSession = "console session"
	aboutFlash   = "console flash"
)

// errSignedOut says that nobody is signed in.
var errSignedOut = errors.New("nobody is signed in")

// session is what the cookie says: by which key somebody was let in, or who was by other means, and until when.
type session struct {
	Key    *hook.KeyProof `json:"key,omitempty"`
	Caller *hook.Caller   `json:"caller,omitempty"`
	Until  time.Time      `json:"until"`
}

// flash is a text that the next page shows once.
type flash struct {
	Text string
	// Bad says that something was not done.
	Bad bool
	// URL is a page of the console where there is more about it, and Label what the link to it says; both may be empty.
	URL, Label string
	// At is when it was said: a browser may keep a cookie for too long.
	At time.Time
}

// recognise finds who asks by the cookie. A key is looked for at each request, so that a session ends with it and has its permissions of now.
func (c *call) recognise() error {
	var who session
	if !c.open(cookieSession, aboutSession, &who) || !c.now.Before(who.Until) {
		return errSignedOut
	}
	switch {
	case who.Key != nil:
		by, err := c.server.options.Store.CallerOf(*who.Key, c.now)
		if err != nil { // another node may have made or enabled it a moment ago
			by, err = c.server.options.Store.FindCaller(*who.Key, c.now)
		}
		if err != nil {
			return errSignedOut
		}
		c.by = by
	case who.Caller != nil && c.server.options.Issuer != nil: // where none is configured any more, nobody is signed in by it
		c.by = *who.Caller
	default:
		return errSignedOut
	}
	return nil
}

// begin signs somebody in.
func (c *call) begin(who session) error {
	return c.seal(cookieSession, aboutSession, who, who.Until.Sub(c.now))
}

// end signs out.
func (c *call) end() { c.drop(cookieSession) }

// keepFlash keeps a text for the next page. A text that cannot be kept is not shown, and what was done stays done.
func (c *call) keepFlash(f *flash) {
	f.At = c.now
	if err := c.seal(cookieFlash, aboutFlash, f, flashMax); err != nil {
		c.server.options.Log.Warn("a text for the console's next page was lost", "error", err)
	}
}

// takeFlash returns the text that the page before has left, once.
func (c *call) takeFlash() *flash {
	f := new(flash)
	if !c.open(cookieFlash, aboutFlash, f) {
		return nil
	}
	c.drop(cookieFlash)
	if c.now.Sub(f.At) > flashMax {
		return nil
	}
	return f
}

// seal sets a cookie that only this store's nodes can make and read.
func (c *call) seal(name, about string, v any, lasts time.Duration) error {
	plain, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode cookie: %w", err)
	}
	sealed, _, err := c.server.options.Store.Sealer().Seal(plain, about)
	if err != nil {
		return fmt.Errorf("seal cookie: %w", err)
	}
	c.setCookie(name, base64.RawURLEncoding.EncodeToString(sealed), int(lasts/time.Second))
	return nil
}

// open reads a cookie that seal has set. One that does not open is as good as none: another server at the same address may have set it.
func (c *call) open(name, about string, v any) bool {
	cookie, err := c.r.Cookie(c.cookieName(name))
	if err != nil || len(cookie.Value) > cookieBytesMax {
		return false
	}
	sealed, err := base64.RawURLEncoding.DecodeString(cookie.Value)
	if err != nil {
		return false
	}
	plain, err := c.server.options.Store.Sealer().Open(sealed, about)
	return err == nil && json.Unmarshal(plain, v) == nil
}

func (c *call) drop(name string) { c.setCookie(name, "", -1) }

// setCookie sets a cookie for this host's console. It is Lax and not Strict, so that who follows a link from an e-mail is still
// signed in; what changes something is a POST, which browsers send without it from elsewhere, and which package gate refuses besides.
func (c *call) setCookie(name, value string, maxAge int) {
	//nolint:gosec // G124: over plain http, on this machine or in tests, a Secure cookie would not come back
	http.SetCookie(c.w, &http.Cookie{
		Name: c.cookieName(name), Value: value, Path: "/", MaxAge: maxAge, HttpOnly: true, Secure: c.server.secure, SameSite: http.SameSiteLaxMode,
	})
}

func (c *call) cookieName(name string) string {
	if c.server.secure {
		return hostPrefix + name
	}
	return name
}
