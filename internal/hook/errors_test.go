package hook_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// wrongFields returns the names of the fields that an error names, in its order, or nothing when there is no error. Any
// error but an *InvalidError fails the test.
func wrongFields(t rapid.TB, err error) []string {
	t.Helper()
	var fields []string
	for _, f := range fieldErrors(t, err) {
		fields = append(fields, f.Field)
	}
	return fields
}

func fieldErrors(t rapid.TB, err error) []hook.FieldError {
	t.Helper()
	if err == nil {
		return nil
	}
	var invalid *hook.InvalidError
	if !errors.As(err, &invalid) {
		t.Fatalf("got %T %v, want an *InvalidError", err, err)
	}
	if len(invalid.Fields) == 0 {
		t.Fatal("an *InvalidError that names no field")
	}
	for _, f := range invalid.Fields {
		if f.Field == "" || f.Message == "" {
			t.Fatalf("a field without its name or message: %+v", f)
		}
	}
	return invalid.Fields
}

func checkFields(t rapid.TB, err error, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, wrongFields(t, err)); diff != "" {
		t.Errorf("wrong fields (-want +got):\n%s\nerror: %v", diff, err)
	}
}

// wantConflict fails unless the error is a *ConflictError about exactly this verb and state, however it is wrapped.
func wantConflict(t rapid.TB, err error, verb, state string) {
	t.Helper()
	var conflict *hook.ConflictError
	if !errors.As(err, &conflict) {
		t.Fatalf("got %T %v, want a *ConflictError", err, err)
	}
	if conflict.Verb != verb || conflict.State != state || conflict.Detail == "" {
		t.Errorf("got %+v, want verb %q, state %q and a detail", conflict, verb, state)
	}
}

func TestErrorTexts(t *testing.T) {
	for name, test := range map[string]struct {
		err  error
		want string
	}{
		"conflict": {
			&hook.ConflictError{Verb: "stop", State: "NEW", Detail: "submit it first"},
			"cannot stop: the state is NEW: submit it first",
		},
		"one field": {
			&hook.InvalidError{Fields: []hook.FieldError{{Field: "url", Message: "must not be empty"}}},
			"invalid: url: must not be empty",
		},
		"every field": {
			&hook.InvalidError{Fields: []hook.FieldError{
				{Field: "url", Message: "must not be empty"}, {Field: "retry.timeout", Message: "must be from 100ms to 24h", Value: "1ms"},
			}},
			"invalid: url: must not be empty; retry.timeout: must be from 100ms to 24h",
		},
	} {
		if got := test.err.Error(); got != test.want {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
	}
}

func TestSentinelsAreDistinct(t *testing.T) {
	sentinels := []error{hook.ErrNotFound, hook.ErrBadID, hook.ErrUnavailable, hook.ErrReused}
	for i, a := range sentinels {
		for j, b := range sentinels {
			if got := errors.Is(fmt.Errorf("wrapped: %w", a), b); got != (i == j) {
				t.Errorf("errors.Is(%v, %v) = %v", a, b, got)
			}
		}
	}
}
