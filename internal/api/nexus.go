package api

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/hookswitch/hookswitch/interaction"
	"github.com/hookswitch/hookswitch/internal/hook"
)

// nexusPrefix begins the paths of the original's reads, which answer in the original's envelope.
const nexusPrefix = "/nexus/"

// The codes of the envelope. The first three are the original's; the others are ours in its style.
const (
	codeSuccess      = "SUCCESS"
	codeParameter    = "INVALID_PARAMETER"
	codeSession      = "INVALID_SESSION"
	codeUnauthorised = "UNAUTHORIZED"
	codeForbidden    = "FORBIDDEN"
	codeCenter       = "INVALID_CONTACT_CENTER"
	codeNotFound     = "NOT_FOUND"
	codeMethod       = "METHOD_NOT_ALLOWED"
	codeTooMany      = "TOO_MANY_REQUESTS"
	codeUnavailable  = "SERVICE_UNAVAILABLE"
	codeInternal     = "INTERNAL_ERROR"
)

// NexusAnswer is the original's envelope.
type NexusAnswer struct {
	ReferenceID string       `json:"referenceId" format:"uuid" doc:"Names this answer."`
	OperationID string       `json:"operationId" format:"uuid" doc:"Names this request."`
	Status      NexusStatus  `json:"status"`
	Data        *Interaction `json:"data,omitempty" doc:"The interaction, on success."`
}

// NexusStatus is the outcome within the envelope.
type NexusStatus struct {
	Code    string `json:"code" doc:"SUCCESS, INVALID_PARAMETER, INVALID_SESSION, UNAUTHORIZED, FORBIDDEN, INVALID_CONTACT_CENTER, NOT_FOUND, METHOD_NOT_ALLOWED, TOO_MANY_REQUESTS, SERVICE_UNAVAILABLE or INTERNAL_ERROR."`
	Message string `json:"message"`
	Detail  string `json:"detail"`
}

func (c *call) envelope(status NexusStatus, data *Interaction) NexusAnswer {
	a := NexusAnswer{Status: status, Data: data}
	for _, id := range [...]*string{&a.ReferenceID, &a.OperationID} {
		made, err := c.server.newID(c.now)
		if err != nil { // an answer without names is worth more than none
			made = hook.UUID{}
		}
		*id = made.String()
	}
	return a
}

// nexusProblem is the envelope of a refusal.
func (c *call) nexusProblem(p *Problem) []byte {
	body, err := encode(c.envelope(NexusStatus{Code: nexusCode(p), Message: p.Title, Detail: p.Detail}, nil))
	if err != nil { // a struct of texts always encodes
		return nil
	}
	return append(body, '\n')
}

func nexusCode(p *Problem) string {
	switch p.Status {
	case http.StatusBadRequest, http.StatusUnprocessableEntity:
		return codeParameter
	case http.StatusUnauthorized:
		return codeUnauthorised
	case http.StatusForbidden:
		return codeForbidden
	case http.StatusNotFound:
		switch p.Detail {
		case noSession:
			return codeSession
		case noPath:
			return codeNotFound
		}
		return codeCenter
	case http.StatusMethodNotAllowed:
		return codeMethod
	case http.StatusTooManyRequests:
		return codeTooMany
	case http.StatusServiceUnavailable:
		return codeUnavailable
	default:
		return codeInternal
	}
}

const noSession = "there is no such interaction in this session"

type nexusInput struct {
	request
	// The identifiers are texts here, because the original refuses a wrong one in its own way.
	SessionID     string `path:"sessionId" doc:"The session's id."`
	InteractionID string `path:"interactionId" doc:"The interaction's id."`
	wrong         []string
}

// Resolve keeps what is wrong with the query for the handler, because huma would answer it outside the envelope.
func (in *nexusInput) Resolve(ctx huma.Context) []error {
	for _, err := range in.request.Resolve(ctx) {
		in.wrong = append(in.wrong, err.Error())
	}
	return nil
}

func rowReadChat() row {
	return row{
		id: "readChat", tag: "nexus", needs: hook.PermitInteractionsReadChat, summary: "Read a chat as the original shows it", about: "What selfUri names for chats.",
		status: http.StatusOK, answer: NexusAnswer{}, errors: []int{http.StatusBadRequest},
	}
}

func (s *Server) readChat(ctx context.Context, in *nexusInput) (*answer, error) {
	return s.readSession(ctx, in, interaction.MediaChat)
}

func rowReadEmail() row {
	return row{
		id: "readSecureEmail", tag: "nexus", needs: hook.PermitInteractionsReadEmail, summary: "Read a secure e-mail", about: "What selfUri names for secure e-mails. The original documents no path for them; this one is ours.",
		status: http.StatusOK, answer: NexusAnswer{}, errors: []int{http.StatusBadRequest},
	}
}

func (s *Server) readEmail(ctx context.Context, in *nexusInput) (*answer, error) {
	return s.readSession(ctx, in, interaction.MediaEmail)
}

func (s *Server) readSession(ctx context.Context, in *nexusInput, media interaction.MediaType) (*answer, error) {
	if in.wrong != nil {
		return nil, newProblem(http.StatusBadRequest, strings.Join(in.wrong, "; "))
	}
	session, err := hook.ParseUUID(in.SessionID)
	if err != nil {
		return nil, newProblem(http.StatusBadRequest, "sessionId is not a UUID")
	}
	id, err := hook.ParseUUID(in.InteractionID)
	if err != nil {
		return nil, newProblem(http.StatusBadRequest, "interactionId is not a UUID")
	}
	i, err := s.store.Interaction(ctx, in.center.Number, hook.InteractionID{UUID: id})
	if errors.Is(err, hook.ErrNotFound) {
		return nil, newProblem(http.StatusNotFound, noSession)
	} else if err != nil {
		return nil, err
	}
	if i.Media != media || !in.by.MayRead(media) || i.SessionID.UUID != session {
		return nil, newProblem(http.StatusNotFound, noSession)
	}
	shown := s.showInteraction(i, in.center.ID)
	return done(http.StatusOK, in.envelope(NexusStatus{Code: codeSuccess, Message: "OK"}, &shown))
}
