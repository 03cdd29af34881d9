package api_test

import (
	"errors"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/hookswitch/hookswitch/client"
)

// TestClient drives the real handler over HTTP by the generated client.
func TestClient(t *testing.T) {
	h := start(t)
	server := httptest.NewServer(h.handler)
	t.Cleanup(server.Close)
	c, err := client.Dial(server.URL, adminKey, "default")
	if err != nil {
		t.Fatal(err)
	}
	queue, data := "q", map[string]string{"k": "v"}
	made, err := c.CreateInteractionWithResponse(t.Context(), &client.CreateInteractionParams{}, client.InteractionDraft{
		MediaType: client.MediaTypeChat, Subtype: client.SubtypeSMS, Queue: &queue, UserData: &data,
	})
	if err != nil || made.JSON201 == nil {
		t.Fatalf("%+v, %v", made, err)
	}
	if age := time.Since(made.JSON201.CreatedAt); age < 0 || age > time.Hour || *made.JSON201.Queue != queue {
		t.Errorf("%+v", made.JSON201)
	}
	open := client.StateFilterOpen
	list, err := c.ListInteractionsWithResponse(t.Context(), &client.ListInteractionsParams{State: &open})
	if err != nil || len(list.JSON200.Items) != 1 || list.JSON200.Items[0].Id != made.JSON201.Id {
		t.Errorf("%+v, %v", list, err)
	}
	events, err := c.ListEventsWithResponse(t.Context(), &client.ListEventsParams{})
	if err != nil || len(events.JSON200.Items) != 1 {
		t.Errorf("%+v, %v", events, err)
	}
	var p *client.Problem
	_, err = c.StopInteractionWithResponse(t.Context(), made.JSON201.Id, &client.StopInteractionParams{}, client.InteractionStop{By: "me"})
	if !errors.As(err, &p) || p.Status != 422 || (*p.Errors)[0].Location != "body.by" {
		t.Errorf("%v", err)
	}
	attempts := 3
	hook, err := c.CreateWebhookWithResponse(t.Context(), &client.CreateWebhookParams{}, client.WebhookDraft{
		Url: "https://a.example", Retry: &client.RetryDraft{Attempts: &attempts},
	})
	if err != nil || hook.JSON201.Retry.Attempts != 3 || hook.JSON201.Secret == nil {
		t.Fatalf("%+v, %v", hook, err)
	}
	off := false
	patched, err := c.UpdateWebhookWithResponse(t.Context(), hook.JSON201.Id, &client.UpdateWebhookParams{}, client.WebhookPatch{Enabled: &off})
	if err != nil || patched.JSON200.Enabled || patched.JSON200.Retry.Attempts != 3 {
		t.Errorf("%+v, %v", patched, err)
	}
	if _, err := c.DeleteWebhookWithResponse(t.Context(), hook.JSON201.Id, &client.DeleteWebhookParams{}); err != nil {
		t.Error(err)
	}
}
