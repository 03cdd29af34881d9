package console

import (
	"net/http"
	"strconv"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// cause is why an attempt probably failed, and what mends it, for somebody who has never seen this failure.
type cause struct{ Likely, Mend string }

// outcome is what came of an attempt in a few words.
func outcome(a *hook.Attempt) string {
	status := "status " + strconv.Itoa(a.Status)
	if text := http.StatusText(a.Status); text != "" {
		status += " " + text
	}
	switch {
	case a.Failure == hook.FailureNone && a.Status == 0:
		return "acknowledged"
	case a.Failure == hook.FailureNone:
		return "acknowledged, " + status
	case a.Failure == hook.FailureStatus, a.Failure == hook.FailureRedirect:
		return status
	case a.Status != 0:
		return failureWords(a.Failure) + " after " + status
	default:
		return failureWords(a.Failure)
	}
}

// failureWords is a class of failure as people say it.
func failureWords(f hook.Failure) string {
	switch f {
	case hook.FailureNone:
		return "no failure"
	case hook.FailureStatus:
		return "a status that acknowledges nothing"
	case hook.FailureRedirect:
		return "redirect"
	case hook.FailureTimeout:
		return "timeout"
	case hook.FailureDNS:
		return "name not found"
	case hook.FailureRefused:
		return "connection refused"
	case hook.FailureBroken:
		return "connection broken"
	case hook.FailureTLS:
		return "TLS failed"
	case hook.FailureBlocked:
		return "address blocked"
	case hook.FailureRequest:
		return "no HTTP"
	case hook.FailureToken:
		return "no access token"
	case hook.FailureProxy:
		return "proxy failed"
	default:
		return f.String()
	}
}

// causeOf explains a failure. That of an attempt that was acknowledged is empty.
func causeOf(f hook.Failure, status int) cause {
	switch f {
	case hook.FailureNone:
		return cause{}
	case hook.FailureStatus:
		return causeOfStatus(status)
	case hook.FailureRedirect:
		return cause{"The receiver has moved, or its address wants a slash at the end or https in place of http. A redirect is never followed: it could lead anywhere, with a signed body.", "Look up the Location of its answer with curl, and make it the webhook's URL."}
	case hook.FailureTimeout:
		return cause{"The receiver did not answer in the webhook's request timeout. Often it does its work before it answers; or a firewall drops the packets, where no connection was made either.", "Have it keep the event and answer 200 at once, and do the work afterwards. Where it needs longer, raise the webhook's request timeout."}
	case hook.FailureDNS:
		return cause{"The host name of the webhook's URL did not resolve: it is mistyped, was removed, or the server's name service does not know it.", "Look the name up from the server's machine, and mend the URL or the DNS record."}
	case hook.FailureRefused:
		return cause{"Nothing listens at the address and port: the receiver is down, or the port in the URL is another one.", "Start the receiver, or mend the port in the webhook's URL."}
	case hook.FailureBroken:
		return cause{"The connection broke before the answer was complete: the receiver crashed or was restarted meanwhile, or a proxy in front of it gave up.", "Look into the receiver's log at this time. It may have got the event: the operation id tells it a repetition."}
	case hook.FailureTLS:
		return cause{"The handshake failed: the receiver's certificate has expired, names another host or is signed by somebody whom this machine does not trust, or the receiver wants a client certificate.", "Renew the certificate with all intermediate ones, or give the webhook the private roots or the client certificate that it takes."}
	case hook.FailureBlocked:
		return cause{"The host resolves to an address that the operator of this server does not allow, such as one of a private network, or the URL says http in place of https.", "Use a public address, or ask the operator to allow this one (allow-private-targets). Plain http is for such addresses alone."}
	case hook.FailureRequest:
		return cause{"What came back was not HTTP, or the request could not be made. Often the port speaks another protocol, or the URL says http where the port speaks https.", "Mend the scheme or the port of the webhook's URL."}
	case hook.FailureToken:
		return cause{"The authorization server gave no access token, so that nothing was posted to the receiver.", "Check the webhook's token URL, client id and client secret; the error is what that server said."}
	case hook.FailureProxy:
		return cause{"This server's own egress proxy failed. That is not the receiver's fault, and uses up no attempt.", "Ask the operator of this server to look at the proxy."}
	default:
		return cause{"This class of failure is of a newer version.", "The error says what happened."}
	}
}

// causeOfStatus explains a status that does not acknowledge.
func causeOfStatus(status int) cause {
	switch status {
	case http.StatusBadRequest, http.StatusUnprocessableEntity:
		return cause{"The receiver does not understand the body, or checks it too strictly.", "Compare the body with what it expects; its response often says which field is wrong. It should ignore fields that it does not know."}
	case http.StatusUnauthorized:
		return cause{"The receiver found the signature or the credentials wrong. Most often it has another app secret, or it computes the signature over a body that it has parsed and written anew.", "Compare the app secrets, and have it sign the bytes as they came, before any parsing. The test of the webhook explains more."}
	case http.StatusForbidden:
		return cause{"The receiver knows who calls and does not let it in, or a firewall in front of it does not: it may filter by address or by User-Agent. Some answer so to a wrong signature.", "Have this server's address allowed there, and compare the app secrets."}
	case http.StatusNotFound:
		return cause{"There is nothing at the URL's path: it is mistyped, or the receiver was deployed anew without it.", "Mend the path of the webhook's URL, or the receiver's routes."}
	case http.StatusMethodNotAllowed:
		return cause{"The path is there, but takes no POST.", "Mend the path of the webhook's URL, or have the receiver accept POST there."}
	case http.StatusRequestTimeout, http.StatusGatewayTimeout:
		return cause{"A proxy in front of the receiver did not get its answer in time.", "Have the receiver answer 200 at once, and do the work afterwards."}
	case http.StatusGone:
		return cause{"The receiver says that it is gone for good.", "Ask whose it is. Where that is so, disable or delete the webhook; else mend its URL."}
	case http.StatusRequestEntityTooLarge:
		return cause{"The receiver, or a proxy in front of it, takes no body of this size.", "Raise its limit, or lower the webhook's batch.maxEvents."}
	case http.StatusUnsupportedMediaType:
		return cause{"The receiver does not take this Content-Type.", "Have it accept application/json."}
	case http.StatusTooManyRequests:
		return cause{"The receiver gets more than it takes. Its Retry-After, where it sends one, is obeyed.", "Lower the webhook's rate limit or concurrency, or have the receiver take more."}
	case http.StatusBadGateway, http.StatusServiceUnavailable:
		return cause{"The receiver is down or overloaded, and a proxy in front of it says so.", "Look at the receiver. Once it works, the next attempt succeeds by itself."}
	}
	switch {
	case status >= 500 && status <= 599:
		return cause{"The receiver failed while it handled the event.", "Look into the receiver's log at this time, or repeat the request with curl."}
	case status >= 400 && status <= 499:
		return cause{"The receiver refuses the request; its response may say why.", "Repeat the request with curl, and mend the receiver or the webhook's settings."}
	case status >= 200 && status <= 299:
		return cause{"The receiver took it, but only the status 200 acknowledges, as with the original.", "Have it answer 200, or set the webhook's success to 2xx."}
	default:
		return cause{"The receiver answered with a status that says nothing about the event.", "Have it answer 200."}
	}
}
