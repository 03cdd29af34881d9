package delivery

import "github.com/hookswitch/hookswitch/internal/hook"

// noticeOf returns what a notice is about, which its payload says; nothing for the event of an interaction.
func noticeOf(e *hook.Event) hook.NoticeKind {
	if e.Kind != hook.KindNotice {
		return ""
	}
	if e.Notice != "" {
		return e.Notice
	}
	c, err := hook.ParseNotice(e.Payload)
	if err != nil { // it was stored by a newer version: its receiver may know it
		return "unknown"
	}
	return c.Kind()
}
