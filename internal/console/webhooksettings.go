package console

import (
	"fmt"
	"strings"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// settingsGroup is a part of a webhook's settings, as they are shown.
type settingsGroup struct {
	Title string
	Rows  []settingsRow
}

// settingsRow is one setting.
type settingsRow struct{ Name, Value string }

// settingsInWords shows settings in words, without any secret.
func settingsInWords(s *hook.Settings) []settingsGroup {
	events := settingsGroup{"What it gets", []settingsRow{{"Events", anyOf(s.Events)}, {"Media types", anyOf(s.MediaTypes)}, {"Subtypes", anyOf(s.Subtypes)}}}
	if s.Serves() == hook.PurposeNotices {
		events.Rows = []settingsRow{{"Notices", anyOf(s.Notices)}}
	}
	rate := "no limit"
	if s.RateLimit > 0 {
		rate = count(s.RateLimit) + " per second and node"
	}
	batch := "one event in each"
	if s.Batch.MaxEvents > 1 {
		batch = fmt.Sprintf("up to %d events in one, waiting %s for it to fill", s.Batch.MaxEvents, s.Batch.Linger)
	}
	limits := s.Breaker.Effective()
	disable := "never"
	if s.Disable.After != 0 {
		disable = "when its circuit has been open for " + lasts(time.Duration(s.Disable.After))
	}
	if s.Disable.OnGone {
		disable = strings.TrimPrefix(disable+", or when answered with 410 Gone", "never, or ")
	}
	return []settingsGroup{
		events,
		{"POSTs", []settingsRow{
			{"Delivered when answered with", map[hook.Success]string{hook.Success200: "200", hook.Success2xx: "any 2xx"}[s.Success]},
			{"Request timeout", s.RequestTimeout.String()},
			{"In flight", count(s.Concurrency) + " per node"},
			{"Rate", rate},
			{"Batches", batch},
		}},
		{"When the receiver fails", []settingsRow{
			{"Circuit opens", fmt.Sprintf("after %d failures in a row on one node, or when a share of %g of at least %d attempts of a minute failed", limits.Failures, limits.Share, limits.Minimum)},
			{"Disabled by the server", disable},
		}},
		{"Headers", []settingsRow{{"Signatures", strings.Join(textsOf(s.Signatures), ", ")}, {"About the delivery", orNone(textsOf(s.Metadata))}, {"Its own", ownHeaders(s)}}},
		{"Authorization and TLS", credentialRows(s)},
	}
}

// anyOf is a filter in words.
func anyOf[T ~string](filter []T) string {
	if len(filter) == 0 {
		return "all"
	}
	return strings.Join(textsOf(filter), ", ")
}

func orNone(list []string) string {
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, ", ")
}

// ownHeaders are the names alone: their values often are credentials.
func ownHeaders(s *hook.Settings) string {
	text := fillForm(s).Get("headers")
	if text == "" {
		return "none"
	}
	return strings.ReplaceAll(text, "\n", "; ")
}

func credentialRows(s *hook.Settings) []settingsRow {
	rows := []settingsRow{{"Authorization", "none"}}
	if b := s.Authorization.Basic; b != nil {
		rows[0].Value = "Basic, as " + b.Username
	}
	if o := s.Authorization.OAuth2; o != nil {
		rows[0].Value = "OAuth2, as the client " + o.ClientID + ", by " + o.TokenURL
		if len(o.Scopes) > 0 {
			rows[0].Value += ", for " + strings.Join(o.Scopes, " ")
		}
	}
	for _, f := range hook.Facts(s.TLS.Certificate) {
		rows = append(rows, settingsRow{"Client certificate", certificateWords(f)})
	}
	for _, f := range hook.Facts(s.TLS.Roots) {
		rows = append(rows, settingsRow{"Root", certificateWords(f)})
	}
	return rows
}

func certificateWords(f hook.CertificateFacts) string {
	return fmt.Sprintf("%s, by %s, until %s, SHA-256 %s", f.Subject, f.Issuer, clock(f.NotAfter), f.Fingerprint)
}
