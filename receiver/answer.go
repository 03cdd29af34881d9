package receiver

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"github.com/hookswitch/hookswitch/interaction"
	"github.com/hookswitch/hookswitch/signature"
)

// retryAfterSeconds is when a sender may try again what is busy or not available.
const retryAfterSeconds = 1

// refusal is an error and how it is answered. The stage that fails decides on the answer, not the type of the error: your
// function may return any error, and none of them may pass for a wrong signature.
type refusal struct {
	err     error
	problem problem
}

// problem is application/problem+json (RFC 9457). Reason is an extension of ours: a code and nothing more, because the
// sender may be anybody. Errors, named as in the API, is filled only for a body whose signature was verified.
type problem struct {
	Title  string         `json:"title"`
	Status int            `json:"status"`
	Reason string         `json:"reason"`
	Errors []problemField `json:"errors,omitempty"`
}

type problemField struct {
	Location string `json:"location"`
	Message  string `json:"message"`
}

func refuseMethod() *refusal {
	return &refusal{ErrMethod, problem{Title: "Only POST is allowed", Status: http.StatusMethodNotAllowed, Reason: "method"}}
}

func refuseBody(err error) *refusal {
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return &refusal{err, problem{Title: "The body is too large", Status: http.StatusRequestEntityTooLarge, Reason: "too_large"}}
	}
	return &refusal{err, problem{Title: "The body cannot be read", Status: http.StatusBadRequest, Reason: "unreadable"}}
}

func refuseSignature(err error) *refusal {
	p := problem{Title: "The signature is not verified", Status: http.StatusUnauthorized, Reason: "signature"}
	var wrong *signature.Error
	if errors.As(err, &wrong) {
		p.Reason = string(wrong.Reason)
	}
	return &refusal{err, p}
}

func refusePayload(err error) *refusal {
	p := problem{Title: "The body is not an Interactions Webhook", Status: http.StatusBadRequest, Reason: "malformed"}
	var wrong *interaction.ParseError
	if errors.As(err, &wrong) {
		for _, field := range wrong.Problems {
			location := "body"
			if field.Path != "" {
				location += "." + field.Path
			}
			p.Errors = append(p.Errors, problemField{Location: location, Message: field.Message})
		}
	}
	return &refusal{err, p}
}

func refuseEvents(err error, failed bool) *refusal {
	if failed {
		return &refusal{err, problem{Title: "An event could not be handled", Status: http.StatusInternalServerError, Reason: "failed"}}
	}
	return &refusal{err, problem{Title: "An event cannot be handled now", Status: http.StatusServiceUnavailable, Reason: "busy"}}
}

func writeProblem(w http.ResponseWriter, p problem) {
	switch p.Status {
	case http.StatusMethodNotAllowed:
		w.Header().Set("Allow", http.MethodPost)
	case http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", strconv.Itoa(retryAfterSeconds))
	}
	writeJSON(w, "application/problem+json", p.Status, p)
}

func writeAnswer(w http.ResponseWriter, ids []string) {
	writeJSON(w, interaction.ContentType, http.StatusOK, interaction.NewAnswer(ids...))
}

func writeJSON(w http.ResponseWriter, contentType string, status int, value any) {
	body, err := json.Marshal(value)
	if err != nil {
		// Strings and integers always encode; an answer without a body is still an answer.
		body = nil
	}
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	// A sender that has hung up cannot be told anything; it will deliver again, and the event will be Handled then.
	_, _ = w.Write(body)
}
