package console

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store"
)

const (
	// queuesEvery is how often the queues are made anew for those who look at them.
	queuesEvery = 2 * time.Second
	// queuesShownMax is how many queues are counted on the page; the others can be filtered by their names.
	queuesShownMax = 50
	// deskRows is how many interactions are on one page.
	deskRows = 50
	// nonceDigits is how much of an id tells one look at the queues from another.
	nonceDigits = 12
)

// desk is which part of the queues somebody looks at, and as which agent. It is in the URL of the page and of its forms, so that whoever
// has done something is where they were.
type desk struct {
	// Queue and State filter, where they are not empty.
	Queue, State string
	// Agent is who accepts.
	Agent string
	// Newest is whether the newest come first.
	Newest bool
	// Page counts from 1.
	Page int
}

// queuesPage answers: what waits, and what is in process?
type queuesPage struct {
	frame
	Desk desk
	Open store.OpenInteractions
	// Counted are the queues that the page counts.
	Counted []store.Queue
	// nonce makes that a button that is pressed twice counts once.
	nonce string
}

// deskOf reads the part from a URL. What does not fit counts as not given.
func (c *call) deskOf() desk {
	q := newListQuery(c.r.URL.Query())
	d := desk{
		Queue: q.text("queue"), Agent: q.text("agent"), Newest: q.text("order") == "newest", Page: max(q.number("page", 1, store.OpenLookMax/deskRows), 1),
		State: oneOf(q, "state", []string{hook.StateNew.String(), hook.StateQueued.String(), hook.StateInProcess.String()}),
	}
	if change := (hook.Change{Op: hook.OpAccept, Agent: d.Agent}); change.Validate("") != nil {
		d.Agent = agentOf(c.by.Actor)
	}
	return d
}

// agentOf is the agent that an actor is, until somebody says another name: the name of its key or its own, without what the audit log adds.
func agentOf(a hook.Actor) string {
	name := string(a)
	for _, kind := range [...]string{"admin key ", "key ", "oidc "} {
		name = strings.TrimPrefix(name, kind)
	}
	name, _, _ = strings.Cut(name, " (")
	return strings.ToValidUTF8(name[:min(len(name), hook.AgentBytesMax)], "")
}

// query is the part as the end of a URL.
func (d desk) query() string {
	v := url.Values{}
	for name, value := range map[string]string{"queue": d.Queue, "state": d.State, "agent": d.Agent} {
		if value != "" {
			v.Set(name, value)
		}
	}
	if d.Newest {
		v.Set("order", "newest")
	}
	if d.Page > 1 {
		v.Set("page", strconv.Itoa(d.Page))
	}
	return "?" + v.Encode()
}

// queueRoutes are the pages of the queues and of what is done at the desk.
func (s *Server) queueRoutes() {
	s.handle("GET /console/cc/{center}/queues", row{needs: hook.PermitInteractionsRead, live: queuesEvery}, s.showQueues)
	s.handle("GET /console/cc/{center}/queues/new", row{needs: hook.PermitInteractionsWrite}, s.askInteraction)
	s.handle("POST /console/cc/{center}/queues/new", row{needs: hook.PermitInteractionsWrite}, s.createInteraction)
	s.handle("GET /console/cc/{center}/queues/{id}", row{needs: hook.PermitInteractionsRead}, s.showAction)
	s.handle("POST /console/cc/{center}/queues/{id}/{op}", row{needs: hook.PermitInteractionsWrite}, s.act)
}

// showQueues shows what is open.
func (s *Server) showQueues(c *call) (answer, error) {
	p := &queuesPage{frame: c.frame("Queues"), Desk: c.deskOf()}
	f := store.OpenFilter{
		Readable: c.by.Readable(), Queue: p.Desk.Queue, Newest: p.Desk.Newest, Skip: (p.Desk.Page - 1) * deskRows, Limit: deskRows,
	}
	f.State, _ = hook.ParseState(p.Desk.State)
	var err error
	if p.Open, err = s.options.Store.OpenInteractions(c.ctx(), c.center.Number, f); err != nil {
		return answer{}, err
	}
	p.Counted = p.Open.Queues[:min(len(p.Open.Queues), queuesShownMax)]
	if c.nonce == "" { // one for the whole time that somebody looks, so that the page changes only with what it shows
		id, err := c.newID()
		if err != nil {
			return answer{}, err
		}
		c.nonce = id[len(id)-nonceDigits:]
	}
	p.nonce = c.nonce
	return show("queues", p), nil
}

// Rows are the interactions with what their buttons need.
func (p *queuesPage) Rows() []deskRow {
	rows := make([]deskRow, len(p.Open.List))
	for i, one := range p.Open.List {
		rows[i] = deskRow{one, p}
	}
	return rows
}

// deskRow is one interaction on the page.
type deskRow struct {
	*hook.Interaction
	page *queuesPage
}

// Once is the key of a button of the row, which has no other form with text in it.
func (r deskRow) Once(op string) string { return op + " " + r.page.nonce + " " + r.ID.String() }

// Form is where the form of a button is sent.
func (r deskRow) Form(op string) string {
	return r.page.URL("queues", r.ID.String(), op) + r.page.Desk.query()
}

// Action is the page of everything that can be done with it.
func (r deskRow) Action() string { return r.page.URL("queues", r.ID.String()) + r.page.Desk.query() }

// Badge is the class of the state's colour.
func (r deskRow) Badge() string { return interactionBadge(r.State) }

// New, Queued and InProcess tell which buttons the row has.
func (r deskRow) New() bool { return r.State == hook.StateNew }

// Queued is whether it waits.
func (r deskRow) Queued() bool { return r.State == hook.StateQueued }

// InProcess is whether an agent has it.
func (r deskRow) InProcess() bool { return r.State == hook.StateInProcess }

// States are what can be filtered by.
func (p *queuesPage) States() []string {
	return []string{hook.StateNew.String(), hook.StateQueued.String(), hook.StateInProcess.String()}
}

// Of is the URL of one queue alone.
func (p *queuesPage) Of(queue string) string {
	d := p.Desk
	d.Queue, d.State, d.Page = queue, "", 1
	if queue == "" {
		d.State = hook.StateNew.String()
	}
	return p.Path + d.query()
}

// Everything is the URL without filters.
func (p *queuesPage) Everything() string {
	return p.Path + desk{Agent: p.Desk.Agent, Newest: p.Desk.Newest}.query()
}

// Create is where an interaction is made by hand.
func (p *queuesPage) Create() string { return p.URL("queues", "new") + p.Desk.query() }

// Filtered is whether not all that is open is shown.
func (p *queuesPage) Filtered() bool { return p.Desk.Queue != "" || p.Desk.State != "" }

// Nothing is whether nothing is open at all.
func (p *queuesPage) Nothing() bool { return len(p.Open.Queues) == 0 }

// Uncounted is how many queues the page does not count.
func (p *queuesPage) Uncounted() int { return len(p.Open.Queues) - len(p.Counted) }

// LookMax is how many open interactions are looked at.
func (p *queuesPage) LookMax() int { return store.OpenLookMax }

// Before and After are the URLs of the pages beside this one.
func (p *queuesPage) Before() string { return p.page(p.Desk.Page - 1) }

// After is the URL of the next page.
func (p *queuesPage) After() string { return p.page(p.Desk.Page + 1) }

func (p *queuesPage) page(n int) string {
	if n < 1 || (n-1)*deskRows >= p.Open.Matched {
		return ""
	}
	d := p.Desk
	d.Page = n
	return p.Path + d.query()
}

// Range says which of those that match are on the page.
func (p *queuesPage) Range() string {
	first := (p.Desk.Page - 1) * deskRows
	return fmt.Sprintf("%s to %s of %s", count(first+1), count(first+len(p.Open.List)), count(p.Open.Matched))
}

// queueNames are the names of the queues that are open, for a field that offers them.
func (s *Server) queueNames(c *call) ([]string, error) {
	open, err := s.options.Store.OpenInteractions(c.ctx(), c.center.Number, store.OpenFilter{Readable: c.by.Readable(), Newest: true})
	var names []string
	for _, q := range open.Queues[:min(len(open.Queues), queuesShownMax)] {
		if q.Name != "" {
			names = append(names, q.Name)
		}
	}
	return slices.Clip(names), err
}

// Named names the contact centre for a command; Of is something else on this page.
func (p *queuesPage) Named() string { return p.frame.Of() }
