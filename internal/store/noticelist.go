package store

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
)

const (
	// noticesReadMax is how many notices are read at a time, and noticesLookMax how many are looked at for one page, where a filter
	// lets few through.
	noticesReadMax = 500
	noticesLookMax = 5_000
	// noticesPruneEvery is how often old notices are looked for, and noticesPruneMax how many are removed in one
	// transaction.
	noticesPruneEvery = 10 * time.Minute
	noticesPruneMax   = 200

	selectNotices statement = `SELECT serial, operation_id, occurred_at, payload FROM events
		WHERE center = $1 AND interaction = 0 AND serial < $2 ORDER BY serial DESC LIMIT $3`
	// selectNoticeDeliveries shows the open deliveries of notices, and those that were acknowledged.
	selectNoticeDeliveries statement = `SELECT event, webhook, state, attempts FROM deliveries WHERE center = $1 AND event {{keys}}
		UNION ALL SELECT event, webhook, 4, max(number) FROM attempts a WHERE center = $1 AND event {{keys}} AND failure = 0
			AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.center = a.center AND d.event = a.event AND d.webhook = a.webhook)
			GROUP BY event, webhook`
	// selectAged finds the contact centres that have old notices, in the index of notices.
	selectAged statement = `SELECT DISTINCT center FROM events WHERE interaction = 0 AND serial < $1`
	// oldNotices leaves those that are still to be delivered.
	oldNotices statement = `SELECT serial FROM events e WHERE center = $1 AND interaction = 0 AND serial < $2
		AND NOT EXISTS (SELECT 1 FROM deliveries d JOIN webhooks w ON w.center = d.center AND w.number = d.webhook
			WHERE d.center = e.center AND d.event = e.serial AND d.state + 0 IN (1, 2) AND w.deleted_at = 0)
		ORDER BY serial LIMIT $3 {{for update}}`
)

// Notice is a notice as it is listed.
type Notice struct {
	ID         hook.OperationID
	OccurredAt time.Time
	// Payload is the CloudEvent, as it was sent.
	Payload    []byte
	Deliveries []NoticeDelivery
	serial     hook.Serial
}

// NoticeDelivery is what became of a notice at one webhook.
type NoticeDelivery struct {
	ID       hook.DeliveryID
	Webhook  hook.WebhookID
	State    hook.DeliveryState
	Attempts int
}

// NoticeFilter says which notices are wanted; zero values let everything through.
type NoticeFilter struct {
	Kind    hook.NoticeKind
	Webhook hook.WebhookID
}

func (f *NoticeFilter) wants(payload []byte) (bool, error) {
	if *f == (NoticeFilter{}) {
		return true, nil
	}
	c, err := hook.ParseNotice(payload)
	if err != nil {
		return false, err
	}
	return (f.Kind == "" || c.Kind() == f.Kind) && (f.Webhook.IsZero() || c.Subject == f.Webhook.String()), nil
}

// Notices returns what was told to the operators of a contact centre, newest first, also when there was nobody to tell, and the
// cursor of the next page or nothing. With a filter a page may be short, or empty, and yet not the last.
func (s *Store) Notices(_ context.Context, center hook.ContactCenterNumber, f NoticeFilter, p Page) (list []*Notice, next string, err error) {
	at, err := parseCursor(p.Cursor, newest())
	if err != nil {
		return nil, "", err
	}
	for looked := 0; ; {
		some, err := s.someNotices(center, at.serial)
		if err != nil {
			return nil, "", err
		}
		for i, n := range some {
			wanted, err := f.wants(n.Payload)
			if err != nil {
				return nil, "", err
			}
			if wanted && len(list) == p.limit() {
				return list, at.cursor(), s.readNoticeDeliveries(center, list)
			}
			if wanted {
				list = append(list, n)
			}
			at.serial = some[i].serial
		}
		looked += len(some)
		if len(some) < noticesReadMax {
			return list, "", s.readNoticeDeliveries(center, list)
		}
		if looked >= noticesLookMax {
			return list, at.cursor(), s.readNoticeDeliveries(center, list)
		}
	}
}

func (s *Store) someNotices(center hook.ContactCenterNumber, before hook.Serial) (list []*Notice, err error) {
	err = s.engine.read(selectNotices, func(r row) error {
		n := new(Notice)
		var at int64
		err := r(&n.serial, &n.ID.UUID, &at, &n.Payload)
		n.OccurredAt = fromMilli(at)
		list = append(list, n)
		return err
	}, center, before, noticesReadMax)
	if err != nil {
		return nil, fmt.Errorf("read notices: %w", err)
	}
	return list, nil
}

// readNoticeDeliveries reads what became of the notices of a page, of many with one statement.
func (s *Store) readNoticeDeliveries(center hook.ContactCenterNumber, list []*Notice) (err error) {
	bySerial, keys := make(map[hook.Serial]*Notice, len(list)), make([]hook.Serial, len(list))
	for i, n := range list {
		bySerial[n.serial], keys[i] = n, n.serial
	}
	byKeys(center, nil, keys, func(args []any) {
		if err == nil {
			err = s.engine.read(withKeys(withKeys(selectNoticeDeliveries)), func(r row) error {
				var serial hook.Serial
				var number hook.WebhookNumber
				var d NoticeDelivery
				err := r(&serial, &number, &d.State, &d.Attempts)
				s.fillNoticeDelivery(&d, serial, number)
				bySerial[serial].Deliveries = append(bySerial[serial].Deliveries, d)
				return err
			}, args...)
		}
	})
	if err != nil {
		return fmt.Errorf("read deliveries of notices: %w", err)
	}
	return nil
}

// fillNoticeDelivery adds what memory knows of the webhook.
func (s *Store) fillNoticeDelivery(d *NoticeDelivery, serial hook.Serial, number hook.WebhookNumber) {
	d.ID = hook.NewDeliveryID(serial, number)
	if w, ok := s.WebhookByNumber(number); ok {
		d.Webhook = w.ID
		if d.State == hook.DeliveryPending && (!w.Enabled || w.Deleted() || w.Circuit.Open()) {
			d.State = hook.DeliveryHeld
		}
	}
}

// pruneNotices removes the notices that are older than a time, a bounded number in each transaction.
func (s *Store) pruneNotices(ctx context.Context, until time.Time) error {
	var aged []hook.ContactCenterNumber
	err := s.engine.read(selectAged, func(r row) error {
		var center hook.ContactCenterNumber
		err := r(&center)
		aged = append(aged, center)
		return err
	}, hook.SerialAt(until))
	if err != nil {
		return fmt.Errorf("look for old notices: %w", err)
	}
	for _, center := range aged {
		for found := noticesPruneMax; found == noticesPruneMax; {
			if found, err = s.pruneSomeNotices(ctx, center, until); err != nil {
				return fmt.Errorf("remove old notices: %w", err)
			}
		}
	}
	return nil
}

func (s *Store) pruneSomeNotices(ctx context.Context, center hook.ContactCenterNumber, until time.Time) (found int, err error) {
	var old []hook.Serial
	var needed map[hook.Serial]bool
	err = s.committer.commit(ctx, steps{
		func(b batch) {
			old, needed = nil, map[hook.Serial]bool{}
			b.query(oldNotices, func(r row) error {
				var serial hook.Serial
				err := r(&serial)
				old = append(old, serial)
				return err
			}, center, hook.SerialAt(until), noticesPruneMax)
		},
		func(b batch) { // again, now that no replay can change it: one may have been committed while this waited for its lock
			byKeys(center, int64(math.MaxInt64), old, func(args []any) {
				b.query(withKeys(selectNeeding), func(r row) error {
					var serial hook.Serial
					err := r(&serial)
					needed[serial] = true
					return err
				}, args...)
			})
		},
		func(b batch) {
			free := slices.DeleteFunc(slices.Clone(old), func(serial hook.Serial) bool { return needed[serial] })
			byKeys(center, nil, free, func(args []any) {
				b.exec(withKeys(deleteAttempts), nil, args...)
				b.exec(withKeys(deleteDeliveries), nil, args...)
				b.exec(withKeys(deleteEvents), nil, args...)
			})
		},
	})
	return len(old), err
}
