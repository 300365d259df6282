package content

import (
	"bytes"
	"encoding/binary"
	"unicode/utf8"
)

// Major types of RFC 8949 §3.1.
const (
	majorUint byte = iota
	majorNegative
	majorBytes
	majorText
	majorArray
	majorMap
	majorTag
	majorSimple
)

const (
	octetFalse = 0xf4
	octetTrue  = 0xf5
	octetNull  = 0xf6
	encodedNaN = "\xf9\x7e\x00" // the only float of the profile, §6.2

	tagBignum         = 2
	tagNegativeBignum = 3

	maxKeyInt     = 1<<53 - 1 // §6.2
	maxDepth      = 4         // levels, §6.3: parts with the root as 1, extensions with their map as 1
	maxExtKeyText = 255       // octets, §6.2
)

// reader reads deterministic CBOR. The first error stays and every later step returns zero values.
type reader struct {
	data  []byte
	pos   int
	parts int // body parts so far, the multi parts counted too
	err   error
}

func (r *reader) fail(e Error) {
	if r.err == nil {
		r.err = e
	}
}

func (r *reader) left() uint64 { return uint64(len(r.data) - r.pos) }

func (r *reader) take(n uint64) []byte {
	if r.err != nil {
		return nil
	}
	if n > r.left() {
		r.fail(ErrTruncated)
		return nil
	}
	start := r.pos
	r.pos += int(n)
	return r.data[start:r.pos:r.pos]
}

// head reads an initial octet and its argument in the shortest form; info is the low five bits.
func (r *reader) head() (major, info byte, arg uint64) {
	first := r.take(1)
	if first == nil {
		return 0, 0, 0
	}
	major, info = first[0]>>5, first[0]&31
	if info < 24 {
		return major, info, uint64(info)
	}
	if info > 27 {
		r.fail(ErrCanonical) // 28..30 are not assigned, 31 is an indefinite length (§6.1)
		return 0, 0, 0
	}
	size := 1 << (info - 24)
	var wide [8]byte
	if copy(wide[8-size:], r.take(uint64(size))) < size {
		return 0, 0, 0
	}
	arg = binary.BigEndian.Uint64(wide[:])
	least := uint64(24) // that needs this many octets
	if size > 1 {
		least = 1 << (4 * size)
	}
	if major != majorSimple && arg < least {
		r.fail(ErrCanonical)
		return 0, 0, 0
	}
	return major, info, arg
}

// expect reads the head of an item that has to be of one major type.
func (r *reader) expect(want byte) uint64 {
	major, _, arg := r.head()
	if r.err == nil && major != want {
		r.fail(ErrShape)
	}
	if r.err != nil {
		return 0
	}
	return arg
}

func (r *reader) uint(most uint64) uint64 {
	n := r.expect(majorUint)
	if n > most {
		r.fail(ErrRange)
		return 0
	}
	return n
}

// bytes returns nil for an empty string, so that a decoded value equals one built without it.
func (r *reader) bytes() []byte {
	n := r.expect(majorBytes)
	if n == 0 {
		return nil
	}
	return r.take(n)
}

func (r *reader) text() string { return string(r.characters(r.expect(majorText))) }

// characters reads the n octets of a text.
func (r *reader) characters(n uint64) []byte {
	octets := r.take(n)
	if !utf8.Valid(octets) {
		r.fail(ErrUTF8)
		return nil
	}
	return octets
}

// length reads the head of an array or map. Each element takes an octet at least, so what is left bounds the claim.
func (r *reader) length(major byte) int {
	n := r.expect(major)
	if n > r.left() {
		r.fail(ErrTruncated)
		return 0
	}
	return int(n)
}

// fields reads the head of an array that has to have n elements.
func (r *reader) fields(n int) {
	if got := r.expect(majorArray); r.err == nil && got != uint64(n) {
		r.fail(ErrShape)
	}
}

func (r *reader) bool() bool {
	octet := r.take(1)
	if octet == nil {
		return false
	}
	if octet[0] != octetFalse && octet[0] != octetTrue {
		r.fail(ErrShape)
	}
	return octet[0] == octetTrue
}

// null consumes a null if that is the next item.
func (r *reader) null() bool {
	if r.err != nil || r.left() == 0 || r.data[r.pos] != octetNull {
		return false
	}
	r.pos++
	return true
}

func (r *reader) end() error {
	if r.err == nil && r.left() != 0 {
		r.fail(ErrTrailing)
	}
	return r.err
}

// value checks one item of any type of the profile; level is the one it has if it is a container (§6.3).
func (r *reader) value(level int) {
	start := r.pos
	major, info, arg := r.head()
	if r.err != nil {
		return
	}
	if level > maxDepth && (major == majorArray || major == majorMap || major == majorTag) {
		r.fail(ErrDepth)
		return
	}
	switch major {
	case majorBytes:
		r.take(arg)
	case majorText:
		r.characters(arg)
	case majorArray:
		for ; arg > 0 && r.err == nil; arg-- {
			r.value(level + 1)
		}
	case majorMap:
		r.pairs(arg, r.nestedKey, func() { r.value(level + 1) })
	case majorTag:
		if arg == tagBignum || arg == tagNegativeBignum {
			r.bignum()
			return
		}
		r.value(level + 1)
	case majorSimple:
		r.simple(start, info)
	}
}

func (r *reader) simple(start int, info byte) {
	switch {
	case info >= 20 && info <= 22: // false, true, null
	case string(r.data[start:r.pos]) == encodedNaN:
	default:
		r.fail(ErrForbidden)
	}
}

// bignum accepts only what does not fit an integer and has no leading zero (RFC 8949 §3.4.3, §4.2.1).
func (r *reader) bignum() {
	n := r.expect(majorBytes)
	octets := r.take(n)
	if r.err == nil && (len(octets) <= 8 || octets[0] == 0) {
		r.fail(ErrCanonical)
	}
}

// pairs walks n entries of a map and holds the keys to strictly ascending encodings (§6.1).
func (r *reader) pairs(n uint64, key, value func()) {
	var previous []byte
	for ; n > 0 && r.err == nil; n-- {
		start := r.pos
		key()
		if r.err != nil {
			return
		}
		current := r.data[start:r.pos]
		if order := bytes.Compare(previous, current); order == 0 {
			r.fail(ErrKey)
			return
		} else if order > 0 {
			r.fail(ErrCanonical)
			return
		}
		previous = current
		value()
	}
}

// nestedKey reads the key of a map inside an extension: integer, text or octets (§6.2).
func (r *reader) nestedKey() {
	switch major, _, arg := r.head(); major {
	case majorUint, majorNegative:
		keyInt(r, major, arg)
	case majorBytes:
		r.take(arg)
	case majorText:
		r.characters(arg)
	default:
		r.fail(ErrKey)
	}
}

// keyInt checks the range of an integer key and returns it.
func keyInt(r *reader, major byte, arg uint64) int64 {
	most := uint64(maxKeyInt)
	if major == majorNegative {
		most-- // the argument of -n is n-1
	}
	if arg > most {
		r.fail(ErrKey)
		return 0
	}
	if major == majorNegative {
		return -1 - int64(arg)
	}
	return int64(arg)
}

func appendHead(b []byte, major byte, arg uint64) []byte {
	major <<= 5
	switch {
	case arg < 24:
		return append(b, major|byte(arg))
	case arg < 1<<8:
		return append(b, major|24, byte(arg))
	case arg < 1<<16:
		return binary.BigEndian.AppendUint16(append(b, major|25), uint16(arg))
	case arg < 1<<32:
		return binary.BigEndian.AppendUint32(append(b, major|26), uint32(arg))
	}
	return binary.BigEndian.AppendUint64(append(b, major|27), arg)
}

func appendInt(b []byte, n int64) []byte {
	if n < 0 {
		return appendHead(b, majorNegative, uint64(-1-n))
	}
	return appendHead(b, majorUint, uint64(n))
}

func appendBytes(b, octets []byte) []byte {
	return append(appendHead(b, majorBytes, uint64(len(octets))), octets...)
}

func appendText(b []byte, s string) []byte {
	return append(appendHead(b, majorText, uint64(len(s))), s...)
}

func appendBool(b []byte, v bool) []byte {
	if v {
		return append(b, octetTrue)
	}
	return append(b, octetFalse)
}
