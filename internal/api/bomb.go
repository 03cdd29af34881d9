package api

import (
	"fmt"
	"net/http"
)

// The limits of a body's JSON. encoding/json itself stops at a depth of 10,000 only, and a value of one byte, such as the 0 in [0,0,0], may
// become a hundred bytes of memory.
const (
	// depthMax bounds how deep objects and arrays may be in each other.
	depthMax = 32
	// valuesMax and batchValuesMax bound the values in a body, those of objects and arrays counted each.
	valuesMax      = 20_000
	batchValuesMax = 200_000
	// valueBytes is what a value may become in memory at least, beside its text.
	valueBytes = 128
	// fieldProblemsMax bounds how many wrong fields an answer names.
	fieldProblemsMax = 100
)

// measure counts the values of a body before it is parsed, and refuses one that would explode. It reads bodies that are no JSON as well as
// others: what they are is found out by the parser.
func measure(body []byte, most int) (values int, _ *Problem) {
	depth := 0
	values = 1
	for i := 0; i < len(body); i++ {
		switch body[i] {
		case '"':
			for i++; i < len(body) && body[i] != '"'; i++ {
				if body[i] == '\\' {
					i++
				}
			}
		case '{', '[':
			values++
			if depth++; depth > depthMax {
				return 0, newProblem(http.StatusBadRequest, fmt.Sprintf("the body is nested deeper than %d, near byte %d", depthMax, i))
			}
		case '}', ']':
			depth--
		case ',':
			values++
		}
		if values > most {
			return 0, newProblem(http.StatusBadRequest, fmt.Sprintf("the body has more than %d values", most))
		}
	}
	return values, nil
}

// valuesMost is the bound of a route's bodies.
func (sh *shape) valuesMost() int {
	if sh.bytesMax > bodyBytesMax {
		return batchValuesMax
	}
	return valuesMax
}
