package console_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/hookswitch/hookswitch/interaction"
	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store"
	"github.com/hookswitch/hookswitch/internal/store/storetest"
)

const queuesPath = "/console/cc/default/queues"

// interaction reads an interaction.
func (s *scene) interaction(id hook.InteractionID) *hook.Interaction {
	s.tb.Helper()
	i, err := s.s.Interaction(s.tb.Context(), 1, id)
	if err != nil {
		s.tb.Fatal(err)
	}
	return i
}

// TestQueuesWholeLife shows the life of an interaction that is made, submitted, accepted, returned, transferred and stopped by hand, what is said
// to have been emitted, and that whoever did it is where they were.
func TestQueuesWholeLife(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		h := open(t, e.Open(t).Store)
		b, s := h.signedIn(0), newScene(t, h.store)
		b.shows(b.get(queuesPath), http.StatusOK, "Nothing is waiting", "hookswitch interactions create --media chat")
		s.webhook("https://one.example/")
		s.webhook("https://two.example/")
		const here = "?agent=kim&order=newest"
		blank := b.get(queuesPath + "/new" + here)
		form := url.Values{
			"once": {field(t, blank, "once")}, "mediaType": {"email"}, "subtype": {"Outbound"}, "subject": {"Invoice"}, "contact": {`{"name":"Ada"}`}, "userData": {"colour = red\r\n\r\nsize=9=8\n"},
		}
		a := b.post(queuesPath+"/new"+here, form)
		if want := queuesPath + here; a.location != want {
			t.Fatalf("the form leads to %q, want %q", a.location, want)
		}
		b.post(queuesPath+"/new"+here, form) // sent twice
		page := b.follow(a)
		b.shows(page, http.StatusOK, "NEW: nothing is emitted before it is submitted", "See the interaction", "Not submitted", "Submit…", "Invoice", "1 to 1 of 1, newest first")
		open, err := h.store.OpenInteractions(t.Context(), 1, store.OpenFilter{Limit: 10})
		if err != nil || len(open.List) != 1 {
			t.Fatalf("%d are open, %v", len(open.List), err)
		}
		i := open.List[0]
		if got := i.Content; i.Media != "email" || string(got.Contact) != `{"name":"Ada"}` || got.UserData["colour"] != "red" || got.UserData["size"] != "9=8" {
			t.Errorf("the interaction is %+v", i)
		}
		action := queuesPath + "/" + i.ID.String()
		act := func(op string, values url.Values, says ...string) {
			t.Helper()
			a := b.post(action+"/"+op+here, values)
			if want := queuesPath + here; a.location != want {
				t.Errorf("%s leads to %q, want %q", op, a.location, want)
			}
			b.shows(b.follow(a), http.StatusOK, says...)
		}
		act("stop", url.Values{"by": {"workflow"}}, "Not done: cannot stop")
		act("submit", url.Values{"queue": {"sales"}}, "QUEUED in sales: STARTED was emitted to 2 webhooks.", "/console/cc/default/interactions/"+i.ID.String())
		act("accept", url.Values{"agent": {"kim"}}, "IN_PROCESS with kim: this emits nothing.")
		act("accept", url.Values{"agent": {"kim"}}, "Not done: cannot accept")
		act("return", url.Values{}, "QUEUED in sales")
		act("accept", url.Values{"agent": {"kim"}}, "IN_PROCESS with kim")
		act("transfer", url.Values{"queue": {"billing"}}, "QUEUED in billing: this emits nothing.")
		act("stop", url.Values{"by": {"workflow"}, "reason": {"timeout"}}, "STOPPED: FINISHED was emitted to 2 webhooks.")
		act("stop", url.Values{"by": {"workflow"}}, "STOPPED already: nothing was emitted.")
		if got := s.interaction(i.ID); got.State != hook.StateStopped || got.Stopped.By != hook.ByWorkflow || got.Stopped.Reason != "timeout" || got.Queue != "billing" {
			t.Errorf("the interaction is %+v", got)
		}
		b.shows(b.get(action), http.StatusOK, "It is over: it was stopped by workflow")
		b.shows(b.post(action+"/explode", url.Values{}), http.StatusNotFound)
	})
}

// TestQueuesButtons shows that each button of the list does what it says, once however often it is pressed, and again after a return.
func TestQueuesButtons(t *testing.T) {
	h := open(t, storetest.Open(t).Store)
	b, s := h.signedIn(0), newScene(t, h.store)
	i := s.create("support", "")
	press := func(op string) reply {
		t.Helper()
		page := b.get(queuesPath + "?agent=kim")
		_, form, ok := strings.Cut(page.body, `action="`+queuesPath+"/"+i.ID.String()+"/"+op+`?agent=kim">`)
		if !ok {
			t.Fatalf("there is no button to %s:\n%s", op, page.body)
		}
		form, _, _ = strings.Cut(form, "</form>")
		values := url.Values{"once": {field(t, reply{body: form}, "once")}}
		switch op {
		case "accept":
			values.Set("agent", field(t, reply{body: form}, "agent"))
		case "stop":
			values.Set("by", field(t, reply{body: form}, "by"))
		}
		a := b.post(queuesPath+"/"+i.ID.String()+"/"+op+"?agent=kim", values)
		again := b.post(queuesPath+"/"+i.ID.String()+"/"+op+"?agent=kim", values)
		if again.location != a.location {
			t.Errorf("pressed twice %s leads to %q and %q", op, a.location, again.location)
		}
		return b.follow(a)
	}
	for _, c := range []struct {
		op, says string
		state    hook.State
	}{
		{"accept", "IN_PROCESS with kim", hook.StateInProcess},
		{"return", "QUEUED in support", hook.StateQueued},
		{"accept", "IN_PROCESS with kim", hook.StateInProcess},
		{"stop", "no webhook wants it", hook.StateStopped},
	} {
		b.shows(press(c.op), http.StatusOK, c.says)
		if got := s.interaction(i.ID).State; got != c.state {
			t.Fatalf("after %s the state is %s", c.op, got)
		}
	}
	if got := s.interaction(i.ID); got.Stopped.By != hook.ByAgentDesktop {
		t.Errorf("stopped by %s", got.Stopped.By)
	}
}

// TestQueuesCountAndFilter shows the counts of each queue, and what queue, state and order leave.
func TestQueuesCountAndFilter(t *testing.T) {
	h := open(t, storetest.Open(t).Store)
	b, s := h.signedIn(0), newScene(t, h.store)
	s.create("sales", "first")
	s.create("support", "second")
	last := s.create("support", "third")
	s.change(hook.Change{Op: hook.OpAccept, ID: last.ID, Agent: "lee"})
	a := b.get(queuesPath)
	b.shows(a, http.StatusOK, "<strong>1</strong> waiting, <strong>0</strong> in process", "<strong>1</strong> waiting, <strong>1</strong> in process", "lee", "1 to 3 of 3, oldest first")
	if strings.Index(a.body, "first") > strings.Index(a.body, "third") {
		t.Error("the oldest is not first")
	}
	a = b.get(queuesPath + "?order=newest")
	if strings.Index(a.body, ">first<") < strings.Index(a.body, ">third<") {
		t.Error("the newest is not first")
	}
	a = b.get(queuesPath + "?queue=support&state=QUEUED")
	b.shows(a, http.StatusOK, "second", "1 to 1 of 1")
	b.hides(a, ">first<", ">third<")
	b.shows(b.get(queuesPath+"?queue=nowhere"), http.StatusOK, "Nothing fits")
	b.shows(b.get(queuesPath+"?page=7"), http.StatusOK, "Nothing fits")
	b.shows(b.get(queuesPath+"?page=x&state=y&order=z"), http.StatusOK, "1 to 3 of 3")
}

// TestQueuesFaults shows that wrong fields are named beside what was typed, and that nothing hostile is markup.
func TestQueuesFaults(t *testing.T) {
	h := open(t, storetest.Open(t).Store)
	b, s := h.signedIn(0), newScene(t, h.store)
	i := s.create("support", "\u202e"+hostile+strings.Repeat("x", 900))
	b.hides(b.get(queuesPath), "<script>", "<img")
	action := queuesPath + "/" + i.ID.String()
	b.hides(b.get(action), "<script>", "<img")
	b.shows(b.post(action+"/accept", url.Values{"agent": {" "}}), http.StatusUnprocessableEntity, `href="#f-accept-agent"`, "must not be empty")
	s.change(hook.Change{Op: hook.OpAccept, ID: i.ID, Agent: "kim"})
	for _, c := range []struct {
		op     string
		values url.Values
		says   string
	}{
		{"transfer", url.Values{}, `href="#f-transfer-queue"`},
		{"transfer", url.Values{"queue": {strings.Repeat("q", 300)}}, "is 300 bytes long"},
		{"stop", url.Values{"by": {"nobody"}}, `href="#f-stop-by"`},
		{"stop", url.Values{"by": {"workflow"}, "reason": {hostile + strings.Repeat("r", 300)}}, "at most 256 are allowed"},
	} {
		a := b.post(action+"/"+c.op, c.values)
		b.shows(a, http.StatusUnprocessableEntity, c.says, `role="alert"`)
		b.hides(a, "<script>", "<img")
	}
	a := b.post(queuesPath+"/new", url.Values{"mediaType": {"fax"}, "subtype": {"x"}, "subject": {hostile}, "contact": {"[1]"}, "userData": {"=\nno"}})
	b.shows(a, http.StatusUnprocessableEntity, `href="#f-mediaType"`, `href="#f-subtype"`, "must be a JSON object", "line 2 must be", "alert(1)", "[1]</textarea>")
	b.hides(a, "<script>", "<img")
	if got := s.interaction(i.ID).State; got != hook.StateInProcess {
		t.Errorf("the state is %s", got)
	}
}

// TestQueuesPermissions shows that one sees and changes only interactions of media types that one may read, and changes none without
// the permission; what is another's does not exist.
func TestQueuesPermissions(t *testing.T) {
	h := open(t, storetest.Open(t).Store)
	s := newScene(t, h.store)
	other, err := h.store.CreateContactCenter(t.Context(), time.Now(), "other", "Other", nil)
	if err != nil {
		t.Fatal(err)
	}
	chat := s.create("chats", "a chat")
	mail := s.create("mails", "a mail", func(d *hook.Draft) { d.Media = interaction.MediaEmail })
	accept := url.Values{"agent": {"kim"}}
	of := func(i *hook.Interaction) string { return queuesPath + "/" + i.ID.String() }

	reader := h.signedIn(1, hook.PermitInteractionsReadChat)
	a := reader.get(queuesPath)
	reader.shows(a, http.StatusOK, "a chat")
	reader.hides(a, "a mail", "mails", ">Accept<", "New interaction")
	reader.shows(reader.get(of(chat)), http.StatusOK, "Your key may look")
	reader.shows(reader.get(of(mail)), http.StatusNotFound)
	reader.shows(reader.post(of(chat)+"/accept", accept), http.StatusForbidden)
	reader.shows(reader.get(queuesPath+"/new"), http.StatusForbidden)
	reader.shows(reader.post(queuesPath+"/new", url.Values{}), http.StatusForbidden)

	writer := h.signedIn(1, hook.PermitInteractionsReadChat, hook.PermitInteractionsWrite)
	writer.shows(writer.post(of(mail)+"/accept", accept), http.StatusNotFound)
	writer.shows(writer.post(queuesPath+"/new", url.Values{"mediaType": {"email"}, "subtype": {"SMS"}}), http.StatusUnprocessableEntity, "you may not read")
	writer.shows(writer.follow(writer.post(of(chat)+"/accept", accept)), http.StatusOK, "IN_PROCESS with kim")

	stranger := h.signedIn(other.Number)
	stranger.shows(stranger.get(queuesPath), http.StatusNotFound)
	stranger.shows(stranger.get("/console/cc/other/queues/"+chat.ID.String()), http.StatusNotFound)
	stranger.shows(stranger.post("/console/cc/other/queues/"+mail.ID.String()+"/accept", accept), http.StatusNotFound)
	h.signedIn(1, hook.PermitDeliveries).shows(h.signedIn(1, hook.PermitDeliveries).get(queuesPath), http.StatusForbidden)
	if got := s.interaction(mail.ID).State; got != hook.StateQueued {
		t.Errorf("the mail is %s", got)
	}
}
