package delivery

import "github.com/hookswitch/hookswitch/internal/hook"

// fifo is a queue of deliveries in a ring that grows as it must and is bounded by its users.
type fifo struct {
	ring  []*hook.Delivery
	first int
	count int
}

func (q *fifo) len() int { return q.count }

func (q *fifo) push(d *hook.Delivery) {
	if q.count == len(q.ring) {
		grown := make([]*hook.Delivery, max(16, 2*len(q.ring)))
		for i := range q.count {
			grown[i] = q.ring[(q.first+i)%len(q.ring)]
		}
		q.ring, q.first = grown, 0
	}
	q.ring[(q.first+q.count)%len(q.ring)] = d
	q.count++
}

func (q *fifo) peek() *hook.Delivery { return q.ring[q.first] }

func (q *fifo) pop() *hook.Delivery {
	d := q.ring[q.first]
	q.ring[q.first] = nil
	q.first = (q.first + 1) % len(q.ring)
	q.count--
	return d
}
