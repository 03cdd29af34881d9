// Package seal encrypts what is secret before it is stored, under a master keyset that is stored elsewhere. It guarantees to operators
// that who has the database or a backup of it, and not the keyset, reads no secret of a webhook; and to the store that a sealed text
// opens only where it belongs: the name of its record is bound to it, so that a text that was moved to another record does not open.
//
// A [Keyset] holds one or more keys of AES-256-GCM, made and used by Tink, each with a number. One of them is primary: it seals. All of
// them open, so that the primary can change while texts under the one before are still there; each text begins with the number
// of its key, which [Keyset.Seal] also returns.
//
// A keyset is kept in a file that nobody but its owner may read: [MakeFile] never overwrites one, and [ChangeFile] replaces one at once, on disk
// when it returns. A [Ring] follows a file, and keeps the keyset that it has while the file cannot be used.
//
// What may fail: a text under a key that the keyset does not hold ([UnknownKeyError]), one that was changed or belongs to another
// record ([ErrForged]), and a keyset that is none (the error says what is wrong, and never repeats a part of it).
package seal
