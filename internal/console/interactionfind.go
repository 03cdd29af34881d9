package console

import (
	"errors"
	"net/url"

	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store"
)

// find returns the page of what has an id: an interaction, a session, a delivery or a webhook. What the caller may not see is not found.
// Where nothing is, problem says what was looked for.
func (c *call) find(text string) (location, problem string, err error) {
	id, ok := parseID(text)
	if !ok {
		return "", "This is not an id. Ids have the form xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx; what is searched for is an interaction, a session or a delivery. A queue has a field of its own.", nil
	}
	for _, look := range [...]func(hook.UUID) (string, error){c.findInteraction, c.findSession, c.findDelivery, c.findWebhook} {
		location, err = look(id)
		if location != "" || err != nil && !errors.Is(err, hook.ErrNotFound) {
			return location, "", err
		}
	}
	return "", "No interaction or session of this contact centre" + c.alsoFound() + " has this id: it is mistyped, is of another contact centre, or its retention has ended. An operation id or a trace id cannot be searched for.", nil
}

// parseID reads an id.
func parseID(text string) (id hook.UUID, ok bool) {
	id, err := hook.ParseUUID(text)
	return id, err == nil
}

// alsoFound names what else is searched for with the caller's permissions.
func (c *call) alsoFound() string {
	switch {
	case c.by.May(hook.PermitDeliveries) && c.by.May(hook.PermitWebhooks):
		return ", no delivery and no webhook"
	case c.by.May(hook.PermitDeliveries):
		return " and no delivery"
	case c.by.May(hook.PermitWebhooks):
		return " and no webhook"
	default:
		return ""
	}
}

func (c *call) findInteraction(id hook.UUID) (string, error) {
	i, err := c.server.options.Store.Interaction(c.ctx(), c.center.Number, hook.InteractionID{UUID: id})
	if err != nil || !c.by.MayRead(i.Media) {
		return "", err
	}
	return c.url("interactions", i.ID.String()), nil
}

func (c *call) findSession(id hook.UUID) (string, error) {
	f := store.InteractionFilter{SessionID: hook.SessionID{UUID: id}, Readable: c.by.Readable()}
	list, _, err := c.server.options.Store.Interactions(c.ctx(), c.center.Number, f, store.Page{Limit: 1})
	if err != nil || len(list) == 0 {
		return "", err
	}
	return c.url("interactions") + "?" + url.Values{"session": {id.String()}}.Encode(), nil
}

func (c *call) findDelivery(id hook.UUID) (string, error) {
	if !c.by.May(hook.PermitDeliveries) {
		return "", nil
	}
	d, err := c.server.options.Store.Delivery(c.ctx(), c.center.Number, hook.DeliveryID{UUID: id})
	if err != nil {
		return "", err
	}
	return c.url("deliveries", d.ID.String()), nil
}

func (c *call) findWebhook(id hook.UUID) (string, error) {
	if !c.by.May(hook.PermitWebhooks) {
		return "", nil
	}
	w, err := c.server.options.Store.Webhook(c.ctx(), c.center.Number, hook.WebhookID{UUID: id})
	if err != nil {
		return "", err
	}
	return c.url("webhooks", w.ID.String()), nil
}
