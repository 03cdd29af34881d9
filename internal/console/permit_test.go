package console_test

import (
	"context"
	"fmt"
	"html"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookswitch/hookswitch/interaction"
	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store"
	"github.com/hookswitch/hookswitch/internal/store/storetest"
)

// routeNeeds is what the API asks for what each route shows or does, with a path and a form of such a request. A route that is not here
// fails the tests.
func routeNeeds() map[string]routeUse {
	const read, write = hook.PermitInteractionsRead, hook.PermitInteractionsWrite
	const webhooks, deliveries, events, admin = hook.PermitWebhooks, hook.PermitDeliveries, hook.PermitEventsRead, hook.PermitAdmin
	uses := map[string]routeUse{}
	add := func(needs hook.Permission, lines ...string) {
		for _, line := range lines {
			pattern, form, _ := strings.Cut(line, " ? ")
			method, path, _ := strings.Cut(pattern, " ")
			uses[method+" /console/cc/{center}/"+path] = routeUse{needs: needs, form: form}
		}
	}
	add("", "GET {$}")
	add(read, "GET interactions", "GET interactions/{interaction}", "GET queues", "GET queues/{interaction}")
	add(write, "POST queues/{interaction}/stop ? by=workflow")
	add(write, "GET queues/new", "POST queues/new ? mediaType=chat&subtype=SMS&queue=q")
	for _, pattern := range []string{"GET /console/cc/{center}/queues/new", "POST /console/cc/{center}/queues/new"} { // which goes on where one sees what was made
		u := uses[pattern]
		u.sees = true
		uses[pattern] = u
	}
	add(deliveries, "GET deliveries", "GET deliveries/{delivery}", "POST deliveries/{delivery}/replay ? once=1", "GET deliveries/replay ? id={delivery}", "GET deliveries/replayed ? id={delivery}", "POST deliveries/replay ? id={delivery}",
		"GET replays", "GET replays/new", "POST replays/new ? webhook={webhook}&from=2020-01-01T00:00&to=2020-01-02T00:00&states=exhausted&dry=yes",
		"GET replays/{replay}", "POST replays/{replay}/cancel")
	add(webhooks, "GET notices", "GET webhooks", "GET webhooks/new", "POST webhooks/new ? url=https://receiver.example/", "GET webhooks/schedule", "GET webhooks/{webhook}", "GET webhooks/{webhook}/edit",
		"POST webhooks/{webhook}/edit ? url=https://receiver.example/", "POST webhooks/{webhook}/enable", "POST webhooks/{webhook}/disable", "POST webhooks/{webhook}/secrets ? step=next",
		"GET webhooks/{webhook}/test", "POST webhooks/{webhook}/test", "GET webhooks/{webhook}/delete", "POST webhooks/{webhook}/delete")
	add(events, "GET live", "GET live/stream")
	add(admin, "GET keys", "POST keys ? name=new&permissions=webhooks&expiresIn=0s", "GET keys/new", "GET keys/{key}", "POST keys/{key} ? name=other", "POST keys/{key}/enable", "POST keys/{key}/disable",
		"POST keys/{key}/expire", "POST keys/{key}/delete", "GET audit", "GET settings", "POST settings ? name=other")
	uses["POST /console/cc/{center}/settings/contact-centers"] = routeUse{needs: admin, installation: true, form: "id=third"}
	return uses
}

// routeUse is a request for a route.
type routeUse struct {
	needs hook.Permission
	// installation is whether it takes an admin of all contact centres, and sees whether it takes that one may read some interactions.
	installation, sees bool
	form               string
}

// permits reports whether the API would let a key with permissions do it.
func (u routeUse) permits(center hook.ContactCenterNumber, permissions ...hook.Permission) bool {
	by := hook.Caller{Center: center, Permissions: permissions}
	return (u.needs == "" || by.Permits(u.needs)) && (!u.installation || center == 0) && (!u.sees || by.Permits(hook.PermitInteractionsRead))
}

// names are what the routes' patterns have for ids.
var names = regexp.MustCompile(`\{(\w+)\}`)

// routePattern is a pattern of the console as routeNeeds has it: with names of records for {id}.
func routePattern(pattern string) string {
	for _, n := range [...][2]string{
		{"/interactions/{id}", "/interactions/{interaction}"},
		{"/queues/{id}/{op}", "/queues/{interaction}/stop"},
		{"/queues/{id}", "/queues/{interaction}"},
		{"/deliveries/{id}", "/deliveries/{delivery}"},
		{"/replays/{id}/{op}", "/replays/{replay}/cancel"},
		{"/replays/{id}", "/replays/{replay}"},
		{"/webhooks/{id}", "/webhooks/{webhook}"},
		{"/keys/{id}", "/keys/{key}"},
	} {
		pattern = strings.Replace(pattern, n[0], n[1], 1)
	}
	return pattern
}

// hall is a contact centre with a record of each kind, and another one.
type hall struct {
	*house
	scene   *scene
	opened  *storetest.Opened
	webhook *hook.Webhook
	chat    *hook.Interaction
	email   *hook.Interaction
	second  hook.ContactCenterNumber
	// ids are by the names that paths have for them; mailIDs are of the e-mail alone.
	ids     map[string]string
	mailIDs map[string]string
}

const (
	// hallMark is in every text of the contact centre's, and mailMark in those of its e-mail alone.
	hallMark, mailMark = "onlyofthefirst", "onlyofthemail"
)

func newHall(t *testing.T) *hall {
	t.Helper()
	opened := storetest.Open(t)
	h := &hall{house: open(t, opened.Store), scene: newScene(t, opened.Store), opened: opened}
	other, err := opened.CreateContactCenter(t.Context(), time.Now(), "second", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	h.second = other.Number
	_, err = opened.UpdateContactCenter(t.Context(), time.Now(), hook.DefaultContactCenter, func(c *hook.ContactCenter) error {
		c.Name = hallMark
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	h.webhook = h.scene.webhook("https://" + hallMark + ".example/")
	h.chat = h.scene.create(hallMark+"-chats", hallMark)
	h.email = h.scene.create(mailMark, mailMark, func(d *hook.Draft) {
		d.Media = interaction.MediaEmail
		d.Content.Contact = []byte(`{"name":"` + mailMark + `"}`)
		d.Content.UserData = map[string]string{mailMark: mailMark}
	})
	deliveries := h.scene.attempt(h.webhook, hook.FailureStatus, 500, 0)
	replay := &hook.Replay{ID: hook.ReplayID{UUID: newUUID()}, ContactCenter: 1, DryRun: true, Filter: hook.ReplayFilter{
		From: h.scene.now.Add(-time.Hour), To: h.scene.now, States: []hook.DeliveryState{hook.DeliveryExhausted},
	}}
	if _, err := opened.CreateReplay(t.Context(), h.scene.now, h.webhook.ID, replay, nil); err != nil {
		t.Fatal(err)
	}
	h.ended(replay.ID)
	h.key(1, hook.PermitWebhooks)
	keys, _, err := opened.Keys(1, store.Page{})
	if err != nil {
		t.Fatal(err)
	}
	h.ids = map[string]string{"webhook": h.webhook.ID.String(), "interaction": h.chat.ID.String(), "replay": replay.ID.String(), "key": keys[0].ID.String()}
	h.mailIDs = map[string]string{}
	for _, id := range deliveries {
		d, err := opened.Delivery(t.Context(), 1, id)
		if err != nil {
			t.Fatal(err)
		}
		if d.Interaction == h.chat.ID {
			h.ids["delivery"] = id.String()
		} else {
			h.mailIDs["delivery"] = id.String()
		}
	}
	maps.Copy(h.mailIDs, map[string]string{"interaction": h.email.ID.String(), "webhook": h.ids["webhook"], "replay": h.ids["replay"], "key": h.ids["key"]})
	return h
}

// ended waits until a replay has ended: it would change something while tests look whether they do.
func (h *hall) ended(id hook.ReplayID) {
	h.tb.Helper()
	over, cancel := context.WithTimeout(h.tb.Context(), time.Minute)
	defer cancel()
	for tick := time.NewTicker(time.Millisecond); ; {
		if r, err := h.store.Replay(over, 1, id); err != nil {
			h.tb.Fatal(err)
		} else if r.State.Ended() {
			tick.Stop()
			return
		}
		<-tick.C
	}
}

// in puts ids into a text.
func in(text string, ids map[string]string) string {
	return names.ReplaceAllStringFunc(text, func(name string) string { return ids[name[1:len(name)-1]] })
}

// use sends the request of a route.
func (b *browser) use(pattern string, u routeUse, center string, ids map[string]string) reply {
	b.tb.Helper()
	method, path, _ := strings.Cut(pattern, " ")
	path = in(strings.NewReplacer("{center}", center, "{$}", "").Replace(path), ids)
	form, err := url.ParseQuery(in(u.form, ids))
	if err != nil {
		b.tb.Fatal(err)
	}
	if method == http.MethodGet {
		return b.get(path + "?" + form.Encode())
	}
	return b.post(path, form)
}

// inventory is all that the store has, but for when keys were used.
func (h *hall) inventory() string {
	h.tb.Helper()
	var all strings.Builder
	put := func(v any, err error) {
		if err != nil {
			h.tb.Fatal(err)
		}
		fmt.Fprintln(&all, v)
	}
	ctx := h.tb.Context()
	for _, center := range h.store.ContactCenters() {
		log, _, err := h.store.AuditLog(ctx, center.Number, store.AuditFilter{}, store.Page{Limit: store.PageLimitMax})
		put(log, err)
		list, _, err := h.store.Interactions(ctx, center.Number, store.InteractionFilter{}, store.Page{})
		for _, i := range list {
			put(i.ID, err)
			put(i.State, nil)
		}
		deliveries, _, err := h.store.Deliveries(ctx, center.Number, store.DeliveryFilter{}, store.Page{})
		for _, d := range deliveries {
			put(d.State, err)
		}
		replays, _, err := h.store.Replays(ctx, center.Number, store.Page{})
		for _, r := range replays {
			put(r.ID, err)
			put(r.State, nil)
		}
	}
	return all.String()
}

// permissionSets are all that a key of one permission may be, and some that go together.
func permissionSets() (sets [][]hook.Permission) {
	for _, p := range hook.Permissions() {
		sets = append(sets, []hook.Permission{p})
	}
	return append(sets, []hook.Permission{hook.PermitInteractionsReadChat, hook.PermitDeliveries}, []hook.Permission{hook.PermitInteractionsRead, hook.PermitEventsRead},
		[]hook.Permission{hook.PermitWebhooks, hook.PermitDeliveries}, []hook.Permission{hook.PermitInteractionsWrite, hook.PermitInteractionsReadEmail, hook.PermitEventsRead})
}

// linked are the requests that a page offers, of its links and forms.
var linked = regexp.MustCompile(`<(?:a|form|button) [^>]*(?:href|action)="(/console/cc/[^"?#]*)[^>]*`)

// offers are the routes that a page leads to, by their patterns.
func (h *hall) offers(page string) (patterns []string) {
	mux := http.NewServeMux()
	for _, p := range h.server.Patterns() {
		mux.HandleFunc(p, func(http.ResponseWriter, *http.Request) {})
	}
	for _, m := range linked.FindAllStringSubmatch(page, -1) {
		method := http.MethodGet
		if strings.Contains(m[0], `method="post"`) || strings.Contains(m[0], "formaction=") {
			method = http.MethodPost
		}
		r, err := http.NewRequestWithContext(h.tb.Context(), method, html.UnescapeString(m[1]), http.NoBody)
		if err != nil {
			h.tb.Fatal(err)
		}
		_, pattern := mux.Handler(r)
		if pattern == "" {
			h.tb.Errorf("a page leads to %s %s, which is no route", method, m[1])
			continue
		}
		patterns = append(patterns, routePattern(pattern))
	}
	return patterns
}

// centerRoutes are the patterns of all routes about a contact centre.
func (h *hall) centerRoutes() (list []string) {
	for _, p := range h.server.Patterns() {
		if strings.Contains(p, "{center}") {
			list = append(list, routePattern(p))
		}
	}
	return list
}

// TestRoutesAskForWhatTheAPIDoes shows on every route, with keys of every permission, that the console does and shows what the API does for the same key
// and nothing else: what it would refuse is refused and changes nothing, and no page leads to it.
func TestRoutesAskForWhatTheAPIDoes(t *testing.T) {
	t.Parallel()
	uses := routeNeeds()
	for _, set := range permissionSets() {
		h := newHall(t)
		b := h.signedIn(1, set...)
		for _, pattern := range h.centerRoutes() {
			u, known := uses[pattern]
			if !known {
				t.Errorf("%s: this test must know every route", pattern)
				continue
			}
			if pattern == "POST /console/cc/{center}/webhooks/{webhook}/delete" || pattern == "GET /console/cc/{center}/live/stream" { // the others need the one, and the other does not end
				continue
			}
			if !u.permits(1, set...) {
				before := h.inventory()
				if got := b.use(pattern, u, "default", h.ids); got.status != http.StatusForbidden || h.inventory() != before {
					t.Errorf("%s with %v: %d, the API would refuse it", pattern, set, got.status)
				}
				continue
			}
			got := b.use(pattern, u, "default", h.ids)
			if got.status == http.StatusForbidden || got.status >= http.StatusInternalServerError {
				t.Errorf("%s with %v: %d, the API would do it:\n%s", pattern, set, got.status, got.body)
			}
			for _, offered := range h.offers(got.body) {
				if !uses[offered].permits(1, set...) {
					t.Errorf("%s with %v leads to %s, which is refused", pattern, set, offered)
				}
			}
			may := hook.Caller{Center: 1, Permissions: set}
			if !may.May(hook.PermitWebhooks) && strings.Contains(got.body, hallMark+".example") {
				t.Errorf("%s with %v shows the URL of a webhook", pattern, set)
			}
			if !may.Permits(hook.PermitInteractionsRead) && !may.May(hook.PermitEventsRead) && strings.Contains(got.body, hallMark+"-chats") {
				t.Errorf("%s with %v shows an interaction's queue", pattern, set)
			}
		}
	}
	h := newHall(t)
	for _, set := range permissionSets() { // where there is nothing yet, pages say what can be done first
		b := h.signedIn(h.second, set...)
		for pattern, u := range uses {
			if !strings.HasPrefix(pattern, "GET ") || strings.HasSuffix(pattern, "/stream") || names.MatchString(strings.Replace(pattern, "{center}", "", 1)) || !u.permits(h.second, set...) {
				continue
			}
			for _, offered := range h.offers(b.use(pattern, u, "second", h.ids).body) {
				if !uses[offered].permits(h.second, set...) {
					t.Errorf("%s of an empty contact centre with %v leads to %s, which is refused", pattern, set, offered)
				}
			}
		}
	}
	for pattern := range uses {
		if !slices.Contains(h.centerRoutes(), pattern) {
			t.Errorf("%s is no route any more", pattern)
		}
	}
}

// TestCommandsNameTheirContactCenter shows that a command that is copied from a page is about the page's contact centre, also for those whose key is for all of them.
func TestCommandsNameTheirContactCenter(t *testing.T) {
	t.Parallel()
	h := newHall(t)
	b, seen := h.signedIn(0), 0
	for pattern, u := range routeNeeds() {
		if !strings.HasPrefix(pattern, "GET ") || strings.HasSuffix(pattern, "/stream") || names.MatchString(strings.Replace(pattern, "{center}", "", 1)) {
			continue
		}
		for _, m := range regexp.MustCompile(`<code[^>]*>([^<]*hookswitch (?:webhooks|interactions|keys create|audit|replay|events|deliveries|notices)[^<]*)</code>`).FindAllStringSubmatch(b.use(pattern, u, "second", h.ids).body, -1) {
			if seen++; !strings.Contains(html.UnescapeString(m[1]), " --contact-center ") {
				t.Errorf("%s of another contact centre than the default gives %s", pattern, m[1])
			}
		}
	}
	if seen < 8 {
		t.Errorf("%d commands were seen", seen)
	}
}

// TestMediaTypeThatMayNotBeRead shows that a key with everything but the reading of e-mails sees nothing of an e-mail on any page but that there is a delivery, of which
// the API says the same: neither its content nor its payload.
func TestMediaTypeThatMayNotBeRead(t *testing.T) {
	t.Parallel()
	h := newHall(t)
	b := h.signedIn(1, hook.PermitInteractionsReadChat, hook.PermitInteractionsWrite, hook.PermitWebhooks, hook.PermitDeliveries, hook.PermitEventsRead)
	all := h.signedIn(1)
	session, seen := h.email.SessionID.String(), 0
	for pattern, u := range routeNeeds() {
		if !strings.HasPrefix(pattern, "GET ") || strings.HasSuffix(pattern, "/stream") {
			continue
		}
		for _, query := range []string{"", "media=email", "mediaType=email&media=email&queue=" + mailMark, "q=" + h.email.ID.String(), "q=" + session, "session=" + session, "state=all"} {
			u.form = query
			for _, ids := range []map[string]string{h.ids, h.mailIDs} {
				got := b.use(pattern, u, "default", ids).body
				for _, shown := range []string{mailMark, session} {
					if strings.Contains(strings.ReplaceAll(got, query, ""), shown) && !strings.Contains(query, shown) {
						t.Errorf("%s?%s shows %s:\n%s", pattern, query, shown, got)
					}
				}
				if strings.Contains(all.use(pattern, u, "default", ids).body, mailMark) {
					seen++
				}
				list := strings.HasSuffix(pattern, "/deliveries") // which shows the id of the interaction, as the API does, and does not know of which media type that is
				if strings.Contains(got, "/interactions/"+h.email.ID.String()+`"`) && !list || strings.Contains(got, "/queues/"+h.email.ID.String()) {
					t.Errorf("%s?%s leads to the e-mail", pattern, query)
				}
			}
		}
	}
	if seen < 5 {
		t.Errorf("who may read e-mails sees it in %d answers alone: this test proves little", seen)
	}
	before := h.inventory()
	for _, op := range []string{"submit", "accept", "return", "transfer", "stop"} {
		if got := b.post("/console/cc/default/queues/"+h.email.ID.String()+"/"+op, url.Values{"queue": {"q"}, "agent": {"a"}, "by": {"workflow"}}); got.status != http.StatusNotFound {
			t.Errorf("%s: %d", op, got.status)
		}
	}
	if h.inventory() != before {
		t.Error("the e-mail was changed")
	}
}

// hallTimes and hallIDs are what differs by chance, and hallNames stand for records in routes.
var (
	hallNames = regexp.MustCompile(`\{(delivery|interaction|key|replay|webhook)\}`)
	hallTimes = regexp.MustCompile(`\d\d:\d\d:\d\d(\.\d+)?`)
	hallIDs   = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
)

// TestForeignContactCenter shows on every route that another contact centre's records are answered as those that do not exist, by whichever path they are asked for, and that
// nothing of it is changed.
func TestForeignContactCenter(t *testing.T) {
	t.Parallel()
	h := newHall(t)
	b := h.signedIn(h.second)
	absent := map[string]string{"delivery": hook.NewDeliveryID(hook.Serial(1<<40), 77).String()}
	for i, name := range []string{"webhook", "interaction", "replay", "key"} {
		absent[name] = fmt.Sprintf("01900000-0000-7000-8000-%012d", i)
	}
	whole := func(a reply, center string) string {
		text := hallIDs.ReplaceAllString(hallTimes.ReplaceAllString(fmt.Sprintln(a.status, a.location)+a.body, "TIME"), "ID")
		return strings.ReplaceAll(text, "/cc/"+center+"/", "/cc/CENTER/")
	}
	for pattern, u := range routeNeeds() {
		if strings.HasSuffix(pattern, "/stream") || !strings.Contains(pattern+u.form, "{center}") {
			continue
		}
		before := h.inventory()
		fresh := func(center string, ids map[string]string) reply {
			b.get("/console/sign-in") // shows what the answer before has left to be shown
			return b.use(pattern, u, center, ids)
		}
		there, nowhere := fresh("default", h.ids), fresh("nobody", h.ids)
		if diff := cmp.Diff(whole(nowhere, "nobody"), whole(there, "default")); diff != "" || there.status != http.StatusNotFound && there.status != http.StatusForbidden {
			t.Errorf("%s: another contact centre is answered otherwise than none, with %d (-none +there):\n%s", pattern, there.status, diff)
		}
		ofRecord := hallNames.MatchString(pattern + u.form)
		if !ofRecord && strings.HasPrefix(pattern, "POST ") {
			continue // of the own contact centre, which may be changed
		}
		own := fresh("second", h.ids)
		if ofRecord {
			none := fresh("second", absent)
			if diff := cmp.Diff(whole(none, "second"), whole(own, "second")); diff != "" {
				t.Errorf("%s: another contact centre's record is answered otherwise than none (-none +there):\n%s", pattern, diff)
			}
		}
		if strings.Contains(own.body+there.body, hallMark) || strings.Contains(own.body+there.body, mailMark) {
			t.Errorf("%s shows the other contact centre:\n%s", pattern, own.body)
		}
		if diff := cmp.Diff(before, h.inventory()); diff != "" {
			t.Errorf("%s: something was changed:\n%s", pattern, diff)
		}
	}
}
