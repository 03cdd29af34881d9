package console

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// showUnseen makes visible what others wrote to mislead: characters that turn the direction of a text (Unicode Standard Annex #9), and those
// that are not seen at all, so that two names that look the same are the same. It is given a whole page or a part of one as html/template
// makes it. No template of ours has such a character, so each is of a text that came from outside.
//
// In a text the character stays where it is, for what is copied is exact, but within an element that isolates it and says its number. Where
// no element may be, the number stands in its place. What a form sends back is left as it is, and so is all else.
func showUnseen(page []byte) []byte {
	if bytes.IndexFunc(page, unseenAnywhere) < 0 {
		return page
	}
	m := marker{in: page, out: bytes.NewBuffer(make([]byte, 0, len(page)+len(page)/8))}
	for len(m.in) > 0 {
		if m.in[0] == '<' {
			m.tag()
		} else {
			m.text()
		}
	}
	return m.out.Bytes()
}

// marker goes through a page.
type marker struct {
	in  []byte
	out *bytes.Buffer
	// within is the element that holds no other elements, or not those of HTML, and in which the marker is; else empty. depth is how many of its
	// kind the marker is in: drawings are nested.
	within string
	depth  int
}

// text takes what is before the next tag.
func (m *marker) text() {
	end := bytes.IndexByte(m.in, '<')
	if end < 0 {
		end = len(m.in)
	}
	switch m.within {
	case "":
		mark(m.out, m.in[:end], `<span class="unseen" data-code="%s">%s</span>`)
	case "textarea", "script", "style":
		m.out.Write(m.in[:end])
	default:
		mark(m.out, m.in[:end], "[%s]")
	}
	m.in = m.in[end:]
}

// tag takes a tag, and in it the values that are shown or read out. html/template leaves no quote within a value as it is.
func (m *marker) tag() {
	name := strings.ToLower(tagName(m.in[1:]))
	switch closes, is := strings.CutPrefix(name, "/"); {
	case is && closes == m.within:
		if m.depth--; m.depth == 0 {
			m.within = ""
		}
	case m.within != "" && name == m.within:
		m.depth++
	case m.within == "" && (name == "title" || name == "textarea" || name == "select" || name == "datalist" || name == "svg" || name == "script" || name == "style"):
		m.within, m.depth = name, 1
	}
	for i := 0; i < len(m.in); i++ {
		switch c := m.in[i]; c {
		case '>':
			m.take(i + 1)
			return
		case '"', '\'':
			end := bytes.IndexByte(m.in[i+1:], c)
			if end < 0 {
				continue
			}
			shown := spoken(m.in[:i])
			m.take(i + 1)
			if shown {
				mark(m.out, m.in[:end], "[%s]")
				m.in = m.in[end:]
			} else {
				m.take(end)
			}
			i = 0 // at the quote that ends the value
		}
	}
	m.take(len(m.in))
}

// take leaves the next bytes as they are.
func (m *marker) take(n int) {
	m.out.Write(m.in[:n])
	m.in = m.in[n:]
}

// tagName is the name at the beginning of a tag, with the slash of one that closes.
func tagName(tag []byte) string {
	end := bytes.IndexFunc(tag, func(r rune) bool { return r != '/' && (r < 'A' || r > 'z') })
	if end < 0 {
		end = len(tag)
	}
	return string(tag[:end])
}

// spoken reports whether the attribute whose value follows is one that is shown or read out, and that no form sends.
func spoken(before []byte) bool {
	for _, name := range [...]string{" title=", " aria-label=", " label=", " alt="} {
		if bytes.HasSuffix(before, []byte(name)) {
			return true
		}
	}
	return false
}

// mark writes a text with each unseen character in this form.
func mark(out *bytes.Buffer, text []byte, form string) {
	before := rune(0)
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		switch {
		case !unseen(r, before):
			out.Write(text[:size])
		case strings.Count(form, "%s") == 1:
			fmt.Fprintf(out, form, code(r))
		case unicode.IsControl(r): // one that is copied into a terminal could command it
			fmt.Fprintf(out, form, code(r), "")
		default:
			fmt.Fprintf(out, form, code(r), text[:size])
		}
		before, text = r, text[size:]
	}
}

// code names a character as the Unicode Standard does.
func code(r rune) string { return fmt.Sprintf("U+%04X", r) }

// unseenAnywhere reports whether there may be something to mark.
func unseenAnywhere(r rune) bool { return unseen(r, 0) }

// unseen reports whether a character is not seen, or turns the direction of others. A joiner is at home after a letter of a script that joins
// its letters and in emoji, and has no place after those of Latin, Greek, Cyrillic and Armenian, which are the first of Unicode.
func unseen(r, before rune) bool {
	const joiners = 0x0590 // from here on
	switch {
	case r == '\t', r == '\n', r == '\r':
		return false
	case r < ' ':
		return true
	case r < 0x7f:
		return false
	case r == '\u200c', r == '\u200d':
		return before < joiners
	default:
		return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || unicode.Is(unicode.Cf, r) && !unicode.Is(unicode.Prepended_Concatenation_Mark, r) ||
			unicode.In(r, unicode.Zl, unicode.Zp) || blank(r)
	}
}

// blank reports whether a character is no space and yet shows nothing.
func blank(r rune) bool {
	switch r {
	case '\u034f', '\u115f', '\u1160', '\u17b4', '\u17b5', '\u2800', '\u3164', '\uffa0':
		return true
	default:
		return false
	}
}
