package signature_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hookswitch/hookswitch/signature"
)

func standardHeader(id, timestamp string, values ...string) http.Header {
	return http.Header{"Webhook-Id": {id}, "Webhook-Timestamp": {timestamp}, "Webhook-Signature": values}
}

func TestVerifyStandardAccepts(t *testing.T) {
	signed := time.Unix(stdSeconds, 0)
	for name, test := range map[string]struct {
		header    http.Header
		secrets   []string
		now       time.Time
		tolerance time.Duration
	}{
		"vector":           {standardHeader(stdID, "1614265330", stdValue), []string{stdSecret}, signed, 0},
		"second secret":    {standardHeader(stdID, "1614265330", stdValue), []string{"other", stdSecret}, signed, 0},
		"several":          {standardHeader(stdID, "1614265330", "v1a,xyz v1,AAAA "+stdValue), []string{stdSecret}, signed, 0},
		"several lines":    {standardHeader(stdID, "1614265330", "v2,x", stdValue), []string{stdSecret}, signed, 0},
		"5 minutes old":    {standardHeader(stdID, "1614265330", stdValue), []string{stdSecret}, signed.Add(5 * time.Minute), 0},
		"5 minutes ahead":  {standardHeader(stdID, "1614265330", stdValue), []string{stdSecret}, signed.Add(-5 * time.Minute), -1},
		"longer tolerance": {standardHeader(stdID, "1614265330", stdValue), []string{stdSecret}, signed.Add(time.Hour), time.Hour},
	} {
		var secrets [][]byte
		for _, secret := range test.secrets {
			secrets = append(secrets, []byte(secret))
		}
		if err := signature.VerifyStandard(test.header, []byte(stdBody), secrets, test.now, test.tolerance); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestVerifyStandardRefuses(t *testing.T) {
	signed := time.Unix(stdSeconds, 0)
	mac, err := base64.StdEncoding.DecodeString(stdValue[3:])
	if err != nil {
		t.Fatal(err)
	}
	hexValue := "v1," + hex.EncodeToString(mac)
	for name, test := range map[string]struct {
		header http.Header
		body   string
		now    time.Time
		reason signature.Reason
		detail string
	}{
		"nothing":         {http.Header{}, stdBody, signed, signature.NoHeader, "webhook-signature is missing"},
		"no id":           {standardHeader("", "1614265330", stdValue), stdBody, signed, signature.NoID, "webhook-id"},
		"no timestamp":    {standardHeader(stdID, "", stdValue), stdBody, signed, signature.MalformedTimestamp, "missing"},
		"date":            {standardHeader(stdID, "2021-02-25T15:02:10Z", stdValue), stdBody, signed, signature.MalformedTimestamp, "whole number"},
		"sign":            {standardHeader(stdID, "+1614265330", stdValue), stdBody, signed, signature.MalformedTimestamp, "whole number"},
		"milliseconds":    {standardHeader(stdID, "1614265330000", stdValue), stdBody, signed, signature.MalformedTimestamp, "13 digits"},
		"overflow":        {standardHeader(stdID, strings.Repeat("9", 40), stdValue), stdBody, signed, signature.MalformedTimestamp, "40 digits"},
		"far future":      {standardHeader(stdID, strings.Repeat("9", 12), stdValue), stdBody, signed, signature.StaleTimestamp, "in the future"},
		"old":             {standardHeader(stdID, "1614265330", stdValue), stdBody, signed.Add(301 * time.Second), signature.StaleTimestamp, "5m1s old"},
		"ahead":           {standardHeader(stdID, "1614265330", stdValue), stdBody, signed.Add(-301 * time.Second), signature.StaleTimestamp, "5m1s in the future"},
		"other version":   {standardHeader(stdID, "1614265330", "v2,"+stdValue[3:]), stdBody, signed, signature.UnknownAlgorithm, "no signature of version v1"},
		"hex":             {standardHeader(stdID, "1614265330", hexValue), stdBody, signed, signature.MalformedBase64, "in hexadecimal"},
		"no padding":      {standardHeader(stdID, "1614265330", strings.TrimRight(stdValue, "=")), stdBody, signed, signature.MalformedBase64, "without padding"},
		"too short":       {standardHeader(stdID, "1614265330", "v1,AAAA"), stdBody, signed, signature.MalformedBase64, `"AAAA"`},
		"other id":        {standardHeader("msg_2", "1614265330", stdValue), stdBody, signed, signature.WrongSecret, ""},
		"other timestamp": {standardHeader(stdID, "1614265331", stdValue), stdBody, signed, signature.WrongSecret, ""},
		"leading zero":    {standardHeader(stdID, "01614265330", stdValue), stdBody, signed, signature.WrongSecret, ""},
		"other body":      {standardHeader(stdID, "1614265330", stdValue), `{"test": 2432232315}`, signed, signature.WrongSecret, ""},
	} {
		t.Run(name, func(t *testing.T) {
			err := signature.VerifyStandard(test.header, []byte(test.body), [][]byte{[]byte(stdSecret)}, test.now, 0)
			checkError(t, err, test.reason, test.detail)
		})
	}
}

// TestStandardPrefixTakenForKey: the other side took the whole text of the secret, prefix and all, for the key.
func TestStandardPrefixTakenForKey(t *testing.T) {
	signed := time.Unix(stdSeconds, 0)
	theirs := signature.SecretPrefix + base64.StdEncoding.EncodeToString([]byte(stdSecret))
	header := standardHeader(stdID, "1614265330", signature.Standard([]byte(theirs), stdID, signed, []byte(stdBody)))
	err := signature.VerifyStandard(header, []byte(stdBody), [][]byte{[]byte(stdSecret)}, signed, 0)
	checkError(t, err, signature.WrongSecret, "as text, its prefix whsec_ included")
}

// TestCheckStandardDoesNotSearch shows that CheckStandard accepts and refuses what VerifyStandard does, and leaves out the search.
func TestCheckStandardDoesNotSearch(t *testing.T) {
	secret, body, at := []byte("a secret of this test"), []byte(`{"a":1}`), time.Unix(stdSeconds, 0)
	header := http.Header{}
	header.Set(signature.IDHeader, stdID)
	header.Set(signature.TimestampHeader, strconv.FormatInt(at.Unix(), 10))
	header.Set(signature.StandardHeader, signature.NewSigner(secret).Standard(stdID, at, body))
	v := signature.NewVerifier(secret)
	if err := v.CheckStandard(header, body, at, 0); err != nil {
		t.Error(err)
	}
	changed := append(bytes.Clone(body), '\n')
	if err := v.VerifyStandard(header, changed, at, 0); !errors.Is(err, signature.BodyChanged) {
		t.Errorf("with the search: %v", err)
	}
	if err := v.CheckStandard(header, changed, at, 0); !errors.Is(err, signature.WrongSecret) {
		t.Errorf("without: %v", err)
	}
}
