package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/hookswitch/hookswitch/interaction"
	"github.com/hookswitch/hookswitch/signature"
)

// listenReceiver is the receiver of `listen`.
type listenReceiver struct {
	app      *app
	options  listenOptions
	verifier *signature.Verifier // nil without a secret
	secrets  int                 // how many the verifier knows
	enough   context.CancelFunc
	patience signature.Patience

	mu       sync.Mutex // guards the fields below, and that the lines of one request stay together
	seen     *memory
	counts   listenCounts
	printErr error
}

// listenCounts are what the summary tells.
type listenCounts struct {
	requests, acknowledged, duplicates, refused, misbehaved, outOfOrder, unverified, gone int
}

// received is one event of a request, as it is printed. A request that holds no readable event gives one without.
type received struct {
	Time          time.Time             `json:"time"`
	Event         interaction.Event     `json:"event,omitempty"`
	MediaType     interaction.MediaType `json:"mediaType,omitempty"`
	Subtype       interaction.Subtype   `json:"subtype,omitempty"`
	InteractionID string                `json:"interactionId,omitempty"`
	OperationID   string                `json:"operationId,omitempty"`
	Notice        *listenNotice         `json:"notice,omitempty"`
	Sender        sender                `json:"sender"`
	Verified      []string              `json:"verified"`
	Secret        int                   `json:"secret,omitempty"` // see examination
	Problems      []string              `json:"problems"`
	Duplicate     bool                  `json:"duplicate"`
	OutOfOrder    bool                  `json:"outOfOrder"`
	// Answer is the status that is answered; zero when the connection is dropped or the sender has gone.
	Answer     int  `json:"answer"`
	SenderGone bool `json:"senderGone,omitempty"`
}

// sender is what the headers of a request say about it.
type sender struct {
	Address       string `json:"address"`
	Path          string `json:"path"`
	ContactCenter string `json:"contactCenterId,omitempty"`
	Attempt       string `json:"attempt,omitempty"`
	Delivery      string `json:"delivery,omitempty"`
	TraceID       string `json:"traceId,omitempty"`
	Test          bool   `json:"test,omitempty"`
}

// ServeHTTP receives one request.
func (r *listenReceiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if req.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		writeListenProblem(w, http.StatusMethodNotAllowed, "method")
		return
	}
	at := time.Now()
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, listenBodyBytesMax))
	e := r.examine(req.Header, body, err, at)
	if r.options.delay > 0 {
		select {
		case <-time.After(r.options.delay):
		case <-req.Context().Done():
		}
	}
	if e.gone = req.Context().Err() != nil; e.gone {
		e.problems = append(e.problems, "the sender went away before the answer")
	}
	r.answer(w, r.record(req, at, e), e)
}

// examination is what a look at a request has found.
type examination struct {
	payload            interaction.Payload
	notice             *listenNotice // where it is none of interactions
	verified, problems []string
	// secret is which of several secrets signed, from 1; it is zero where there is one, or none of them did.
	secret int
	// refusal is the status to answer with where something is wrong, or zero, and reason the code for it, as package
	// receiver answers it.
	refusal int
	reason  string
	// gone tells that the sender will not see the answer, so it will deliver again: nothing is acknowledged.
	gone bool
}

// refuse notes why the request is refused; what was found first is what is answered.
func (e *examination) refuse(status int, reason string) {
	if e.refusal == 0 {
		e.refusal, e.reason = status, reason
	}
}

// examine verifies and reads a body, of which unread is what went wrong when it was received.
func (r *listenReceiver) examine(header http.Header, body []byte, unread error, at time.Time) examination {
	e := examination{verified: []string{}, problems: []string{}}
	if unread != nil {
		e.problems = append(e.problems, "the body cannot be read: "+unread.Error())
		if _, large := errors.AsType[*http.MaxBytesError](unread); large {
			e.refuse(http.StatusRequestEntityTooLarge, "too_large")
		}
		e.refuse(http.StatusBadRequest, "unreadable")
		return e
	}
	if r.verifier != nil {
		e.secret = r.secretOf(header, body)
		checks := checkSignatures(r.verifier, header, body, at, 0, false)
		if failed(checks) != nil {
			r.patience.Explain(func() { checks = checkSignatures(r.verifier, header, body, at, 0, true) })
		}
		for _, c := range checks {
			if c.err == nil {
				e.verified = append(e.verified, c.header)
			} else {
				e.refuse(http.StatusUnauthorized, firstOf(reasonOf(c.err), "signature"))
			}
		}
		e.problems = append(e.problems, explainChecks(checks)...)
	}
	var err error
	if isNotice(header) {
		if e.notice, err = readNotice(body); err != nil {
			e.problems = append(e.problems, "not a notice: "+err.Error())
			e.refuse(http.StatusBadRequest, "malformed")
		}
		return e
	}
	if e.payload, err = interaction.Parse(body); err != nil {
		e.problems = append(e.problems, "not the body of an interactions webhook: "+err.Error())
		e.refuse(http.StatusBadRequest, "malformed")
	}
	return e
}

// secretOf tells which of several secrets signed, counted from 1, so that a rotation can be followed.
func (r *listenReceiver) secretOf(header http.Header, body []byte) int {
	if r.secrets < 2 {
		return 0
	}
	which, err := r.verifier.Which(header, body)
	if err != nil { // the checks of each header say why
		return 0
	}
	return which + 1
}

// record decides what is answered, remembers the events and prints them.
func (r *listenReceiver) record(req *http.Request, at time.Time, found examination) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts.requests++
	answer := found.refusal
	switch {
	case answer == http.StatusUnauthorized:
		r.counts.unverified++
		r.counts.refused++
	case answer != 0:
		r.counts.refused++
	case found.gone:
		r.counts.gone++
	default:
		answer = r.behave(found.payload)
	}
	if found.gone {
		answer = 0
	}
	line := received{
		Time: at, OperationID: found.payload.OperationID, Verified: found.verified, Secret: found.secret, Problems: found.problems, Answer: answer, SenderGone: found.gone,
		Sender: sender{
			Address: req.RemoteAddr, Path: req.URL.Path, ContactCenter: req.Header.Get(interaction.ContactCenterHeader),
			Attempt: req.Header.Get(interaction.AttemptHeader), Delivery: req.Header.Get(interaction.DeliveryHeader),
			TraceID: req.Header.Get(interaction.TraceHeader), Test: req.Header.Get(interaction.TestHeader) == "true",
		},
	}
	if len(found.payload.Entities) == 0 {
		if line.Notice = found.notice; found.notice != nil && answer == http.StatusOK {
			r.counts.acknowledged++
		}
		r.show(line)
	}
	for _, e := range found.payload.Entities {
		line.Event, line.MediaType, line.Subtype, line.InteractionID = e.Event, e.Entity.MediaType, e.Entity.Subtype, e.Entity.ID
		line.Duplicate, line.OutOfOrder = r.remember(e, found.refusal == 0, answer == http.StatusOK, line.Sender.Test)
		r.show(line)
	}
	if answer == http.StatusOK && r.options.max > 0 && r.counts.acknowledged >= r.options.max {
		r.enough()
	}
	return answer
}

// behave decides the answer to a request in which nothing is wrong, as the flags ask for.
func (r *listenReceiver) behave(p interaction.Payload) int {
	early := false
	for _, e := range p.Entities {
		early = r.seen.try(keyOf(e)) <= r.options.fail || early // every event counts its requests
	}
	answer := r.options.status
	switch {
	case early:
		answer = http.StatusInternalServerError
	case r.options.drop:
		answer = 0
	case r.options.redirect != "":
		answer = http.StatusFound
	}
	if answer != http.StatusOK {
		r.counts.misbehaved++
	}
	return answer
}

// remember notes an event and tells what is remarkable about it. A test is about a made-up interaction, which never
// finishes and is nobody's duplicate.
func (r *listenReceiver) remember(e interaction.EntityEvent, verified, acknowledged, test bool) (duplicate, outOfOrder bool) {
	if !verified {
		return false, false
	}
	key := keyOf(e)
	duplicate = !test && r.seen.acknowledged(key)
	started := eventKey{id: e.Entity.ID, event: interaction.EventStarted}
	outOfOrder = !test && !duplicate && e.Event == interaction.EventFinished && !r.seen.acknowledged(started)
	if outOfOrder {
		r.counts.outOfOrder++
	}
	switch {
	case duplicate:
		r.counts.duplicates++
	case acknowledged:
		r.seen.acknowledge(key)
		r.counts.acknowledged++
	}
	return duplicate, outOfOrder
}

func (r *listenReceiver) answer(w http.ResponseWriter, status int, found examination) {
	if status == 0 {
		panic(http.ErrAbortHandler) // net/http's way to close a connection without an answer
	}
	if status == http.StatusFound {
		w.Header().Set("Location", r.options.redirect)
	}
	if status >= http.StatusBadRequest {
		writeListenProblem(w, status, firstOf(found.reason, "on_purpose"))
		return
	}
	w.Header().Set("Content-Type", interaction.ContentType)
	w.WriteHeader(status)
	if status != http.StatusOK {
		return
	}
	ids := make([]string, len(found.payload.Entities))
	for i, e := range found.payload.Entities {
		ids[i] = e.Entity.ID
	}
	// The sender interprets the status alone, and when it is gone it will send again.
	_ = json.NewEncoder(w).Encode(interaction.NewAnswer(ids...))
}

// listenProblem is the body of a refusal (RFC 9457), with the reason as package receiver gives it, so that the sender's
// record of the attempt shows it.
type listenProblem struct {
	Title  string `json:"title"`
	Status int    `json:"status"`
	Reason string `json:"reason"`
}

func writeListenProblem(w http.ResponseWriter, status int, reason string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	title := firstOf(http.StatusText(status), "Refused") // --status takes codes that have no name
	// As with an answer: a sender that is gone cannot be told.
	_ = json.NewEncoder(w).Encode(listenProblem{Title: title, Status: status, Reason: reason})
}

// show prints one event. The error is kept for the end: a receiver goes on while nobody reads its output.
func (r *listenReceiver) show(line received) {
	var err error
	if r.options.json {
		var text []byte
		if text, err = json.Marshal(line); err == nil {
			err = r.app.print(string(text) + "\n")
		}
	} else {
		err = r.app.print(line.text(r.app.palette(r.app.StdoutTerminal), r.verifier != nil))
	}
	if r.printErr == nil {
		r.printErr = err
	}
}

func (r *listenReceiver) printError() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.printErr
}

// summary tells what was received, in two lines.
func (r *listenReceiver) summary() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	c, gone := r.counts, ""
	if c.gone > 0 {
		gone = fmt.Sprintf(", %d whose sender went away before the answer", c.gone)
	}
	return fmt.Sprintf("%d requests: %d events acknowledged, %d duplicates, %d out of order; "+
		"%d requests refused (%d of them because of their signature), %d not acknowledged on purpose%s\n",
		c.requests, c.acknowledged, c.duplicates, c.outOfOrder, c.refused, c.unverified, c.misbehaved, gone)
}

// text is the line of an event, and below it what is wrong.
func (e *received) text(p palette, verifying bool) string {
	var b strings.Builder
	event, kind := string(e.Event), string(e.MediaType)+"/"+string(e.Subtype)
	switch {
	case e.Notice != nil:
		event, kind = "NOTICE", e.Notice.kind()
	case event == "":
		event, kind = "?", "unreadable"
	}
	fmt.Fprintf(&b, "%s  %s  %s  %s", p.paint(dim, e.Time.Format("15:04:05.000")), p.paint(bold, fmt.Sprintf("%-8s", event)),
		fmt.Sprintf("%-22s", kind), e.InteractionID)
	if e.Sender.Attempt != "" {
		b.WriteString("  attempt " + clean(e.Sender.Attempt))
	}
	switch {
	case len(e.Verified) > 0:
		b.WriteString("  " + p.paint(green, "verified") + " by " + strings.Join(e.Verified, ", "))
		if e.Secret > 0 {
			fmt.Fprintf(&b, " with secret %d", e.Secret)
		}
	case verifying:
		b.WriteString("  " + p.paint(red, "NOT VERIFIED"))
	}
	if e.Sender.TraceID != "" {
		b.WriteString("  trace " + clean(e.Sender.TraceID))
	}
	for _, remark := range e.remarks() {
		b.WriteString("  " + p.paint(yellow, remark))
	}
	switch {
	case e.SenderGone:
		b.WriteString("  -> " + p.paint(yellow, "not answered"))
	case e.Answer == 0:
		b.WriteString("  -> " + p.paint(yellow, "dropped"))
	case e.Answer == http.StatusOK:
		b.WriteString("  -> " + p.paint(green, "200"))
	default:
		b.WriteString("  -> " + p.paint(yellow, fmt.Sprint(e.Answer)))
	}
	b.WriteString("\n")
	if e.Notice != nil {
		b.WriteString("    " + clean(e.Notice.Data.Message) + "\n")
	}
	for _, problem := range e.Problems {
		b.WriteString("    " + p.paint(red, clean(problem)) + "\n")
	}
	return b.String()
}

func (e *received) remarks() []string {
	var out []string
	if e.Sender.Test {
		out = append(out, "test")
	}
	if e.Duplicate {
		out = append(out, "duplicate")
	}
	if e.OutOfOrder {
		out = append(out, "OUT OF ORDER: its STARTED was not acknowledged")
	}
	return out
}

// quiet is the error log of a server on whose connections strangers may do what they like.
func quiet() *log.Logger { return log.New(io.Discard, "", 0) }
