package delivery

import (
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/signature"
)

// standardBytesUsual is enough for the Standard Webhooks signatures of three secrets, so that they can be built on the stack.
const standardBytesUsual = 3 * (len("v1,") + 44 + len(" "))

// otherSigner signs beside the current secret, while that of it is valid.
type otherSigner struct {
	*signature.Signer
	secret hook.SigningSecret
}

// signWith prepares the signers. Which of them sign is judged at each attempt.
func (t *target) signWith(secrets *hook.Secrets) {
	list := secrets.Signing()
	t.signer = signature.NewSigner([]byte(list[0].Secret.Reveal()))
	for _, s := range list[1:] {
		t.others = append(t.others, otherSigner{signature.NewSigner([]byte(s.Secret.Reveal())), s})
	}
}

// signStandard makes the Standard Webhooks signatures: one with each secret that is valid now, that of the current one first, with
// spaces between them, so that a receiver that knows any of them verifies the POST (Standard Webhooks 1.0, section "Signature scheme").
func (t *target) signStandard(id string, now time.Time, body []byte) string {
	if len(t.others) == 0 {
		return t.signer.Standard(id, now, body)
	}
	var buffer [standardBytesUsual]byte
	value := t.signer.AppendStandard(buffer[:0], id, now, body)
	for i := range t.others {
		if o := &t.others[i]; o.secret.Signs(now) {
			value = o.AppendStandard(append(value, ' '), id, now, body)
		}
	}
	return string(value)
}
