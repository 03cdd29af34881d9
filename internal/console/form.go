package console

import (
	"crypto/sha256"
	"errors"
	"net/http"

	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store"
)

// fieldOnce is the form field with the form's own Idempotency-Key.
const fieldOnce = "once"

// onceKeyBytesMax bounds such a key.
const onceKeyBytesMax = 64

// faults are what is wrong with a form: a text for each field, by the name that the domain has for it.
type faults map[string]string

// faultsOf returns the wrong fields that an error names; ok is false for every other error.
func faultsOf(err error) (f faults, ok bool) {
	var invalid *hook.InvalidError
	if !errors.As(err, &invalid) {
		return nil, false
	}
	f = faults{}
	for _, field := range invalid.Fields {
		if _, known := f[field.Field]; !known {
			f[field.Field] = field.Message
		}
	}
	return f, true
}

// once makes that a form that is sent twice changes something once: the second one is sent to where the first one was. location returns that
// place, and must not hold a secret. It is nil where the form has no key.
func once[T any](c *call, location func(T) string) *store.Once[T] {
	key := c.r.PostFormValue(fieldOnce)
	if key == "" || len(key) > onceKeyBytesMax {
		return nil
	}
	return &store.Once[T]{
		Key: "console " + key, Fingerprint: c.fingerprint(),
		Encode: func(v T, err error) (store.Answer, bool) {
			if err != nil {
				return store.Answer{}, false
			}
			return store.Answer{Status: http.StatusSeeOther, Body: []byte(location(v))}, true
		},
	}
}

// fingerprint tells one form from another: its path, its values and who sends it.
func (c *call) fingerprint() [sha256.Size]byte {
	h := sha256.New()
	for _, part := range [...]string{c.r.URL.Path, c.r.PostForm.Encode(), string(c.by.Actor)} {
		h.Write([]byte(part))
		h.Write([]byte{0})
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// refused is the answer to an action that the record's state does not allow any more, because somebody or something was faster: the page that
// it was asked on, with the reason. Every other error stays what it is.
func refused(err error, location string) (answer, error) {
	var conflict *hook.ConflictError
	switch {
	case errors.As(err, &conflict):
		return goTo(location).warning("Not done: " + conflict.Error() + "."), nil
	case errors.Is(err, hook.ErrNotFound):
		return goTo(location).warning("Not done: it does not exist any more."), nil
	default:
		return answer{}, err
	}
}
