package console

import (
	"bytes"
	"html/template"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// What turns or hides a text is shown with its number, stays in what is copied, and is left alone where a form sends it back.
func TestUnseenIsShown(t *testing.T) {
	t.Parallel()
	mark := func(code, text string) string {
		return `<span class="unseen" data-code="` + code + `">` + text + `</span>`
	}
	for _, test := range []struct{ name, in, want string }{
		{"nothing to show", `<p class="x">Zoë שלום 😀</p>`, `<p class="x">Zoë שלום 😀</p>`},
		{"a text that is turned", "<a href=\"/x\">\u202enimda</a>", `<a href="/x">` + mark("U+202E", "\u202e") + `nimda</a>`},
		{"an isolate, a mark, a space without width", "<p>\u2067a\u200fb\u200bc</p>", "<p>" + mark("U+2067", "\u2067") + "a" + mark("U+200F", "\u200f") + "b" + mark("U+200B", "\u200b") + "c</p>"},
		{"a control character is not copied", "<p>\x1b[31m\u009b</p>", "<p>" + mark("U+001B", "") + "[31m" + mark("U+009B", "") + "</p>"},
		{"a joiner in an emoji is at home", "<p>👩\u200d🚀 کتاب\u200cها a\u200db</p>", "<p>👩\u200d🚀 کتاب\u200cها a" + mark("U+200D", "\u200d") + "b</p>"},
		{"where no element may be", "<title>\u202ex</title><svg><text>\u202ey</text></svg><option>\u202ez", "<title>[U+202E]x</title><svg><text>[U+202E]y</text></svg><option>" + mark("U+202E", "\u202e") + "z"},
		{"a drawing in a drawing", "<svg><svg><g/></svg><text>\u202ey</text></svg>\u202e", "<svg><svg><g/></svg><text>[U+202E]y</text></svg>" + mark("U+202E", "\u202e")},
		{"an option", "<select><option value=\"\u202ea\">\u202ea</option></select>\u202e", "<select><option value=\"\u202ea\">[U+202E]a</option></select>" + mark("U+202E", "\u202e")},
		{"what is sent back", "<input value=\"\u202ea\" title=\"\u202eb\"><textarea>\u202ec</textarea>", "<input value=\"\u202ea\" title=\"[U+202E]b\"><textarea>\u202ec</textarea>"},
		{"what is read out", "<td aria-label='\u200bx' class=\"y\">", "<td aria-label='[U+200B]x' class=\"y\">"},
		{"a sign of more or less in a value", "<a href=\"/?a>b\" title=\"a > \u202e\">\u202e</a>", "<a href=\"/?a>b\" title=\"a > [U+202E]\">" + mark("U+202E", "\u202e") + "</a>"},
		{"half a tag", "\u202e<a title=\"\u202e", mark("U+202E", "\u202e") + "<a title=\"\u202e"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got := string(showUnseen([]byte(test.in))); got != test.want {
				t.Errorf("got  %q\nwant %q", got, test.want)
			}
		})
	}
}

// Whatever others write, the page keeps its elements and its values, and loses nothing that is not a control character.
func TestUnseenChangesNoMarkup(t *testing.T) {
	t.Parallel()
	page := template.Must(template.New("").Parse(
		`<title>{{.}}</title><p title="{{.}}">a{{.}}</p><svg aria-label="{{.}}"><text>{{.}}</text></svg><textarea>{{.}}</textarea><input value="{{.}}"><a href="/x?y={{.}}">{{.}}</a>`))
	// What is between angle brackets is a tag: html/template leaves none within a value or a text.
	skeleton := func(text []byte) string {
		var all []byte
		for _, found := range regexp.MustCompile(`(?s)</?[a-z]+|(?:value|href)="[^"]*"|<textarea>.*?</textarea>`).FindAll(text, -1) {
			if !bytes.HasSuffix(found, []byte("span")) {
				all = append(append(all, found...), '\n')
			}
		}
		return string(all)
	}
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOf(rapid.OneOf(rapid.RuneFrom([]rune("<>\"'&=/ a\u202e\u2066\u200b\u200d\ufeff\x1b\u009b")), rapid.Rune())).Draw(t, "text")
		var plain bytes.Buffer
		if err := page.Execute(&plain, text); err != nil {
			t.Fatal(err)
		}
		shown := showUnseen(plain.Bytes())
		if diff := cmp.Diff(skeleton(plain.Bytes()), skeleton(shown)); diff != "" {
			t.Fatalf("the markup changed (-before +after):\n%s\n%s", diff, shown)
		}
	})
}
