package hook_test

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/hookswitch/hookswitch/internal/hook"
)

const uuidText = "8e09e19f-b8ba-4db0-b6e7-dfc8a7776176"

func mustUUID(t rapid.TB, s string) hook.UUID {
	t.Helper()
	u, err := hook.ParseUUID(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// anyUUID generates every pattern of 128 bits, legal or not.
func anyUUID() *rapid.Generator[hook.UUID] {
	return rapid.Custom(func(t *rapid.T) (u hook.UUID) {
		copy(u[:], rapid.SliceOfN(rapid.Byte(), len(u), len(u)).Draw(t, "uuid"))
		return u
	})
}

// anyTime generates times in milliseconds that a serial can hold: from 2020 to 2298.
func anyTime() *rapid.Generator[time.Time] {
	return rapid.Map(rapid.Int64Range(0, 1<<43-1), func(milli int64) time.Time {
		return time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(milli) * time.Millisecond)
	})
}

func TestUUIDRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		u := anyUUID().Draw(t, "u")
		text := u.String()
		if len(text) != 36 || text != strings.ToLower(text) {
			t.Fatalf("%q is not 36 lower-case characters", text)
		}
		for _, spelling := range []string{text, strings.ToUpper(text)} {
			if back, err := hook.ParseUUID(spelling); err != nil || back != u {
				t.Fatalf("parse %q: %v, %v", spelling, back, err)
			}
		}
		appended, err := u.AppendText([]byte("id="))
		if err != nil || string(appended) != "id="+text {
			t.Fatalf("append: %q, %v", appended, err)
		}
	})
}

func TestParseUUIDRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"empty":              "",
		"no dashes":          strings.ReplaceAll(uuidText, "-", ""),
		"braces":             "{" + uuidText + "}",
		"URN":                "urn:uuid:" + uuidText,
		"one short":          uuidText[:35],
		"one long":           uuidText + "0",
		"space before":       " " + uuidText[:35],
		"space after":        uuidText[:35] + " ",
		"newline after":      uuidText + "\n",
		"not hexadecimal":    "8e09e19g-b8ba-4db0-b6e7-dfc8a7776176",
		"not hex at the end": "8e09e19f-b8ba-4db0-b6e7-dfc8a777617g",
		"dash too early":     "8e09e19-fb8ba-4db0-b6e7-dfc8a7776176",
		"first dash":         "8e09e19f0b8ba-4db0-b6e7-dfc8a7776176",
		"second dash":        "8e09e19f-b8ba04db0-b6e7-dfc8a7776176",
		"third dash":         "8e09e19f-b8ba-4db00b6e7-dfc8a7776176",
		"fourth dash":        "8e09e19f-b8ba-4db0-b6e70dfc8a7776176",
		"dash in a group":    "8e09e19f-b8ba-4db0-b6e7-dfc8a77-6176",
		"another dash":       strings.Replace(uuidText, "-", "–", 1)[:36],
		"full-width digit":   "８" + uuidText[3:],
		"36 bytes, not text": strings.Repeat("\xff", 36),
		"very long":          strings.Repeat("é", 1_000),
	} {
		t.Run(name, func(t *testing.T) {
			u, err := hook.ParseUUID(text)
			if !errors.Is(err, hook.ErrBadID) {
				t.Fatalf("got %v, want ErrBadID", err)
			}
			if !u.IsZero() {
				t.Errorf("got %v beside the error", u)
			}
			if message := err.Error(); len(message) > 512 || !utf8.ValidString(message) {
				t.Errorf("the message repeats too much or is not UTF-8: %q", message)
			}
			kept := mustUUID(t, uuidText)
			if err := kept.UnmarshalText([]byte(text)); !errors.Is(err, hook.ErrBadID) || kept.String() != uuidText {
				t.Errorf("unmarshal left %v with error %v", kept, err)
			}
		})
	}
}

func TestIsZero(t *testing.T) {
	if !(hook.UUID{}).IsZero() || !(hook.InteractionID{}).IsZero() {
		t.Error("the nil UUID is not zero")
	}
	for at := range 16 {
		var u hook.UUID
		u[at] = 1
		if u.IsZero() {
			t.Errorf("%v is zero", u)
		}
	}
}

// The examples are those of RFC 9562, appendix A.3 and A.6.
func TestUUIDVersionsOfTheRFC(t *testing.T) {
	random := [16]byte{0x91, 0x91, 0x08, 0xf7, 0x52, 0xd1, 0x33, 0x20, 0x5b, 0xac, 0xf8, 0x47, 0xdb, 0x41, 0x48, 0xa8}
	if got, want := hook.V4(random).String(), "919108f7-52d1-4320-9bac-f847db4148a8"; got != want {
		t.Errorf("V4: got %s, want %s", got, want)
	}
	at := time.Date(2022, 2, 22, 14, 22, 22, 0, time.FixedZone("", -5*60*60))
	tail := [10]byte{0x0c, 0xc3, 0x18, 0xc4, 0xdc, 0x0c, 0x0c, 0x07, 0x39, 0x8f}
	if got, want := hook.V7(at, tail).String(), "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"; got != want {
		t.Errorf("V7: got %s, want %s", got, want)
	}
}

func TestUUIDVersionAndVariantBits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		random := [16]byte(anyUUID().Draw(t, "random"))
		at := anyTime().Draw(t, "at")
		four, seven := hook.V4(random), hook.V7(at, [10]byte(random[:10]))
		for version, u := range map[byte]hook.UUID{4: four, 7: seven} {
			if u[6]>>4 != version || u[8]>>6 != 0b10 {
				t.Fatalf("%v: version %d, variant %02b", u, u[6]>>4, u[8]>>6)
			}
		}
		for i := range random {
			mask := byte(0xff)
			switch i {
			case 6:
				mask = 0x0f
			case 8:
				mask = 0x3f
			}
			if four[i]&mask != random[i]&mask {
				t.Fatalf("byte %d of %v lost randomness of %x", i, four, random)
			}
			if i >= 6 && seven[i]&mask != random[i-6]&mask {
				t.Fatalf("byte %d of %v lost randomness of %x", i, seven, random)
			}
		}
		if later := hook.V7(at.Add(time.Millisecond), [10]byte{}); string(later[:6]) <= string(seven[:6]) {
			t.Fatalf("%v does not sort after %v", later, seven)
		}
	})
}

func TestTypedIDsAsJSON(t *testing.T) {
	type ids struct {
		Interaction hook.InteractionID
		Session     hook.SessionID
		Webhook     hook.WebhookID
		Operation   hook.OperationID
		Delivery    hook.DeliveryID
	}
	u := mustUUID(t, uuidText)
	in := ids{hook.InteractionID{UUID: u}, hook.SessionID{UUID: u}, hook.WebhookID{UUID: u}, hook.OperationID{UUID: u}, hook.DeliveryID{UUID: u}}
	text, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"Interaction":"I","Session":"I","Webhook":"I","Operation":"I","Delivery":"I"}`
	if want = strings.ReplaceAll(want, `"I"`, `"`+uuidText+`"`); string(text) != want {
		t.Errorf("got %s, want %s", text, want)
	}
	var out ids
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(in, out); diff != "" {
		t.Errorf("round trip (-want +got):\n%s", diff)
	}
	if err := json.Unmarshal([]byte(`{"Session":"x"}`), &out); !errors.Is(err, hook.ErrBadID) {
		t.Errorf("got %v, want ErrBadID", err)
	}
}

func TestTraceID(t *testing.T) {
	op := hook.OperationID{UUID: mustUUID(t, uuidText)}
	if got, want := op.TraceID(), "8e09e19fb8ba4db0b6e7dfc8a7776176"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestSerialHoldsItsTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at := anyTime().Draw(t, "at")
		inside := rapid.Int64Range(0, int64(time.Millisecond)-1).Draw(t, "nanoseconds")
		first := hook.SerialAt(at)
		if got := hook.SerialAt(at.Add(time.Duration(inside))); got != first {
			t.Fatalf("%d is not the first serial of the millisecond: %d", got, first)
		}
		if got := first.Time(); !got.Equal(at) || got.Location() != time.UTC {
			t.Fatalf("got %v, want %v", got, at)
		}
		counter := hook.Serial(rapid.Int64Range(0, 1<<20-1).Draw(t, "counter"))
		if got := (first + counter).Time(); !got.Equal(at) {
			t.Fatalf("record %d of the millisecond is of %v, want %v", counter, got, at)
		}
		if got := (first - 1).Time(); !got.Equal(at.Add(-time.Millisecond)) {
			t.Fatalf("the serial before the millisecond is of %v", got)
		}
	})
}

// A query may name any time that RFC 3339 can write; its bound must stay on the right side of every record.
func TestSerialAtBounds(t *testing.T) {
	const first, last = math.MinInt64, math.MaxInt64 >> 20 << 20
	year := func(y int) time.Time { return time.Date(y, 1, 1, 0, 0, 0, 0, time.UTC) }
	for name, test := range map[string]struct {
		at   time.Time
		want hook.Serial
	}{
		"no time at all":           {time.Time{}, first},
		"year 0":                   {year(0), first},
		"1740":                     {year(1740), first},
		"the epoch of Unix":        {time.UnixMilli(0), -1_577_836_800_000 << 20},
		"just before the epoch":    {year(2020).Add(-time.Millisecond), -1 << 20},
		"the epoch":                {year(2020), 0},
		"one millisecond later":    {year(2020).Add(time.Millisecond), 1 << 20},
		"the last millisecond":     {time.UnixMilli(1<<43 - 1 + 1_577_836_800_000), last},
		"one millisecond too late": {time.UnixMilli(1<<43 + 1_577_836_800_000), last},
		"2299":                     {year(2299), last},
		"9999":                     {year(9999), last},
	} {
		if got := hook.SerialAt(test.at); got != test.want {
			t.Errorf("%s: got %d, want %d", name, got, test.want)
		}
	}
}

// anySlot draws a node's slot.
func anySlot() *rapid.Generator[hook.Slot] {
	return rapid.Custom(func(t *rapid.T) hook.Slot { return hook.Slot(rapid.IntRange(0, hook.SlotsMax-1).Draw(t, "slot")) })
}

// A serial grows whatever the clock does, is the smallest of its slot that does, and carries its slot: so no two nodes ever
// make the same one.
func TestNextSerialStrictlyGrows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		clock := anyTime().Draw(t, "start")
		last := hook.Serial(rapid.Int64Range(0, 1<<40).Draw(t, "last"))
		for _, step := range rapid.SliceOfN(rapid.Int64Range(-int64(time.Hour), int64(time.Hour)), 1, 50).Draw(t, "steps") {
			if now := clock.Add(time.Duration(step)); now.Year() < 2298 { // short of the end of serials
				clock = now
			}
			slot := anySlot().Draw(t, "slot")
			serial := hook.NextSerial(last, clock, slot)
			if serial <= last || serial < hook.SerialAt(clock) {
				t.Fatalf("%d after %d at %v", serial, last, clock)
			}
			if got := hook.Slot(serial % hook.SlotsMax); got != slot {
				t.Fatalf("%d is of slot %d, want %d", serial, got, slot)
			}
			if smaller := serial - hook.SlotsMax; smaller > last && smaller >= hook.SerialAt(clock) {
				t.Fatalf("%d after %d at %v is not the smallest possible, %d", serial, last, clock, smaller)
			}
			last = serial
		}
	})
}

// More records than the counter holds, within one millisecond, run into the next one.
func TestNextSerialOverflowsIntoTheNextMillisecond(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	last := hook.SerialAt(now) + 1<<20 - 1
	if got, want := hook.NextSerial(last, now, 5), hook.SerialAt(now.Add(time.Millisecond))+5; got != want {
		t.Errorf("got %d, want %d", got, want)
	}
}

func anyDeliveryKey() *rapid.Generator[hook.DeliveryKey] {
	return rapid.Custom(func(t *rapid.T) hook.DeliveryKey {
		return hook.DeliveryKey{
			Event:   hook.Serial(rapid.Int64Range(0, math.MaxInt64).Draw(t, "event")),
			Webhook: hook.WebhookNumber(rapid.Int32Range(0, math.MaxInt32).Draw(t, "webhook")),
		}
	})
}

func checkKeys(t rapid.TB, key hook.DeliveryKey) {
	t.Helper()
	id := hook.NewDeliveryID(key.Event, key.Webhook)
	event, webhook, ok := id.Keys()
	if got := (hook.DeliveryKey{Event: event, Webhook: webhook}); !ok || got != key {
		t.Fatalf("%v of %+v gives %+v, %v", id, key, got, ok)
	}
	if id.UUID[6]>>4 != 7 || id.UUID[8]>>6 != 0b10 {
		t.Fatalf("%v is not of version 7", id)
	}
}

func TestDeliveryIDInverse(t *testing.T) {
	checkKeys(t, hook.DeliveryKey{Event: 1, Webhook: 1})
	checkKeys(t, hook.DeliveryKey{Event: math.MaxInt64, Webhook: math.MaxInt32})
	rapid.Check(t, func(t *rapid.T) { checkKeys(t, anyDeliveryKey().Draw(t, "key")) })
}

func TestDeliveryIDOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := anyDeliveryKey().Draw(t, "a"), anyDeliveryKey().Draw(t, "b")
		idA, idB := hook.NewDeliveryID(a.Event, a.Webhook), hook.NewDeliveryID(b.Event, b.Webhook)
		if (a == b) != (idA == idB) {
			t.Fatalf("%+v and %+v give %v and %v", a, b, idA, idB)
		}
		if a.Event < b.Event && idA.String() >= idB.String() {
			t.Fatalf("%v is of an earlier event than %v and does not sort before it", idA, idB)
		}
	})
}

// fixedBits are those that are the same in every delivery id: the version, the variant with the six bits after it, and
// the last two bytes.
func fixedBits(u hook.UUID) [4]byte { return [4]byte{u[6] >> 4, u[8], u[14], u[15]} }

func TestDeliveryIDOfSomethingElse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		u := anyUUID().Draw(t, "u")
		if _, _, ok := (hook.DeliveryID{UUID: u}).Keys(); ok && fixedBits(u) != [4]byte{7, 0x80, 0, 0} {
			t.Fatalf("%v was taken for a delivery id", u)
		}
		if _, _, ok := (hook.DeliveryID{UUID: hook.V4(u)}).Keys(); ok {
			t.Fatalf("%v, of version 4, was taken for a delivery id", hook.V4(u))
		}
	})
}

func TestDeliveryIDMutated(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := anyDeliveryKey().Draw(t, "key")
		id := hook.NewDeliveryID(key.Event, key.Webhook)
		bit := rapid.IntRange(0, 127).Draw(t, "bit")
		mutated := id
		mutated.UUID[bit/8] ^= 1 << (bit % 8)
		event, webhook, ok := mutated.Keys()
		switch {
		case fixedBits(mutated.UUID) != fixedBits(id.UUID):
			if ok {
				t.Fatalf("%v, which is %v with bit %d changed, was taken for a delivery id", mutated, id, bit)
			}
		case ok: // another delivery's
			if event == key.Event && webhook == key.Webhook {
				t.Fatalf("%v and %v name one delivery", mutated, id)
			}
			if event < 0 || hook.NewDeliveryID(event, webhook) != mutated {
				t.Fatalf("%v gives %d and %d, which do not give it back", mutated, event, webhook)
			}
		default: // only the time can be impossible: before 2020, or beyond what a serial holds
			if bit >= 48 {
				t.Fatalf("%v was refused, and its time is that of %v", mutated, id)
			}
		}
	})
}

func TestDeliveryIDTimeOutOfRange(t *testing.T) {
	for name, text := range map[string]string{
		"1970":                       "00000000-0000-7000-8000-000000010000",
		"just before 2020":           "016f5e66-e7ff-7000-8000-000000010000",
		"just after the last serial": "096f5e66-e800-7000-8000-000000010000",
		"the latest UUID":            "ffffffff-ffff-7000-8000-000000010000",
		"nil":                        "00000000-0000-0000-0000-000000000000",
	} {
		if event, webhook, ok := (hook.DeliveryID{UUID: mustUUID(t, text)}).Keys(); ok {
			t.Errorf("%s: got event %d and webhook %d", name, event, webhook)
		}
	}
	event, webhook, ok := (hook.DeliveryID{UUID: mustUUID(t, "016f5e66-e800-7000-8001-000000010000")}).Keys()
	if !ok || event != 1 || webhook != 1 {
		t.Errorf("the first record of 2020: got event %d, webhook %d, %v", event, webhook, ok)
	}
}
