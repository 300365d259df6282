package content

import (
	"bytes"
	"slices"
)

// Keys of the registered extensions (draft-ietf-mimi-content-08 §8.2.1). Key 0 is reserved.
const (
	KeySender = 1 // user URI of the sender, text
	KeyRoom   = 2 // room URI, text
)

// Key is the key of an extension: Text when that is not empty (1 to 255 octets), otherwise Int within ±(2^53−1).
type Key struct {
	Int  int64
	Text string
}

// Extension is one entry of the extensions map.
type Extension struct {
	Key   Key
	Value Value
}

// Value is one CBOR item of the profile of §6, kept as its encoding. Values are comparable. The zero Value is invalid.
type Value struct{ encoded string }

// Entry is one entry of a map inside an extension; its key is an integer, a text or octets.
type Entry struct{ Key, Value Value }

// ParseValue reads one encoded item that could stand as the value of an extension.
func ParseValue(encoded []byte) (Value, error) {
	r := &reader{data: encoded}
	r.value(2) // the extensions map is level 1
	if err := r.end(); err != nil {
		return Value{}, err
	}
	return Value{string(encoded)}, nil
}

// IntValue is an integer.
func IntValue(n int64) Value { return Value{string(appendInt(nil, n))} }

// TextValue is a text, which has to be UTF-8.
func TextValue(s string) Value { return Value{string(appendText(nil, s))} }

// BytesValue is an octet string.
func BytesValue(b []byte) Value { return Value{string(appendBytes(nil, b))} }

// BoolValue is false or true.
func BoolValue(v bool) Value { return Value{string(appendBool(nil, v))} }

// NullValue is null.
func NullValue() Value { return Value{string([]byte{octetNull})} }

// ArrayValue is an array.
func ArrayValue(items ...Value) Value {
	b := appendHead(nil, majorArray, uint64(len(items)))
	for _, v := range items {
		b = append(b, v.encoded...)
	}
	return Value{string(b)}
}

// MapValue is a map; the entries are put in the order of the encoding.
func MapValue(entries ...Entry) Value {
	entries = slices.Clone(entries)
	slices.SortFunc(entries, func(x, y Entry) int { return bytes.Compare([]byte(x.Key.encoded), []byte(y.Key.encoded)) })
	b := appendHead(nil, majorMap, uint64(len(entries)))
	for _, e := range entries {
		b = append(append(b, e.Key.encoded...), e.Value.encoded...)
	}
	return Value{string(b)}
}

// TagValue is a tagged item.
func TagValue(tag uint64, v Value) Value {
	return Value{string(append(appendHead(nil, majorTag, tag), v.encoded...))}
}

// Encoded is the item in CBOR.
func (v Value) Encoded() []byte { return []byte(v.encoded) }

// Text is the content of a text item.
func (v Value) Text() (string, bool) {
	r := &reader{data: []byte(v.encoded)}
	s := r.text()
	return s, r.end() == nil
}

// Uint is the content of an unsigned integer item.
func (v Value) Uint() (uint64, bool) {
	r := &reader{data: []byte(v.encoded)}
	n := r.expect(majorUint)
	return n, r.end() == nil
}

func (k Key) append(b []byte) []byte {
	if k.Text != "" {
		return appendText(b, k.Text)
	}
	return appendInt(b, k.Int)
}

func appendExtensions(b []byte, list []Extension) []byte {
	order := func(x, y Extension) int {
		var bufX, bufY [16]byte
		return bytes.Compare(x.Key.append(bufX[:0]), y.Key.append(bufY[:0]))
	}
	if !slices.IsSortedFunc(list, order) {
		list = slices.Clone(list)
		slices.SortFunc(list, order)
	}
	b = appendHead(b, majorMap, uint64(len(list)))
	for _, e := range list {
		b = append(e.Key.append(b), e.Value.encoded...)
	}
	return b
}

func (r *reader) extensions() []Extension {
	n := r.length(majorMap)
	var list []Extension
	var key Key
	r.pairs(uint64(n), func() { key = r.extensionKey() }, func() {
		start := r.pos
		r.value(2)
		if r.err != nil {
			return
		}
		v := Value{string(r.data[start:r.pos])}
		if key == (Key{Int: KeySender}) || key == (Key{Int: KeyRoom}) {
			if v.encoded[0]>>5 != majorText {
				r.fail(ErrShape)
			}
		}
		list = append(list, Extension{key, v})
	})
	return list
}

func (r *reader) extensionKey() Key {
	major, _, arg := r.head()
	switch major {
	case majorUint, majorNegative:
		return Key{Int: keyInt(r, major, arg)}
	case majorText:
		if arg == 0 || arg > maxExtKeyText {
			r.fail(ErrKey)
			return Key{}
		}
		return Key{Text: string(r.characters(arg))}
	}
	r.fail(ErrKey)
	return Key{}
}
