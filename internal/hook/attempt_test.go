package hook_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// The numbers are stored: this table may grow, and no row of it may ever change.
func TestFailureNumbersAndNames(t *testing.T) {
	want := []string{"", "status", "redirect", "timeout", "dns", "refused", "broken", "tls", "blocked", "request", "token", "proxy"}
	for number, name := range want {
		if got := hook.Failure(number).String(); got != name {
			t.Errorf("%d: got %q, want %q", number, got, name)
		}
	}
	for _, unknown := range []hook.Failure{hook.Failure(len(want)), 255} {
		if got := unknown.String(); got != fmt.Sprintf("Failure(%d)", uint8(unknown)) {
			t.Errorf("got %q", got)
		}
	}
	var names []string
	for _, f := range hook.Failures() {
		names = append(names, f.String())
	}
	if diff := cmp.Diff(want[1:], names); diff != "" {
		t.Errorf("Failures (-want +got):\n%s", diff)
	}
	if hook.FailureNone != 0 || hook.FailureStatus != 1 || hook.FailureRedirect != 2 || hook.FailureTimeout != 3 ||
		hook.FailureDNS != 4 || hook.FailureRefused != 5 || hook.FailureBroken != 6 || hook.FailureTLS != 7 ||
		hook.FailureBlocked != 8 || hook.FailureRequest != 9 || hook.FailureToken != 10 || hook.FailureProxy != 11 {
		t.Error("a number changed")
	}
}

func TestJudge(t *testing.T) {
	const ok, status, redirect = hook.FailureNone, hook.FailureStatus, hook.FailureRedirect
	for _, test := range []struct {
		status          int
		only200, any2xx hook.Failure
	}{
		{0, status, status},
		{100, status, status},
		{101, status, status},
		{199, status, status},
		{200, ok, ok},
		{201, status, ok},
		{202, status, ok},
		{204, status, ok},
		{299, status, ok},
		{300, redirect, redirect},
		{301, redirect, redirect},
		{302, redirect, redirect},
		{304, redirect, redirect},
		{307, redirect, redirect},
		{308, redirect, redirect},
		{399, redirect, redirect},
		{400, status, status},
		{401, status, status},
		{404, status, status},
		{410, status, status},
		{429, status, status},
		{500, status, status},
		{503, status, status},
		{599, status, status},
		{999, status, status},
		{-200, status, status},
	} {
		answer := hook.Answer{Status: test.status}
		if got := hook.Success200.Judge(&answer); got != test.only200 {
			t.Errorf("%d, only 200: got %q, want %q", test.status, got, test.only200)
		}
		if got := hook.Success2xx.Judge(&answer); got != test.any2xx {
			t.Errorf("%d, any 2xx: got %q, want %q", test.status, got, test.any2xx)
		}
		if got := hook.Success("").Judge(&answer); got != test.only200 {
			t.Errorf("%d, no setting: got %q, want %q", test.status, got, test.only200)
		}
	}
}

// A 200 that broke off half-way acknowledges nothing.
func TestJudgeKeepsTheFailure(t *testing.T) {
	for _, failure := range hook.Failures() {
		for _, status := range []int{0, 200, 204, 301, 500} {
			for _, success := range []hook.Success{hook.Success200, hook.Success2xx} {
				if got := success.Judge(&hook.Answer{Status: status, Failure: failure}); got != failure {
					t.Errorf("%d after %q: got %q", status, failure, got)
				}
			}
		}
	}
}

func TestOutcome(t *testing.T) {
	for name, test := range map[string]struct {
		failure                 hook.Failure
		next                    time.Time
		acknowledged, exhausted bool
	}{
		"acknowledged":              {hook.FailureNone, time.Time{}, true, false},
		"failed, attempts left":     {hook.FailureStatus, noon(), false, false},
		"failed, none left":         {hook.FailureStatus, time.Time{}, false, true},
		"timed out, none left":      {hook.FailureTimeout, time.Time{}, false, true},
		"acknowledged, with a time": {hook.FailureNone, noon(), true, false},
	} {
		o := hook.Outcome{Attempt: hook.Attempt{Number: 1, Failure: test.failure}, Next: test.next}
		if got := o.Attempt.Acknowledged(); got != test.acknowledged {
			t.Errorf("%s: acknowledged %v", name, got)
		}
		if got := o.Exhausts(); got != test.exhausted {
			t.Errorf("%s: exhausts %v", name, got)
		}
	}
}
