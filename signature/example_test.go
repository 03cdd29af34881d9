package signature_test

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/hookswitch/hookswitch/signature"
)

func ExampleVerify() {
	secret, body := []byte("It's a Secret to Everybody"), []byte("Hello, World!")
	header := http.Header{}
	header.Set(signature.HubHeader, "sha1=01dc10d0c83e72ed246219cdd91669667fe2ca59")
	fmt.Println(signature.Verify(header, body, secret))
	fmt.Println(errors.Is(signature.Verify(header, []byte("Hello, World?"), secret), signature.WrongSecret))
	// Output:
	// <nil>
	// true
}

func ExampleExplain() {
	// The signature was made of the compact JSON, and something on the way added a space.
	secret := []byte("a secret of the webhook")
	value := signature.SHA1(secret, []byte(`{"event":"STARTED"}`))
	err := signature.VerifyHub(value, []byte(`{"event": "STARTED"}`), secret)
	fmt.Println(errors.Is(err, signature.BodyChanged))
	fmt.Println(err)
	// Output:
	// true
	// verify signature: body_changed: the value is the signature of this body compacted, without white space between its values
}

func ExampleSigner() {
	signer := signature.NewSigner([]byte("It's a Secret to Everybody"))
	for _, body := range []string{"Hello, World!", "Hello again!"} {
		fmt.Println(signer.Hub([]byte(body)))
	}
	// Output:
	// sha1=01dc10d0c83e72ed246219cdd91669667fe2ca59
	// sha1=22ac89c3cda2c8e292cebb3f12416b0fa4867c94
}

func ExampleVerifyStandard() {
	secret := []byte("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	header := http.Header{}
	header.Set(signature.IDHeader, "msg_p5jXN8AQM9LWM0D4loKWxJek")
	header.Set(signature.TimestampHeader, "1614265330")
	header.Set(signature.StandardHeader, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")
	arrived := time.Unix(1614265333, 0)
	fmt.Println(signature.VerifyStandard(header, []byte(`{"test": 2432232314}`), [][]byte{secret}, arrived, 0))
	// Output: <nil>
}

func ExampleStandardSecret() {
	fmt.Println(signature.StandardSecret([]byte("a secret of the webhook")))
	// Output: whsec_YSBzZWNyZXQgb2YgdGhlIHdlYmhvb2s=
}
