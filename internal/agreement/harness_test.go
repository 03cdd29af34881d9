package agreement

import (
	"crypto/sha256"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookswitch/hookswitch/internal/api"
	"github.com/hookswitch/hookswitch/internal/console"
	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store"
	"github.com/hookswitch/hookswitch/internal/store/storetest"
)

const (
	adminKey  = "the-admin-key-of-this-test"
	publicURL = "http://hookswitch.example"
	// byAPI and byForm are the contact centres that are changed through the one and the other.
	byAPI, byForm = "api", "form"
)

// doors are an API and a console on one store.
type doors struct {
	tb      testing.TB
	store   *store.Store
	api     http.Handler
	console http.Handler
	cookie  string
	numbers map[string]hook.ContactCenterNumber
}

func openDoors(tb testing.TB) *doors {
	tb.Helper()
	s := storetest.Open(tb).Store
	if err := s.SetAdminKey(tb.Context(), time.Now(), sha256.Sum256([]byte(adminKey))); err != nil {
		tb.Fatal(err)
	}
	noMail := func(u *url.URL) error {
		if u.Hostname() == "10.0.0.1" {
			return errors.New("is a private address")
		}
		return nil
	}
	server := api.New(api.Options{Store: s, PublicURL: publicURL, CheckURL: noMail})
	web, err := console.New(console.Options{Store: s, PublicURL: publicURL, CheckURL: noMail, Key: server.CallerOfKey})
	if err != nil {
		tb.Fatal(err)
	}
	d := &doors{tb: tb, store: s, api: server.Handler(), console: web.Handler(), numbers: map[string]hook.ContactCenterNumber{}}
	for _, id := range []string{byAPI, byForm} {
		made, err := s.CreateContactCenter(tb.Context(), time.Now(), hook.ContactCenterID(id), "", nil)
		if err != nil {
			tb.Fatal(err)
		}
		d.numbers[id] = made.Number
	}
	in := d.send(http.MethodPost, "/console/sign-in", url.Values{"key": {adminKey}})
	d.cookie, _, _ = strings.Cut(in.header.Get("Set-Cookie"), ";")
	return d
}

// reply is an answer of either.
type reply struct {
	status int
	header http.Header
	body   string
	// wrong are the fields that it names.
	wrong []string
}

// done is whether something was changed or shown.
func (r reply) done() bool { return r.status < http.StatusBadRequest }

func (d *doors) do(h http.Handler, r *http.Request) reply {
	d.tb.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	body, err := io.ReadAll(w.Result().Body)
	if err != nil {
		d.tb.Fatal(err)
	}
	return reply{status: w.Code, header: w.Result().Header, body: string(body)}
}

// call asks the API about the contact centre that is changed through it; body is encoded, nothing where it is nil.
func (d *doors) call(method, path string, body any) reply {
	d.tb.Helper()
	return d.callIn(byAPI, method, path, body)
}

func (d *doors) callIn(center, method, path string, body any) reply {
	d.tb.Helper()
	text := []byte(nil)
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			d.tb.Fatal(err)
		}
	}
	r := httptest.NewRequest(method, path, strings.NewReader(string(text)))
	r.Header.Set("X-Api-Key", adminKey)
	r.Header.Set("X-Ccid", center)
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	a := d.do(d.api, r)
	var problem api.Problem
	if !a.done() && json.Unmarshal([]byte(a.body), &problem) == nil {
		for _, e := range problem.Errors {
			a.wrong = append(a.wrong, fieldName(strings.TrimPrefix(e.Location, "body.")))
		}
	}
	a.wrong = sorted(a.wrong)
	return a
}

// send asks the console; a POST where there is a form.
func (d *doors) send(method, path string, form url.Values) reply {
	d.tb.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(form.Encode()))
	r.Header.Set("Cookie", d.cookie)
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	a := d.do(d.console, r)
	if a.status == http.StatusUnprocessableEntity {
		_, a.wrong = d.read(a.body, "")
	}
	return a
}

// page is the path of a page of the contact centre that is changed by forms.
func page(path string) string { return "/console/cc/" + byForm + "/" + path }

// fieldName is the field of a form for one of the API's: lists and headers are one field.
func fieldName(name string) string {
	name, _, _ = strings.Cut(name, "[")
	for _, whole := range [...]string{"headers", "userData", "contact"} {
		if strings.HasPrefix(name, whole+".") {
			return whole
		}
	}
	return strings.TrimPrefix(name, "retention.")
}

func sorted(list []string) []string {
	slices.Sort(list)
	return slices.Compact(list)
}

// fill asks for a page and returns the form that is sent to action, as a browser would send it untouched.
func (d *doors) fill(path, action string) url.Values {
	d.tb.Helper()
	a := d.send(http.MethodGet, page(path), nil)
	if a.status != http.StatusOK {
		d.tb.Fatalf("%s: %d %s", path, a.status, a.body)
	}
	form, _ := d.read(a.body, page(action))
	if len(form) == 0 {
		d.tb.Fatalf("%s has no form for %s:\n%s", path, action, a.body)
	}
	return form
}

// read finds the values of the form for an action, and the names of all fields that are marked as wrong (HTML, "Constructing the entry list").
func (d *doors) read(page, action string) (form url.Values, wrong []string) {
	d.tb.Helper()
	form = url.Values{}
	tokens := xml.NewDecoder(strings.NewReader(page))
	tokens.Strict, tokens.AutoClose, tokens.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	inside, area, choice, option := false, "", "", (*bool)(nil)
	for {
		t, err := tokens.Token()
		if errors.Is(err, io.EOF) {
			return form, sorted(wrong)
		} else if err != nil {
			d.tb.Fatalf("%v in\n%s", err, page)
		}
		switch t := t.(type) {
		case xml.CharData:
			switch text := string(t); {
			case !inside:
			case area != "":
				form.Set(area, strings.TrimPrefix(text, "\n"))
			case option != nil && form.Get(choice) == "" || option != nil && *option: // the first one, where none is chosen
				form.Set(choice, text)
			}
			option = nil
		case xml.EndElement:
			if t.Name.Local == "textarea" {
				area = ""
			}
		case xml.StartElement:
			at := map[string]string{}
			for _, a := range t.Attr {
				at[a.Name.Local] = a.Value
			}
			if at["aria-invalid"] == "true" {
				wrong = append(wrong, at["name"])
			}
			if at["id"] == "fault-permissions" { // which are many boxes
				wrong = append(wrong, "permissions")
			}
			_, checked := at["checked"]
			_, disabled := at["disabled"]
			_, selected := at["selected"]
			switch t.Name.Local {
			case "form":
				inside = at["action"] == action
			case "textarea":
				area = at["name"]
			case "select":
				choice = at["name"]
			case "option":
				if value, named := at["value"]; !named {
					option = &selected
				} else if _, chosen := form[choice]; inside && (selected || !chosen) {
					form.Set(choice, value)
				}
			case "input":
				if inside && at["name"] != "" && !disabled && (checked || at["type"] != "checkbox" && at["type"] != "radio") {
					form.Add(at["name"], at["value"])
				}
			}
		}
	}
}

// byChance is what differs from one record to another.
var byChance = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|20\d\d-\d\d-\d\dT[0-9:.]+Z`)

// auditedMost is how many of the newest changes are compared after each: those before were compared then.
const auditedMost = 10

// audited is what the audit log says of the newest changes of a contact centre, oldest first, without who and when.
func (d *doors) audited(center string) (list []string) {
	d.tb.Helper()
	found, _, err := d.store.AuditLog(d.tb.Context(), d.numbers[center], store.AuditFilter{}, store.Page{Limit: auditedMost})
	if err != nil {
		d.tb.Fatal(err)
	}
	for _, e := range slices.Backward(found) {
		text := byChance.ReplaceAllString(e.Action+" "+e.Before+" -> "+e.After, "?")
		list = append(list, strings.ReplaceAll(strings.ReplaceAll(text, `"`+byAPI+`"`, `"center"`), `"`+byForm+`"`, `"center"`))
	}
	return list
}

// last is what the audit log says of the last change.
func (d *doors) last(center string) string {
	d.tb.Helper()
	list := d.audited(center)
	return list[len(list)-1]
}

// agree fails unless both did the same, or named the same fields, and the audit logs say the same.
func (d *doors) agree(tb testing.TB, what any, asked, sent reply) {
	tb.Helper()
	if asked.done() != sent.done() {
		tb.Fatalf("%v: the API answers %d %v %s, the console %d %v", what, asked.status, asked.wrong, asked.body, sent.status, sent.wrong)
	}
	if diff := cmp.Diff(asked.wrong, sent.wrong); diff != "" {
		tb.Fatalf("%v: the API and the console name other fields (-API +console):\n%s\n%s", what, diff, asked.body)
	}
	if diff := cmp.Diff(d.audited(byAPI), d.audited(byForm)); diff != "" {
		tb.Fatalf("%v: the audit logs differ (-API +console):\n%s", what, diff)
	}
}

// set puts a value into a JSON object by a path with dots.
func set(object map[string]any, path string, value any) {
	first, rest, deeper := strings.Cut(path, ".")
	if !deeper {
		object[first] = value
		return
	}
	inner, ok := object[first].(map[string]any)
	if !ok {
		inner = map[string]any{}
	}
	set(inner, rest, value)
	object[first] = inner
}

// choice is a value for a field: for the API, and for the form where that is not its text.
type choice struct {
	api  any
	form []string
}

// in puts the value into a form.
func (c choice) in(form url.Values, name string) {
	switch v := c.api.(type) {
	case string:
		form.Set(name, v)
	case []string:
		form[name] = v
	default:
		text, err := json.Marshal(v)
		if err != nil {
			panic(err) // a test's own value
		}
		form.Set(name, string(text))
	}
	if c.form != nil {
		form[name] = c.form
	}
}

// namesOf are the names of what can be chosen, in order, so that a failing draw is drawn again.
func namesOf[T any](of map[string]T) []string { return slices.Sorted(maps.Keys(of)) }
