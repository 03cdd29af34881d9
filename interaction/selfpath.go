package interaction

import "net/url"

// The prefixes of the paths at which interactions can be read.
const (
	chatPath = "/nexus/v3/chat/sessions/"
	// The original documents no path for secure e-mail; this one is ours.
	emailPath = "/nexus/v3/securemail/"
)

// SelfPath gives the path of a selfUri: /nexus/v3/chat/sessions/{sessionID}/{interactionID} for chat and
// /nexus/v3/securemail/{sessionID}/{interactionID} for e-mail. Each id is escaped as one path segment. A media type that
// is not of the contract has no path: the result is empty.
func SelfPath(media MediaType, sessionID, interactionID string) string {
	rest := url.PathEscape(sessionID) + "/" + url.PathEscape(interactionID)
	switch media {
	case MediaChat:
		return chatPath + rest
	case MediaEmail:
		return emailPath + rest
	}
	return ""
}
