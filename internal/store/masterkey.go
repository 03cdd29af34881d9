package store

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
)

const (
	selectMasterKeys statement = `SELECT number, proof, created_at FROM master_keys ORDER BY number`
	insertMasterKey  statement = `INSERT INTO master_keys (number, proof, created_at) VALUES ($1, $2, $3) ON CONFLICT (number) DO NOTHING`
	deleteMasterKey  statement = `DELETE FROM master_keys WHERE number = $1`
	countWebhooksBy  statement = `SELECT sealed_with, count(*) FROM webhooks GROUP BY sealed_with`
	countAnswersBy   statement = `SELECT sealed_with, count(*) FROM answers WHERE sealed_with > 0 GROUP BY sealed_with`
)

// proofText is what each master key has sealed.
const proofText = "hookswitch"

// aboutMasterKey names a master key's proof to the sealer.
func aboutMasterKey(number uint32) string { return fmt.Sprintf("master key %d", number) }

// KeysetError says that the master keyset that was given is not the store's.
type KeysetError struct {
	// Missing are the numbers of the keys that the store needs and the keyset does not hold; Held those that it holds. Where none is
	// missing, a key has a number that is known and is another one all the same.
	Missing, Held []uint32
}

// Error names the keys by their numbers.
func (e *KeysetError) Error() string {
	if len(e.Missing) == 0 {
		return fmt.Sprintf("the store's secrets cannot be read with this master keyset: it has keys with the right numbers (%s) that are other ones", joinNumbers(e.Held))
	}
	return fmt.Sprintf("the store's secrets cannot be read with this master keyset: they are sealed with master key %s, and it holds %s; give the keyset of this store",
		joinNumbers(e.Missing), joinNumbers(e.Held))
}

func joinNumbers(numbers []uint32) string {
	texts := make([]string, len(numbers))
	for i, n := range numbers {
		texts[i] = strconv.FormatUint(uint64(n), 10)
	}
	return strings.Join(texts, ", ")
}

// usedKey is a master key that was used in this store.
type usedKey struct {
	number uint32
	proof  []byte
	since  int64
}

// readMasterKeys returns the keys that were used, in the order in which they became primary.
func (s *Store) readMasterKeys() ([]usedKey, error) {
	var used []usedKey
	err := s.engine.read(selectMasterKeys, func(r row) error {
		var k usedKey
		var number int64
		err := r(&number, &k.proof, &k.since)
		k.number = uint32(number) // as it was inserted
		used = append(used, k)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read master keys: %w", err)
	}
	slices.SortFunc(used, func(a, b usedKey) int { return cmp.Compare(a.since, b.since) }) // they are few
	return used, nil
}

func numbersOf(used []usedKey) []uint32 {
	numbers := make([]uint32, len(used))
	for i := range used {
		numbers[i] = used[i].number
	}
	return numbers
}

// findSealer gets the sealer, and makes sure that it opens what is sealed.
func (s *Store) findSealer(now time.Time) error {
	used, err := s.readMasterKeys()
	if err != nil {
		return err
	}
	if s.options.Sealer == nil {
		if s.options.Sealer, err = s.options.FindSealer(numbersOf(used)); err != nil {
			return err
		}
	}
	s.catalogue.sealer = s.options.Sealer
	if used, err = s.checkKeys(used); err != nil {
		return err
	}
	if len(used) == 0 {
		if err := s.sealPlainAnswers(); err != nil {
			return err
		}
	}
	return s.usePrimary(now, used, func(t task) error { return s.engine.transact([]task{t}) })
}

// checkKeys refuses a sealer without a key that is needed. One under which nothing is stored, and which is not the newest, may be
// missing: it was removed from the keyset, and is forgotten.
func (s *Store) checkKeys(used []usedKey) ([]usedKey, error) {
	held := s.options.Sealer.Numbers()
	var missing []uint32
	for i := range used {
		k := &used[i]
		if !slices.Contains(held, k.number) {
			missing = append(missing, k.number)
			continue
		}
		if _, err := s.options.Sealer.Open(k.proof, aboutMasterKey(k.number)); err != nil {
			return nil, &KeysetError{Held: held}
		}
	}
	count, err := s.countByKey()
	if err != nil {
		return nil, err
	}
	for number := range count {
		if number != 0 && !slices.Contains(held, number) && !slices.Contains(missing, number) {
			return nil, &KeysetError{Missing: append(missing, number), Held: held} // as where parts of two databases are in one
		}
	}
	if len(missing) == 0 {
		return used, nil
	}
	var needed []uint32
	for _, number := range missing {
		if count[number] > 0 || number == used[len(used)-1].number {
			needed = append(needed, number)
		}
	}
	if len(needed) > 0 {
		return nil, &KeysetError{Missing: needed, Held: held}
	}
	err = s.engine.transact([]task{steps{func(b batch) {
		for _, number := range missing {
			b.exec(deleteMasterKey, nil, int64(number))
		}
	}}})
	if err != nil {
		return nil, fmt.Errorf("forget master keys: %w", err)
	}
	return slices.DeleteFunc(used, func(k usedKey) bool { return slices.Contains(missing, k.number) }), nil
}

// auditedMasterKey is which master key is primary, in the audit log.
type auditedMasterKey struct {
	Primary uint32 `json:"primary"`
}

// usePrimary remembers the primary key when it is used for the first time, and logs that it is not the one before.
func (s *Store) usePrimary(now time.Time, used []usedKey, commit func(task) error) error {
	primary := s.options.Sealer.Primary()
	if s.olderPrimary(used) || slices.ContainsFunc(used, func(k usedKey) bool { return k.number == primary }) {
		return nil
	}
	proof, key, err := s.options.Sealer.Seal([]byte(proofText), aboutMasterKey(primary))
	if err != nil {
		return err
	}
	if key != primary {
		return nil // it has just changed again; the next look will find that
	}
	since, inserted := milli(now), false
	stages := steps{func(b batch) {
		inserted = false
		b.exec(insertMasterKey, func(n int64) { inserted = n == 1 }, int64(primary), proof, since)
	}}
	if len(used) > 0 {
		last := used[len(used)-1]
		since = max(since, last.since+1) // the newest is told by its time, whatever the clocks say
		stages = append(stages, func(b batch) {
			if !inserted {
				return // by another node
			}
			if err := s.audit(b, now, auditEntry{
				actor: hook.ActorServer, action: "masterKey.rotate", subject: joinNumbers([]uint32{primary}),
				before: auditedMasterKey{last.number}, after: auditedMasterKey{primary},
			}); err != nil {
				fail(b, err)
			}
		})
	}
	if err := commit(stages); err != nil {
		return fmt.Errorf("remember the master key: %w", err)
	}
	return nil
}

// countByKey returns how many records are sealed under each key; 0 stands for webhooks that are not sealed yet.
func (s *Store) countByKey() (map[uint32]int64, error) {
	count := map[uint32]int64{}
	for _, text := range []statement{countWebhooksBy, countAnswersBy} {
		err := s.engine.read(text, func(r row) error {
			var number, records int64
			err := r(&number, &records)
			count[uint32(number)] += records
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("count what is sealed: %w", err)
		}
	}
	return count, nil
}

// MasterKey is a key of the master keyset, or one that something in the store is sealed with.
type MasterKey struct {
	Number uint32
	// Held is whether the keyset of this process holds it.
	Held bool
	// Records is how many records are sealed with it.
	Records int64
	// UsedSince is when something was first sealed with it; zero is never.
	UsedSince time.Time
}

// MasterKeys is what was found at the last look at what is sealed with which key.
type MasterKeys struct {
	// At is when that was.
	At time.Time
	// Primary is the number of the key that seals.
	Primary uint32
	// Keys are in the order of their numbers.
	Keys []MasterKey
	// Remaining is how many records are not under the primary key yet.
	Remaining int64
	// Problem says why sealing them fails, or why the keyset's file cannot be read any more; empty where all is well.
	Problem string
}

// MasterKeys returns what was found at the last look, which is [resealEvery] ago at most.
func (s *Store) MasterKeys() MasterKeys {
	s.sealing.mu.Lock()
	defer s.sealing.mu.Unlock()
	found := s.sealing.found
	found.Keys = slices.Clone(found.Keys)
	return found
}

// showKeys collects what is known of all keys.
func showKeys(used []usedKey, held []uint32, count map[uint32]int64) []MasterKey {
	keys := map[uint32]MasterKey{}
	for _, number := range held {
		keys[number] = MasterKey{Number: number, Held: true}
	}
	for _, u := range used {
		k := keys[u.number]
		k.Number, k.UsedSince = u.number, fromMilli(u.since)
		keys[u.number] = k
	}
	for number, records := range count {
		if number == 0 {
			continue // those that are not sealed yet
		}
		k := keys[number]
		k.Number, k.Records = number, records
		keys[number] = k
	}
	list := make([]MasterKey, 0, len(keys))
	for _, k := range keys {
		list = append(list, k)
	}
	slices.SortFunc(list, func(a, b MasterKey) int { return cmp.Compare(a.Number, b.Number) })
	return list
}
