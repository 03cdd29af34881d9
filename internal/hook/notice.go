package hook

import "github.com/hookswitch/hookswitch/interaction"

// KindNotice is the kind of an event that is a notice: it belongs to no interaction, and only webhooks of [PurposeNotices] get it.
const KindNotice interaction.Event = "NOTICE"

// NoticeKind is what a notice is about.
type NoticeKind string

// The kinds of notices.
const (
	NoticeExhausted     NoticeKind = "delivery.exhausted"    // NoticeExhausted is a delivery that was given up.
	NoticeFailing       NoticeKind = "webhook.failing"       // NoticeFailing is a webhook whose deliveries will be given up, or that will be disabled.
	NoticeCircuitOpened NoticeKind = "webhook.circuitOpened" // NoticeCircuitOpened is a webhook whose deliveries are held back from now on.
	NoticeCircuitClosed NoticeKind = "webhook.circuitClosed" // NoticeCircuitClosed is a webhook whose receiver works again.
	NoticeDisabled      NoticeKind = "webhook.disabled"      // NoticeDisabled is a webhook that the server has disabled.
	NoticeBacklog       NoticeKind = "backlog.growing"       // NoticeBacklog is a webhook that gets more than its receiver takes.
)

// NoticeKinds returns every kind, in the order of their stored numbers, which begin with 1 and never change.
func NoticeKinds() []NoticeKind {
	return []NoticeKind{NoticeExhausted, NoticeFailing, NoticeCircuitOpened, NoticeCircuitClosed, NoticeDisabled, NoticeBacklog}
}
