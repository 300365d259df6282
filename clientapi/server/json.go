package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"unicode/utf8"
)

var (
	errNotObject = errors.New("the body is not one JSON object of the form that this path takes")
	errMember    = errors.New("the JSON object has a member twice, lacks one, or has one that this path does not take")
	errUTF8      = errors.New("the body is not UTF-8")
)

// decodeJSON reads one flat object into a struct, strictly: every member once, spelled as it is, not null, and nothing behind it.
// encoding/json alone would take the last of two members, any spelling, and null for nothing.
func decodeJSON(body []byte, v any) error {
	if !utf8.Valid(body) {
		return errUTF8
	}
	// No member of any request has a bracket in it, and what is nested deeply would cost a multiple of its length.
	if bytes.Count(body, []byte{'{'}) != 1 || bytes.IndexByte(body, '[') >= 0 || !json.Valid(body) {
		return errNotObject
	}
	if err := checkMembers(body, members(v)); err != nil {
		return err
	}
	if err := json.Unmarshal(body, v); err != nil {
		return errNotObject
	}
	return nil
}

// members lists the names of a struct's members, each false: not seen yet.
func members(v any) map[string]bool {
	t := reflect.TypeOf(v).Elem()
	names := make(map[string]bool, t.NumField())
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		names[name] = false
	}
	return names
}

// checkMembers looks at the members of a text that is valid JSON. It copies nothing.
func checkMembers(body []byte, seen map[string]bool) error {
	rest := bytes.TrimLeft(body, blanks)
	if rest[0] != '{' {
		return errNotObject
	}
	missing := len(seen)
	for rest = bytes.TrimLeft(rest[1:], blanks); rest[0] != '}'; rest = bytes.TrimLeft(rest, blanks+",") {
		n := stringEnd(rest)
		before, known := seen[string(rest[1:n-1])]
		if !known || before {
			return errMember
		}
		seen[string(rest[1:n-1])] = true
		missing--
		rest = bytes.TrimLeft(rest[n:], blanks+":")
		switch rest[0] {
		case 'n': // null
			return errNotObject
		case '"':
			rest = rest[stringEnd(rest):]
		default:
			rest = rest[bytes.IndexAny(rest, blanks+",}"):]
		}
	}
	if missing > 0 {
		return errMember
	}
	return nil
}

const blanks = " \t\r\n"

// stringEnd is the length of the string, in quotes, that a valid text begins with.
func stringEnd(text []byte) int {
	n := 1
	for text[n] != '"' {
		if text[n] == '\\' {
			n++
		}
		n++
	}
	return n + 1
}
