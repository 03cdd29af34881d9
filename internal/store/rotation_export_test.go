package store

import (
	"context"
	"time"
)

// ForgetSecrets looks once for previous secrets that have ended, as a running store does every few seconds.
func (s *Store) ForgetSecrets(ctx context.Context, now time.Time) error {
	return s.forgetSecrets(ctx, now)
}
