package mimi_test

import (
	"bytes"
	"testing"

	"parley/mimi"
	"parley/mls/wire"
	"parley/syntax"
)

// By hand from §5.8: one element of type phone, then the dictionary of extensions.
func TestQueryExtensions(t *testing.T) {
	t.Run("P-IQ-12 both structures end with a dictionary of extensions, which may be empty", func(t *testing.T) {
		request := []byte{4, byte(mimi.SearchPhone), 2, '+', '1', 0}
		var r mimi.IdentifierRequest
		if err := syntax.Unmarshal(request, &r); err != nil {
			t.Fatal(err)
		}
		if err := syntax.Unmarshal(request[:len(request)-1], new(mimi.IdentifierRequest)); err == nil {
			t.Error("a request without extensions was taken")
		}
		response := []byte{byte(mimi.QueryNotFound), 0, 0, 0}
		var a mimi.IdentifierResponse
		if err := syntax.Unmarshal(response, &a); err != nil {
			t.Fatal(err)
		}
		if err := syntax.Unmarshal(response[:3], new(mimi.IdentifierResponse)); err == nil {
			t.Error("a response without extensions was taken")
		}
		// One entry: component 0xf000 with one octet.
		entry := []byte{4, 0xf0, 0, 1, 7}
		for name, v := range map[string]struct {
			octets []byte
			value  syntax.Value
			of     func() wire.AppDataDictionary
		}{
			"request":  {append(bytes.Clone(request[:5]), entry...), &r, func() wire.AppDataDictionary { return r.Extensions }},
			"response": {append(bytes.Clone(response[:3]), entry...), &a, func() wire.AppDataDictionary { return a.Extensions }},
		} {
			if err := syntax.Unmarshal(v.octets, v.value); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			again, err := syntax.Marshal(v.value)
			if err != nil || !bytes.Equal(again, v.octets) || len(v.of().Entries) != 1 {
				t.Errorf("%s: %x, %v", name, again, err)
			}
		}
	})
}
