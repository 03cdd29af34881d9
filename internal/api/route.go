package api

import (
	"context"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// row is what the document says about a route beside its parameters, and who may call it.
type row struct {
	id, tag, summary, about string
	access                  access
	// needs is the permission that a caller must have; empty for what is open or for the installation.
	needs hook.Permission
	// status and answer are those of success; a nil answer has no body.
	status int
	answer any
	// body is the request's, or nil.
	body any
	// bodyBytesMax is its limit; zero means the usual one.
	bodyBytesMax int
	optional     bool
	thorough     bool
	// reads makes another shape of the document's, for a body that is read in parts.
	reads func(*shape) *shape
	// errors are the statuses that cannot be told from the pattern.
	errors []int
	also   alternative
}

// alternative is what else a success may be: another status, or zero, and further media types, with their schemas.
type alternative struct {
	status int
	types  map[string]*huma.Schema
}

// output has huma call back for the answer, so that the bytes are ours.
type output struct {
	Body func(huma.Context)
}

// route registers a handler under a pattern such as "GET /v1/interactions/{id}".
func route[I any](s *Server, pattern string, r row, handle func(context.Context, *I) (*answer, error)) {
	method, path, _ := strings.Cut(pattern, " ")
	if why := r.undecided(); why != "" {
		panic("the row of " + pattern + " " + why)
	}
	op := huma.Operation{
		Method: method, Path: path, OperationID: r.id, Summary: r.summary, Description: r.about, Tags: []string{r.tag},
		DefaultStatus: r.status, SkipValidateBody: true, Metadata: map[string]any{metaRow: &r},
		Responses: s.responses(method, path, &r),
	}
	if r.access != open {
		op.Middlewares = huma.Middlewares{s.admit(&r)}
	} else {
		op.Security = []map[string][]string{{}}
	}
	var sh *shape
	if r.body != nil {
		sh = newShape(s.registry(), reflect.TypeOf(r.body), bodyBytesMax)
		sh.optional, sh.thorough = r.optional, r.thorough
		if r.bodyBytesMax > 0 {
			sh.bytesMax = r.bodyBytesMax
		}
		op.Metadata[metaShape] = sh
	}
	huma.Register(s.huma, op, func(ctx context.Context, in *I) (*output, error) {
		a, err := handle(ctx, in)
		return &output{Body: func(ctx huma.Context) { callOf(ctx).send(a, err) }}, nil
	})
	if r.reads != nil { // after the document has the whole
		op.Metadata[metaShape] = r.reads(sh)
	}
}

// metaRow is the key of an operation's row in its metadata.
const metaRow = "row"

// describe completes an operation in the document with what huma cannot know, because bodies and some headers are read by
// us. It is a huma.OnAddOperation hook.
func describe(_ *huma.OpenAPI, op *huma.Operation) {
	r, ok := op.Metadata[metaRow].(*row)
	if !ok { // every operation comes from route
		return
	}
	if sh, ok := op.Metadata[metaShape].(*shape); ok {
		op.RequestBody = &huma.RequestBody{
			Required: !r.optional, Content: map[string]*huma.MediaType{typeJSON: {Schema: sh.schema}},
		}
		if op.Method == http.MethodPatch {
			op.RequestBody.Content[typeMergePatch] = &huma.MediaType{Schema: sh.schema}
		}
	}
	r.describeAccess(op)
	if r.access == forCenter {
		op.Parameters = append(op.Parameters, &huma.Param{
			Name: strings.ToLower(headerCenter), In: "header",
			Description: "The contact centre that an admin key speaks for; default when absent. Another key may name its own only.",
			Schema:      &huma.Schema{Type: huma.TypeString},
		})
	}
	if op.Method == http.MethodPost {
		op.Parameters = append(op.Parameters, &huma.Param{
			Name: headerIdempotency, In: "header",
			Description: "1 to 255 printable ASCII characters. The same request with the same key gets the first answer again for 24 hours; one that shows a secret, only from the same caller.",
			Schema:      &huma.Schema{Type: huma.TypeString, MinLength: set(1), MaxLength: set(idempotencyKeyBytesMax)},
		})
	}
}

// permissionExtension is where the document says what an operation needs, for programs.
const permissionExtension = "x-permission"

// describeAccess says in the document who may call a route.
func (r *row) describeAccess(op *huma.Operation) {
	needs, text := string(r.needs), "Needs the permission "+string(r.needs)+"."
	switch {
	case r.access == open:
		needs, text = "open", "Needs no key."
	case r.access == forInstallation:
		needs, text = "installation", "Needs an admin key."
	case r.needs == hook.PermitInteractionsRead:
		text = "Needs the permission interactions:read, or the one of a media type; interactions of other media types are not shown."
	case r.needs == hook.PermitInteractionsReadChat || r.needs == hook.PermitInteractionsReadEmail:
		text = "Needs the permission " + needs + ", or interactions:read."
	}
	op.Description = strings.TrimSpace(op.Description + "\n\n" + text)
	if op.Extensions == nil {
		op.Extensions = map[string]any{}
	}
	op.Extensions[permissionExtension] = needs
}

// responses lists every answer that the route can give.
func (s *Server) responses(method, path string, r *row) map[string]*huma.Response {
	success := &huma.Response{Description: http.StatusText(r.status)}
	if r.answer != nil {
		success.Content = map[string]*huma.MediaType{typeJSON: {Schema: s.registry().Schema(reflect.TypeOf(r.answer), true, "")}}
	}
	for mediaType, schema := range r.also.types {
		if success.Content == nil {
			success.Content = map[string]*huma.MediaType{}
		}
		success.Content[mediaType] = &huma.MediaType{Schema: schema}
	}
	if method == http.MethodPost {
		success.Headers = map[string]*huma.Header{headerReplayed: {
			Description: "true when this is the first answer to the same Idempotency-Key again.",
			Schema:      &huma.Schema{Type: huma.TypeString},
		}}
	}
	out := map[string]*huma.Response{strconv.Itoa(r.status): success}
	if r.also.status != 0 {
		also := *success
		also.Description = http.StatusText(r.also.status)
		out[strconv.Itoa(r.also.status)] = &also
	}
	mediaType, schema := typeProblem, s.registry().Schema(reflect.TypeFor[Problem](), true, "")
	if strings.HasPrefix(path, nexusPrefix) {
		mediaType, schema = typeJSON, s.registry().Schema(reflect.TypeFor[NexusAnswer](), true, "")
	}
	for _, status := range errorsOf(method, path, r) {
		out[strconv.Itoa(status)] = &huma.Response{
			Description: http.StatusText(status),
			Content:     map[string]*huma.MediaType{mediaType: {Schema: schema}},
		}
	}
	return out
}

// errorsOf lists the statuses by which a route can refuse.
func errorsOf(method, path string, r *row) []int {
	all := slices.Concat(r.errors, []int{http.StatusInternalServerError})
	if r.access == open {
		return all
	}
	all = append(all, http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests, http.StatusServiceUnavailable)
	if r.access == forCenter || r.access == forNamed {
		all = append(all, http.StatusNotFound) // the contact centre, or the record
	}
	nexus := strings.HasPrefix(path, nexusPrefix)
	if method != http.MethodDelete && !nexus || strings.Contains(path, "{") && !nexus {
		all = append(all, http.StatusUnprocessableEntity)
	}
	if r.body != nil {
		all = append(all, http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType)
	}
	return all
}
