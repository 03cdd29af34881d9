// Package mail sends notices as e-mail. It guarantees to the delivery engine what [egress] does for POSTs: one [Sender.Send] ends within
// the post's timeout and always says in one [hook.Answer] what came of it. It judges nothing, keeps no connection and no state: two
// e-mails share nothing but the options.
//
// # What is sent
//
// A post whose URL is mailto:address and whose body is a CloudEvent (CloudEvents 1.0.2, JSON Event Format) becomes one e-mail to that
// one address: a subject that says all at a glance, a text in plain words, and the CloudEvent itself attached as notice.json. The
// post's header is not sent. The e-mail's Message-ID is made of the event's id and the sender's domain: an attempt whose
// acknowledgement was lost and is repeated has the same one, by which mail servers and readers recognise it. Auto-Submitted says that no
// person wrote it, so that nothing answers automatically (RFC 3834, section 5).
//
// Nothing in an event can become a header or a command: control characters are removed before anything is composed, and what is no
// single address is refused.
//
// # The mail server
//
// It is the operator's own, so that its address may be private. TLS is at least 1.2 and the certificate is verified, whenever
// TLS is spoken. A password is sent over TLS only. At most answerBytesMax are read of whatever the server says.
//
// # What may fail
//
// Status 200 means that the server has taken the e-mail over: its answer to the message itself was 250. A refusal (4xx or 5xx, RFC
// 5321, section 4.2.1) is [hook.FailureStatus] with the server's own code and words; whether to try again is the caller's schedule to
// say. All else has the classes of package egress: the name, the connection, TLS, the time, a connection that broke. When the caller's
// own context ends, the answer is [hook.FailureBroken] with the text [Cancelled]. What happens after the server has taken over
// the e-mail is no failure any more.
package mail
