package sealtest

import "github.com/hookswitch/hookswitch/internal/seal"

// Text is the keyset, as the key master-keyset of the configuration takes it.
const Text = `{"primaryKeyId":1205309762,"key":[{"keyData":{"typeUrl":"type.googleapis.com/google.crypto.tink.AesGcmKey","value":"GiCD+JaBnyxRayymhhE4AuYRsS4cIGx0MbDWIScdogrx5w==","keyMaterialType":"SYMMETRIC"},"status":"ENABLED","keyId":1205309762,"outputPrefixType":"TINK"}]}`

// Keyset returns the keyset.
func Keyset() *seal.Keyset {
	k, err := seal.Parse([]byte(Text))
	if err != nil {
		panic("sealtest: " + err.Error()) // the text is above
	}
	return k
}
