package hook

import (
	"slices"

	"github.com/hookswitch/hookswitch/interaction"
)

// Permission is what a caller of the API may do within its contact centre. The texts are those of the API and the store.
type Permission string

// The permissions.
const (
	PermitInteractionsWrite     Permission = "interactions:write"      // PermitInteractionsWrite creates and changes interactions.
	PermitInteractionsRead      Permission = "interactions:read"       // PermitInteractionsRead reads those of every media type.
	PermitInteractionsReadChat  Permission = "interactions:read:chat"  // PermitInteractionsReadChat reads chats alone.
	PermitInteractionsReadEmail Permission = "interactions:read:email" // PermitInteractionsReadEmail reads secure e-mails alone.
	PermitWebhooks              Permission = "webhooks"                // PermitWebhooks reads and changes webhooks and their secrets, and reads notices.
	PermitDeliveries            Permission = "deliveries"              // PermitDeliveries reads deliveries and replays them.
	PermitEventsRead            Permission = "events:read"             // PermitEventsRead reads events.
	PermitAdmin                 Permission = "admin"                   // PermitAdmin does all of these, and administers the contact centre and its keys.
)

// Permissions returns every permission.
func Permissions() []Permission {
	return []Permission{
		PermitInteractionsWrite, PermitInteractionsRead, PermitInteractionsReadChat, PermitInteractionsReadEmail,
		PermitWebhooks, PermitDeliveries, PermitEventsRead, PermitAdmin,
	}
}

// Caller is who calls the API, whatever it showed for it.
type Caller struct {
	// Center is the contact centre that it belongs to; zero means that it may speak for every one, and administer the
	// installation, which takes [PermitAdmin], too.
	Center      ContactCenterNumber
	Permissions []Permission
	// Actor is how the audit log names it.
	Actor Actor
}

// May reports whether the caller has a permission.
func (c *Caller) May(p Permission) bool {
	return slices.Contains(c.Permissions, p) || slices.Contains(c.Permissions, PermitAdmin)
}

// Administers reports whether the caller may administer the installation.
func (c *Caller) Administers() bool { return c.Center == 0 && c.May(PermitAdmin) }

// Permits reports whether the caller may do something that needs a permission. What reads interactions of every media type is also for those
// who may read one: they are shown no others.
func (c *Caller) Permits(needs Permission) bool {
	switch needs {
	case PermitInteractionsRead:
		return slices.ContainsFunc(interaction.MediaTypes(), c.MayRead)
	case PermitInteractionsReadChat:
		return c.MayRead(interaction.MediaChat)
	case PermitInteractionsReadEmail:
		return c.MayRead(interaction.MediaEmail)
	default:
		return c.May(needs)
	}
}

// Readable returns the media types whose interactions the caller may read.
func (c *Caller) Readable() []interaction.MediaType {
	return slices.DeleteFunc(interaction.MediaTypes(), func(m interaction.MediaType) bool { return !c.MayRead(m) })
}

// MayRead reports whether the caller may read interactions of a media type.
func (c *Caller) MayRead(m interaction.MediaType) bool {
	switch m {
	case interaction.MediaChat:
		return c.May(PermitInteractionsRead) || c.May(PermitInteractionsReadChat)
	case interaction.MediaEmail:
		return c.May(PermitInteractionsRead) || c.May(PermitInteractionsReadEmail)
	default:
		return c.May(PermitInteractionsRead)
	}
}
