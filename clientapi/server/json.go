package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
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

func checkMembers(body []byte, seen map[string]bool) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return errNotObject
	}
	missing := len(seen)
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return errNotObject
		}
		text, ok := name.(string)
		if !ok {
			return errNotObject
		}
		if before, known := seen[text]; !known || before {
			return errMember
		}
		seen[text] = true
		missing--
		value, err := d.Token()
		if err != nil || value == nil {
			return errNotObject
		}
		if _, nested := value.(json.Delim); nested {
			return errNotObject
		}
	}
	if t, err := d.Token(); err != nil || t != json.Delim('}') {
		return errNotObject
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errNotObject
	}
	if missing > 0 {
		return errMember
	}
	return nil
}
