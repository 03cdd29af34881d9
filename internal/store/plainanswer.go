package store

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/hookswitch/hookswitch/internal/hook"
)

const (
	// plainAnswers are answers of before there was a keyset. A creation is what shows a secret.
	plainAnswers statement = `SELECT center, key, body FROM answers WHERE sealed_with = 0 AND status = 201`
	// plainSecret is in an answer that shows a secret.
	plainSecret = `"secret":"`
)

// plainAnswer is an answer that shows a secret and is not sealed.
type plainAnswer struct {
	center hook.ContactCenterNumber
	key    string
	body   []byte
}

// sealPlainAnswers seals the answers that a program without a keyset has kept and that show a secret, so that they can be repeated and read by nobody
// else. It is for a store in which nothing was sealed yet.
func (s *Store) sealPlainAnswers() error {
	var plain []plainAnswer
	err := s.engine.read(plainAnswers, func(r row) error {
		var a plainAnswer
		if err := r(&a.center, &a.key, &a.body); err != nil {
			return err
		}
		if bytes.Contains(a.body, []byte(plainSecret)) { // few of many
			plain = append(plain, plainAnswer{a.center, a.key, bytes.Clone(a.body)})
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("find answers that show a secret: %w", err)
	}
	for some := range slices.Chunk(plain, resealRowsMax) {
		if err := s.engine.transact([]task{&plainSealing{store: s, answers: some}}); err != nil {
			return fmt.Errorf("seal answers that show a secret: %w", err)
		}
	}
	return nil
}

// plainSealing is a task: it seals some answers.
type plainSealing struct {
	store   *Store
	answers []plainAnswer
}

func (p *plainSealing) weight() int { return len(p.answers) }

// overwrites says that what is replaced must not stay readable where it was.
func (p *plainSealing) overwrites() bool { return true }

func (p *plainSealing) stage(_ int, b batch) (more bool) {
	for _, a := range p.answers {
		sealed, key, err := p.store.options.Sealer.Seal(a.body, aboutAnswer(a.center, a.key))
		if err != nil {
			fail(b, err)
			return false
		}
		b.exec(resealAnswer, nil, a.center, a.key, sealed, int64(key))
	}
	return false
}
