package console

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
)

const (
	// hiddenValue stands in a form for the value of a header that is stored and not shown.
	hiddenValue = "***"
	// kindNone is the authorization of a webhook that has none.
	kindNone = "none"
)

// settingsForm are a webhook's settings as texts of a form, and what is wrong with them. The fields have the names of the API's JSON.
type settingsForm struct {
	values url.Values
	wrong  []hook.FieldError
}

// fillForm writes settings into a form. What is secret of them stays out.
func fillForm(s *hook.Settings) url.Values {
	v := url.Values{}
	v.Set("purpose", string(s.Serves()))
	v.Set("url", s.URL)
	v.Set("description", s.Description)
	v["events"], v["mediaTypes"], v["subtypes"], v["notices"] = textsOf(s.Events), textsOf(s.MediaTypes), textsOf(s.Subtypes), textsOf(s.Notices)
	v.Set("requestTimeout", s.RequestTimeout.String())
	v.Set("retry.timeout", s.Retry.Timeout.String())
	v.Set("retry.attempts", strconv.Itoa(s.Retry.Attempts))
	v.Set("retry.backoff", numberText(s.Retry.Backoff))
	v.Set("retry.maxTimeout", s.Retry.MaxTimeout.String())
	v.Set("retry.jitter", numberText(s.Retry.Jitter))
	v.Set("success", string(s.Success))
	v.Set("concurrency", strconv.Itoa(s.Concurrency))
	if s.RateLimit != 0 {
		v.Set("rateLimit", strconv.Itoa(s.RateLimit))
	}
	v.Set("batch.maxEvents", strconv.Itoa(s.Batch.MaxEvents))
	v.Set("batch.linger", s.Batch.Linger.String())
	limits := s.Breaker.Effective()
	v.Set("circuitBreaker.failures", strconv.Itoa(limits.Failures))
	v.Set("circuitBreaker.share", numberText(limits.Share))
	v.Set("circuitBreaker.minimum", strconv.Itoa(limits.Minimum))
	if s.Disable.After != 0 {
		v.Set("disable.after", s.Disable.After.String())
	}
	if s.Disable.OnGone {
		v.Set("disable.onGone", "true")
	}
	v["signatures"], v["metadata"] = textsOf(s.Signatures), textsOf(s.Metadata)
	fillCredentials(v, &s.Credentials)
	return v
}

// fillCredentials writes what is shown of credentials.
func fillCredentials(v url.Values, s *hook.Credentials) {
	var lines []string
	for name := range s.Headers {
		lines = append(lines, name+": "+hiddenValue)
	}
	slices.Sort(lines)
	v.Set("headers", strings.Join(lines, "\n"))
	v.Set("authorization.type", kindNone)
	if b := s.Authorization.Basic; b != nil {
		v.Set("authorization.type", hook.AuthorizationBasic)
		v.Set("authorization.username", b.Username)
	}
	if o := s.Authorization.OAuth2; o != nil {
		v.Set("authorization.type", hook.AuthorizationOAuth2)
		v.Set("authorization.tokenUrl", o.TokenURL)
		v.Set("authorization.clientId", o.ClientID)
		v.Set("authorization.scopes", strings.Join(o.Scopes, " "))
		v.Set("authorization.audience", o.Audience)
		if o.InBody {
			v.Set("authorization.inBody", "true")
		}
	}
	v.Set("tls.certificate", s.TLS.Certificate)
	v.Set("tls.roots", s.TLS.Roots)
}

// settle puts what the form says into settings, which are the stored ones or the defaults. What cannot be read is named; what is out of
// bounds is left to the domain.
func (f *settingsForm) settle(s *hook.Settings) {
	defaults := hook.DefaultSettings()
	s.URL, s.Description = strings.TrimSpace(f.values.Get("url")), strings.TrimSpace(f.values.Get("description"))
	s.Events, s.MediaTypes = chosen(f, "events", s.Events), chosen(f, "mediaTypes", s.MediaTypes)
	s.Subtypes, s.Notices = chosen(f, "subtypes", s.Subtypes), chosen(f, "notices", s.Notices)
	f.duration("requestTimeout", &s.RequestTimeout, defaults.RequestTimeout)
	f.retry(&s.Retry)
	s.Success = hook.Success(f.values.Get("success"))
	f.whole("concurrency", &s.Concurrency, defaults.Concurrency)
	f.whole("rateLimit", &s.RateLimit, defaults.RateLimit)
	f.notZero("rateLimit", float64(s.RateLimit), "must be at least 1; empty is no limit")
	f.whole("batch.maxEvents", &s.Batch.MaxEvents, defaults.Batch.MaxEvents)
	f.duration("batch.linger", &s.Batch.Linger, defaults.Batch.Linger)
	f.breaker(&s.Breaker)
	f.duration("disable.after", &s.Disable.After, 0)
	s.Disable.OnGone = f.values.Get("disable.onGone") != ""
	s.Signatures, s.Metadata = chosen(f, "signatures", s.Signatures), chosen(f, "metadata", s.Metadata)
	if s.Metadata == nil {
		s.Metadata = []hook.Metadata{}
	}
	f.credentials(&s.Credentials)
}

// breaker reads when the circuit opens. Limits that follow the default go on doing so where they are left as they are; zero, by which that is
// stored, is no number that can be entered.
func (f *settingsForm) breaker(b *hook.BreakerLimits) {
	shown, before := b.Effective(), *b
	f.whole("circuitBreaker.failures", &b.Failures, shown.Failures)
	f.factor("circuitBreaker.share", &b.Share, shown.Share)
	f.whole("circuitBreaker.minimum", &b.Minimum, shown.Minimum)
	f.notZero("circuitBreaker.failures", float64(b.Failures), "must be at least 1")
	f.notZero("circuitBreaker.share", b.Share, "must be more than 0")
	f.notZero("circuitBreaker.minimum", float64(b.Minimum), "must be at least 1")
	follow(f, "circuitBreaker.failures", &b.Failures, shown.Failures, before.Failures)
	follow(f, "circuitBreaker.share", &b.Share, shown.Share, before.Share)
	follow(f, "circuitBreaker.minimum", &b.Minimum, shown.Minimum, before.Minimum)
}

// follow has a limit follow the default where it was emptied, and stay what it was where it was left as it was shown.
func follow[T int | float64](f *settingsForm, name string, limit *T, shown, before T) {
	if _, entered := f.text(name); !entered {
		*limit = 0
	} else if *limit == shown {
		*limit = before
	}
}

// notZero names a number that was entered as zero, which settings have for none.
func (f *settingsForm) notZero(name string, n float64, problem string) {
	if _, entered := f.text(name); entered && n == 0 && !slices.ContainsFunc(f.wrong, func(w hook.FieldError) bool { return w.Field == name }) {
		f.fail(name, problem)
	}
}

// retry reads the retry schedule.
func (f *settingsForm) retry(r *hook.Retry) {
	defaults := hook.DefaultSettings().Retry
	f.duration("retry.timeout", &r.Timeout, defaults.Timeout)
	f.whole("retry.attempts", &r.Attempts, defaults.Attempts)
	f.factor("retry.backoff", &r.Backoff, defaults.Backoff)
	f.duration("retry.maxTimeout", &r.MaxTimeout, defaults.MaxTimeout)
	f.factor("retry.jitter", &r.Jitter, defaults.Jitter)
}

// credentials reads what the webhook shows its receiver. Where a password, a client's secret or a key is left empty, the stored one stays;
// what is there is replaced and never written to, because others may be reading it.
func (f *settingsForm) credentials(s *hook.Credentials) {
	f.headers(s)
	before := s.Authorization
	s.Authorization = hook.Authorization{}
	switch kind := f.values.Get("authorization.type"); kind {
	case "", kindNone:
	case hook.AuthorizationBasic:
		b := &hook.BasicAuth{Username: f.values.Get("authorization.username")}
		if given := f.values.Get("authorization.password"); given != "" {
			b.Password = hook.NewSecret(given)
		} else if before.Basic != nil {
			b.Password = before.Basic.Password
		}
		s.Authorization.Basic = b
	case hook.AuthorizationOAuth2:
		o := &hook.ClientCredentials{
			TokenURL: strings.TrimSpace(f.values.Get("authorization.tokenUrl")), ClientID: f.values.Get("authorization.clientId"),
			Scopes: strings.Fields(f.values.Get("authorization.scopes")), Audience: f.values.Get("authorization.audience"), InBody: f.values.Get("authorization.inBody") != "",
		}
		if given := f.values.Get("authorization.clientSecret"); given != "" {
			o.ClientSecret = hook.NewSecret(given)
		} else if before.OAuth2 != nil {
			o.ClientSecret = before.OAuth2.ClientSecret
		}
		s.Authorization.OAuth2 = o
	default:
		f.fail("authorization.type", "must be none, basic or oauth2")
	}
	s.TLS.Certificate, s.TLS.Roots = f.pem("tls.certificate", s.TLS.Certificate), f.pem("tls.roots", s.TLS.Roots)
	if given := unixLines(f.values.Get("tls.key")); strings.TrimSpace(given) != "" {
		s.TLS.Key = hook.NewSecret(given)
	} else if s.TLS.Certificate == "" { // it is of no use without the other
		s.TLS.Key = hook.Secret{}
	}
}

// pem reads a text of certificates; one that is the stored one, but for white space around it, is that.
func (f *settingsForm) pem(name, before string) string {
	text := unixLines(f.values.Get(name))
	if strings.TrimSpace(text) == strings.TrimSpace(before) {
		return before
	}
	if strings.TrimSpace(text) == "" {
		return ""
	}
	return text
}

// headers reads the webhook's own headers, one in a line. Three stars keep the value that is stored.
func (f *settingsForm) headers(s *hook.Credentials) {
	stored := s.Headers
	s.Headers = nil
	for i, line := range strings.Split(unixLines(f.values.Get("headers")), "\n") {
		if strings.TrimSpace(line) == "" {
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		if name, value = strings.TrimSpace(name), strings.TrimSpace(value); !ok {
			f.fail("headers", fmt.Sprintf("line %d is not of the form Name: value", i+1))
			continue
		}
		if _, twice := s.Headers[name]; twice {
			f.fail("headers", fmt.Sprintf("line %d names a header that is named before", i+1))
			continue
		}
		if value == hiddenValue {
			if name, value, ok = storedHeader(stored, name); !ok {
				f.fail("headers", fmt.Sprintf("line %d: %s keeps the value that is stored, and none is: give the value", i+1, hiddenValue))
				continue
			}
		}
		if s.Headers == nil {
			s.Headers = map[string]string{}
		}
		s.Headers[name] = value
	}
}

// storedHeader finds a header as it is stored; names have no case.
func storedHeader(stored map[string]string, name string) (as, value string, ok bool) {
	for as, value = range stored {
		if strings.EqualFold(as, name) {
			return as, value, true
		}
	}
	return name, "", false
}

// given says which secret values the form brings.
func (f *settingsForm) given() *hook.Given {
	g := &hook.Given{Password: f.values.Get("authorization.password") != "", ClientSecret: f.values.Get("authorization.clientSecret") != ""}
	for line := range strings.SplitSeq(unixLines(f.values.Get("headers")), "\n") {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(value) != hiddenValue {
			g.Headers = append(g.Headers, strings.TrimSpace(name))
		}
	}
	return g
}

func (f *settingsForm) fail(field, message string) {
	f.wrong = append(f.wrong, hook.FieldError{Field: field, Message: message})
}

// text returns a field that was filled in; ok is false for an empty one, which means the default.
func (f *settingsForm) text(name string) (text string, ok bool) {
	text = strings.TrimSpace(f.values.Get(name))
	return text, text != ""
}

func (f *settingsForm) duration(name string, to *hook.Duration, byDefault hook.Duration) {
	text, ok := f.text(name)
	if !ok {
		*to = byDefault
		return
	}
	var d hook.Duration
	if err := d.UnmarshalText([]byte(strings.ReplaceAll(text, " ", ""))); err != nil { // what was there stays, so that nothing else seems to be wrong with it
		f.fail(name, "must be a duration such as 500ms, 10s or 1h30m")
		return
	}
	*to = d
}

func (f *settingsForm) whole(name string, to *int, byDefault int) {
	text, ok := f.text(name)
	if !ok {
		*to = byDefault
		return
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		f.fail(name, "must be a whole number")
		return
	}
	*to = n
}

func (f *settingsForm) factor(name string, to *float64, byDefault float64) {
	text, ok := f.text(name)
	if !ok {
		*to = byDefault
		return
	}
	x, err := strconv.ParseFloat(text, 64)
	if err != nil {
		f.fail(name, "must be a number such as 1.5")
		return
	}
	*to = x
}

// chosen returns the boxes that are checked; none is nil. Where they are those that are stored, these stay in their order.
func chosen[T ~string](f *settingsForm, name string, before []T) (list []T) {
	for _, one := range f.values[name] {
		list = append(list, T(one))
	}
	if slices.Equal(slices.Sorted(slices.Values(list)), slices.Sorted(slices.Values(before))) {
		return before
	}
	return list
}

// textsOf turns a list of one kind of texts into texts.
func textsOf[T ~string](from []T) (to []string) {
	for _, one := range from {
		to = append(to, string(one))
	}
	return to
}

// unixLines is a text of several lines as it is stored: browsers send CR LF (HTML, "Constructing the entry list").
func unixLines(text string) string { return strings.ReplaceAll(text, "\r\n", "\n") }

func numberText(x float64) string { return strconv.FormatFloat(x, 'g', -1, 64) }

// check lists everything that is wrong with settings of which before are the stored ones, or nil: the same as the API does.
func (s *Server) check(f *settingsForm, settings, before *hook.Settings, now time.Time) error {
	wrong := f.wrong
	add := func(err error) {
		if fields, ok := wrongFields(err); ok {
			wrong = append(wrong, fields...)
		} else if err != nil {
			wrong = append(wrong, hook.FieldError{Message: err.Error()})
		}
	}
	add(settings.Validate(""))
	if before == nil || settings.TLS.Certificate != before.TLS.Certificate {
		add(settings.TLS.CheckTime("tls.", now))
	}
	if s.options.CheckLease != nil {
		if err := s.options.CheckLease(settings); err != nil {
			wrong = append(wrong, hook.FieldError{Field: "requestTimeout", Message: err.Error()})
		}
	}
	if before == nil || settings.URL != before.URL {
		wrong = s.checkURL(wrong, "url", settings.URL)
	}
	if o := settings.Authorization.OAuth2; o != nil && (before == nil || before.Authorization.OAuth2 == nil || o.TokenURL != before.Authorization.OAuth2.TokenURL) {
		wrong = s.checkURL(wrong, "authorization.tokenUrl", o.TokenURL)
	}
	if before != nil {
		add(settings.CheckKept("", before, f.given()))
	}
	if len(wrong) > 0 {
		return &hook.InvalidError{Fields: wrong}
	}
	return nil
}

// checkURL adds to what is wrong that a URL can never be reached.
func (s *Server) checkURL(wrong []hook.FieldError, field, raw string) []hook.FieldError {
	if s.options.CheckURL == nil || slices.ContainsFunc(wrong, func(f hook.FieldError) bool { return f.Field == field }) {
		return wrong
	}
	u, err := url.Parse(raw)
	if err == nil {
		err = s.options.CheckURL(u)
	}
	if err != nil {
		wrong = append(wrong, hook.FieldError{Field: field, Message: err.Error()})
	}
	return wrong
}
