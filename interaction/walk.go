package interaction

import "encoding/json"

// The functions here walk JSON that is known to be valid and well-formed UTF-8, without copying it. They are our own because
// encoding/json cannot show that a field occurs twice except token by token, which costs ten times as much as all the
// rest of Parse.

// take splits text, which starts with a value, into that value and what follows.
func take(text []byte) (value json.RawMessage, rest []byte) {
	depth := 0
	for i := 0; i < len(text); i++ {
		switch c := text[i]; c {
		case '"':
			i = closingQuote(text, i)
		case '{', '[':
			depth++
		case '}', ']':
			depth--
			if depth < 0 {
				// A bare number or literal that ends with its parent.
				return text[:i], text[i:]
			}
		case ',', ' ', '\t', '\r', '\n':
			if depth == 0 {
				return text[:i], text[i:]
			}
			continue
		default:
			continue
		}
		if depth == 0 {
			return text[:i+1], text[i+1:]
		}
	}
	return text, nil
}

// closingQuote gives the index of the quote that ends the string beginning at open.
func closingQuote(text []byte, open int) int {
	for i := open + 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return len(text) - 1
}

// skip drops white space and the separators of members and items, which valid JSON has in the right places only.
func skip(text []byte) []byte {
	for len(text) > 0 {
		switch text[0] {
		case ' ', '\t', '\r', '\n', ',', ':':
			text = text[1:]
		default:
			return text
		}
	}
	return text
}

// eachMember calls visit with the fields of an object in their order, duplicates included. A name is still quoted.
func eachMember(object json.RawMessage, visit func(name, value json.RawMessage)) {
	rest := skip(object[1:])
	for len(rest) > 0 && rest[0] != '}' {
		var name, value json.RawMessage
		name, rest = take(rest)
		value, rest = take(skip(rest))
		visit(name, value)
		rest = skip(rest)
	}
}

// eachItem calls visit with the items of an array in their order.
func eachItem(array json.RawMessage, visit func(value json.RawMessage)) {
	rest := skip(array[1:])
	for len(rest) > 0 && rest[0] != ']' {
		var value json.RawMessage
		value, rest = take(rest)
		visit(value)
		rest = skip(rest)
	}
}
