package api

import (
	"context"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// age is how long something is kept, as a text such as 720h.
type age string

// Schema returns the schema of an age.
func (age) Schema(huma.Registry) *huma.Schema {
	s := durationSchema()
	s.Pattern, s.PatternDescription, s.Examples = `^(0|([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+)$`, "a duration such as 720h, or 0", []any{"720h"}
	return s
}

func showAge(k hook.Kept) age {
	if k.For == 0 {
		return "0"
	}
	return age(hook.Duration(k.For).String())
}

// RetentionField is a field of a retention in the API's JSON.
type RetentionField string

// Schema returns the fields of a retention.
func (RetentionField) Schema(r huma.Registry) *huma.Schema {
	return enum(r, "RetentionField", "What is kept.", retentionFields())
}

func retentionFields() []RetentionField {
	return []RetentionField{"interactions", "deliveries", "attempts", "payloads"}
}

// RetentionPolicy is how long a contact centre keeps what it has, as it is shown.
type RetentionPolicy struct {
	Interactions age              `json:"interactions" doc:"How long an interaction is kept after its stop, with its events, deliveries and attempts; 0 is for ever."`
	Deliveries   age              `json:"deliveries" doc:"How long after the event a delivered or exhausted delivery is listed."`
	Attempts     age              `json:"attempts" doc:"How long after the event each attempt of a delivery is kept, and what was answered; then the last one, without the answer."`
	Payloads     age              `json:"payloads" doc:"How long after the event its payload is kept; without it a delivery cannot be replayed."`
	Inherited    []RetentionField `json:"inherited" nullable:"false" doc:"Which of them nobody has set: interactions are kept as the server's configuration says, the others as long as the interaction."`
}

func showRetention(p hook.RetentionPolicy) RetentionPolicy {
	shown := RetentionPolicy{
		Interactions: showAge(p.Interactions), Deliveries: showAge(p.Deliveries), Attempts: showAge(p.Attempts), Payloads: showAge(p.Payloads),
		Inherited: []RetentionField{},
	}
	for i, k := range [...]hook.Kept{p.Interactions, p.Deliveries, p.Attempts, p.Payloads} {
		if k.Inherited {
			shown.Inherited = append(shown.Inherited, retentionFields()[i])
		}
	}
	return shown
}

// RetentionDraft is a retention in a body.
type RetentionDraft struct {
	Interactions optional[age] `json:"interactions,omitzero" doc:"After the stop: 1h to 876000h, or 0 for ever; the server's retention when absent."`
	Deliveries   optional[age] `json:"deliveries,omitzero" doc:"After the event: 1h to 876000h, and not longer than interactions; as long as the interaction when absent."`
	Attempts     optional[age] `json:"attempts,omitzero" doc:"After the event: 1h to 876000h, and not longer than deliveries; as long as these when absent."`
	Payloads     optional[age] `json:"payloads,omitzero" doc:"After the event: 1h to 876000h, and not longer than interactions; as long as the interaction when absent."`
}

// mergeRetention puts what a body or a query gives into a retention, and lists what is wrong with their sum.
func (s *Server) mergeRetention(to hook.Retention, from optional[RetentionDraft], prefix string) (hook.Retention, []hook.FieldError) {
	if from.null {
		return hook.Retention{}, nil
	}
	var wrong []hook.FieldError
	for _, f := range [...]struct {
		name string
		from optional[age]
		to   **hook.Duration
	}{
		{"interactions", from.value.Interactions, &to.Interactions},
		{"deliveries", from.value.Deliveries, &to.Deliveries},
		{"attempts", from.value.Attempts, &to.Attempts},
		{"payloads", from.value.Payloads, &to.Payloads},
	} {
		put(f.to, f.from, nil, func(text age) *hook.Duration {
			d := new(hook.Duration)
			if err := d.UnmarshalText([]byte(text)); err != nil {
				wrong = append(wrong, hook.FieldError{Field: prefix + f.name, Message: "must be a duration such as 720h, or 0", Value: clip(string(text))})
			}
			return d
		})
	}
	if wrong == nil {
		wrong = wrongFields(to.Validate(prefix, s.store.DefaultRetention()))
	}
	return to, wrong
}

// RetentionReport counts what would be removed now.
type RetentionReport struct {
	Policy       RetentionPolicy `json:"policy"`
	Interactions int             `json:"interactions" doc:"Interactions as a whole, with all that is counted below."`
	Events       int             `json:"events"`
	Deliveries   int             `json:"deliveries"`
	Attempts     int             `json:"attempts"`
	Payloads     int             `json:"payloads" doc:"Payloads of events that stay."`
	NextCursor   string          `json:"nextCursor,omitempty" doc:"Absent at the end; before it, the numbers are those of a part, to be added up."`
}

type reportRetentionInput struct {
	ContactCenterTarget
	Interactions string `query:"interactions" maxLength:"64" doc:"A retention to try, as 720h or 0; what is not given is as it is."`
	Deliveries   string `query:"deliveries" maxLength:"64" doc:"See interactions."`
	Attempts     string `query:"attempts" maxLength:"64" doc:"See interactions."`
	Payloads     string `query:"payloads" maxLength:"64" doc:"See interactions."`
	Cursor       string `query:"cursor" maxLength:"512" doc:"The nextCursor of the answer before."`
}

func rowReportRetention() row {
	return row{
		id: "reportRetention", tag: "contact centres", summary: "Report what retention would remove", access: forNamed, needs: hook.PermitAdmin,
		about: "For an admin key, and for a key of the contact centre itself that has the permission admin. Counts what would be removed now under the contact centre's retention, or under another one that is given, and removes nothing. " +
			"One answer is about a bounded number of interactions: add up the pages, with the same parameters, until there is no nextCursor.",
		status: http.StatusOK, answer: RetentionReport{}, errors: []int{http.StatusNotFound},
	}
}

func (s *Server) reportRetention(ctx context.Context, in *reportRetentionInput) (*answer, error) {
	c, err := in.find()
	if err != nil {
		return nil, err
	}
	var tried optional[RetentionDraft]
	for _, f := range [...]struct {
		text string
		to   *optional[age]
	}{
		{in.Interactions, &tried.value.Interactions},
		{in.Deliveries, &tried.value.Deliveries},
		{in.Attempts, &tried.value.Attempts},
		{in.Payloads, &tried.value.Payloads},
	} {
		if f.text != "" {
			*f.to = optional[age]{given: true, value: age(f.text)}
			tried.given = true
		}
	}
	if tried.given {
		var wrong []hook.FieldError
		if c.Settings.Retention, wrong = s.mergeRetention(c.Settings.Retention, tried, "query."); wrong != nil {
			return nil, &hook.InvalidError{Fields: wrong}
		}
	}
	policy := s.store.Retention(c)
	r, err := s.store.ReportRetention(ctx, c.Number, policy, in.now, in.Cursor)
	if errors.Is(err, hook.ErrBadID) {
		return nil, badCursor("query.cursor")
	} else if err != nil {
		return nil, err
	}
	return done(http.StatusOK, RetentionReport{
		Policy: showRetention(policy), Interactions: r.Interactions, Events: r.Events, Deliveries: r.Deliveries, Attempts: r.Attempts,
		Payloads: r.Payloads, NextCursor: r.NextCursor,
	})
}
