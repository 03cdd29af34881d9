package console

import (
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store"
)

const (
	// overviewEvery is how often the overview is made anew for those who look at it.
	overviewEvery = 2 * time.Second
	// overviewSpan is how far its charts go back.
	overviewSpan = 15 * time.Minute
)

// overviewPage answers: is everything delivered?
type overviewPage struct {
	frame
	// Total is what went on in the span of the charts, and Steps are its parts.
	Total hook.Activity
	Steps []hook.Activity
}

// showOverview shows a contact centre at a glance.
func (s *Server) showOverview(c *call) (answer, error) {
	steps, err := s.options.Store.Activity(c.ctx(), c.center.Number, 0, c.now.Add(-overviewSpan), c.now, store.ActivityStep)
	if err != nil {
		return answer{}, err
	}
	page := &overviewPage{frame: c.frame("Overview"), Steps: steps}
	for i := range steps {
		page.Total.Merge(&steps[i])
	}
	return show("overview", page), nil
}

// P50 is the time within which half of the deliveries were acknowledged.
func (p *overviewPage) P50() time.Duration { return p.Total.Delays.Quantile(0.50) }

// P99 is the time within which 99 of 100 were.
func (p *overviewPage) P99() time.Duration { return p.Total.Delays.Quantile(0.99) }
