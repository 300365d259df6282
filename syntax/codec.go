package syntax

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"reflect"
	"unicode/utf8"
)

// The ways in which octets can fail to be a value. An error returned by this package wraps exactly one of them, or the error
// that a Syntax method gave to Codec.Fail.
var (
	ErrTruncated = errors.New("syntax: input ends inside a value")
	ErrTrailing  = errors.New("syntax: octets follow the value")
	ErrLength    = errors.New("syntax: vector length is not in its shortest form")
	ErrPresence  = errors.New("syntax: presence octet is neither 0 nor 1")
	ErrLimit     = errors.New("syntax: more elements than the limit allows")
	ErrTooLong   = errors.New("syntax: value is longer than a vector can be")
	ErrUTF8      = errors.New("syntax: text is not valid UTF-8")
	ErrValue     = errors.New("syntax: value is not one that the type has")
)

// MaxVector is the largest length of a vector in octets (RFC 9420 §2.1.2: two bits select, thirty count).
const MaxVector = 1<<30 - 1

// DefaultElements is the number of vector elements that one decoded value may hold in all its vectors together. Octet strings
// count as one element of the vector they stand in.
const DefaultElements = 1 << 16

// Value is a wire type: its Syntax method names its fields in wire order and is called for both directions.
//
// When decoding, Syntax is called on a zero value. When encoding it must not change the value.
type Value interface {
	Syntax(c *Codec)
}

// Limits bound what one decoding may allocate. The zero value means the defaults.
type Limits struct {
	// Elements is the number of vector elements in the whole value; 0 means DefaultElements.
	Elements int
	// Memory is the number of octets that vectors, optional values and union bodies may take in memory, what is lost by growing
	// included; 0 means no limit but the one that follows from Elements. Octet strings share the input's memory and are not counted.
	Memory int
}

// Codec carries one encoding or one decoding. It is used through the functions of this package and by one goroutine.
type Codec struct {
	decoding bool
	buf      []byte // what is decoded from, or what has been encoded so far
	off      int    // next octet to decode
	end      int    // end of the innermost vector being decoded
	elements int    // how many more vector elements may be decoded
	memory   int    // how many more octets they may take
	err      error
}

// Marshal returns the encoding of v.
func Marshal(v Value) ([]byte, error) {
	return Append(nil, v)
}

// Append appends the encoding of v to dst.
func Append(dst []byte, v Value) ([]byte, error) {
	c := Codec{buf: dst}
	v.Syntax(&c)
	if c.err != nil {
		return nil, c.err
	}
	return c.buf, nil
}

// Unmarshal decodes exactly one value from data with the default limits.
func Unmarshal(data []byte, v Value) error {
	return Limits{}.Unmarshal(data, v)
}

// Unmarshal decodes exactly one value from data.
func (l Limits) Unmarshal(data []byte, v Value) error {
	rest, err := l.UnmarshalPrefix(data, v)
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return fmt.Errorf("at octet %d: %w", len(data)-len(rest), ErrTrailing)
	}
	return nil
}

// UnmarshalPrefix decodes one value from the front of data and returns what follows it.
func (l Limits) UnmarshalPrefix(data []byte, v Value) (rest []byte, err error) {
	elements := l.Elements
	if elements == 0 {
		elements = DefaultElements
	}
	memory := l.Memory
	if memory == 0 {
		memory = math.MaxInt
	}
	c := Codec{decoding: true, buf: data, end: len(data), elements: elements, memory: memory}
	v.Syntax(&c)
	if c.err != nil {
		return nil, c.err
	}
	return data[c.off:], nil
}

// Decoding tells a Syntax method which way it is called.
func (c *Codec) Decoding() bool { return c.decoding }

// Err returns the first error, nil while all went well.
func (c *Codec) Err() error { return c.err }

// Fail records err, with the place when decoding, unless an error is recorded already.
func (c *Codec) Fail(err error) {
	if c.err != nil || err == nil {
		return
	}
	if c.decoding {
		err = fmt.Errorf("at octet %d: %w", c.off, err)
	}
	c.err = err
}

// More reports whether octets are left in the innermost vector, or in the input. It is false when encoding or after an error.
func (c *Codec) More() bool {
	return c.decoding && c.err == nil && c.off < c.end
}

// Mark returns the place reached, for a later Since.
func (c *Codec) Mark() int {
	if c.decoding {
		return c.off
	}
	return len(c.buf)
}

// Since returns the octets that were read or written after mark, sharing memory with the input or the output. It serves types
// that keep the octets which were signed or hashed.
func (c *Codec) Since(mark int) []byte {
	if c.err != nil {
		return nil
	}
	here := c.Mark()
	return c.buf[mark:here:here]
}

// take consumes n octets of the input.
func (c *Codec) take(n int) []byte {
	if c.err != nil {
		return nil
	}
	if n > c.end-c.off {
		c.Fail(ErrTruncated)
		return nil
	}
	b := c.buf[c.off : c.off+n : c.off+n]
	c.off += n
	return b
}

// U8 codes an 8-bit number of any named type.
func U8[T ~uint8](c *Codec, v *T) {
	if !c.decoding {
		c.buf = append(c.buf, byte(*v))
		return
	}
	if b := c.take(1); b != nil {
		*v = T(b[0])
	}
}

// U16 codes a 16-bit number, big-endian.
func U16[T ~uint16](c *Codec, v *T) {
	if !c.decoding {
		c.buf = binary.BigEndian.AppendUint16(c.buf, uint16(*v))
		return
	}
	if b := c.take(2); b != nil {
		*v = T(binary.BigEndian.Uint16(b))
	}
}

// U32 codes a 32-bit number, big-endian.
func U32[T ~uint32](c *Codec, v *T) {
	if !c.decoding {
		c.buf = binary.BigEndian.AppendUint32(c.buf, uint32(*v))
		return
	}
	if b := c.take(4); b != nil {
		*v = T(binary.BigEndian.Uint32(b))
	}
}

// U64 codes a 64-bit number, big-endian.
func U64[T ~uint64](c *Codec, v *T) {
	if !c.decoding {
		c.buf = binary.BigEndian.AppendUint64(c.buf, uint64(*v))
		return
	}
	if b := c.take(8); b != nil {
		*v = T(binary.BigEndian.Uint64(b))
	}
}

// Closed codes an 8-bit code of a closed set: a value outside first..last is refused in both directions.
func Closed[T ~uint8](c *Codec, v *T, first, last T) {
	U8(c, v)
	if c.err == nil && (*v < first || *v > last) {
		c.Fail(ErrValue)
	}
}

// Bool codes a truth value as one octet, 0 or 1.
func Bool(c *Codec, v *bool) {
	var b uint8
	if *v {
		b = 1
	}
	Closed(c, &b, 0, 1)
	if c.decoding {
		*v = b == 1
	}
}

// Fixed codes exactly len(b) octets; when decoding they are copied into b.
func Fixed(c *Codec, b []byte) {
	if !c.decoding {
		c.buf = append(c.buf, b...)
		return
	}
	copy(b, c.take(len(b)))
}

// Opaque codes an octet string with its length (opaque<V>). An empty string decodes to nil.
func Opaque[T ~[]byte](c *Codec, v *T) {
	if !c.decoding {
		c.appendLength(len(*v))
		c.buf = append(c.buf, *v...)
		return
	}
	n := c.readLength()
	if b := c.take(n); len(b) > 0 {
		*v = T(b)
	}
}

// Text codes a UTF-8 text as opaque<V>; invalid UTF-8 is refused in both directions.
func Text[T ~string](c *Codec, v *T) {
	if !c.decoding {
		if !utf8.ValidString(string(*v)) {
			c.Fail(ErrUTF8)
			return
		}
		c.appendLength(len(*v))
		c.buf = append(c.buf, *v...)
		return
	}
	b := c.take(c.readLength())
	if c.err != nil {
		return
	}
	if !utf8.Valid(b) {
		c.Fail(ErrUTF8)
		return
	}
	*v = T(b)
}

// Vector codes a vector with a length in octets; each codes one element. An empty vector decodes to nil.
func Vector[T any](c *Codec, v *[]T, each func(*Codec, *T)) {
	if !c.decoding {
		c.nest(func() {
			for i := range *v {
				each(c, &(*v)[i])
			}
		})
		return
	}
	c.within(func() {
		var out []T
		for c.More() {
			if c.elements--; c.elements < 0 {
				c.Fail(ErrLimit)
				return
			}
			before := c.off
			if out = grown(c, out); c.err != nil {
				return
			}
			each(c, &out[len(out)-1])
			if c.err == nil && c.off == before {
				c.Fail(ErrValue) // an element of no octets would never end
			}
		}
		if c.err == nil {
			*v = out
		}
	})
}

// firstGrowth is the number of octets that the first elements of a vector take, if so many can come.
const firstGrowth = 64

// grown returns the slice with one more zero element. Its memory is asked for before it is taken.
func grown[T any](c *Codec, out []T) []T {
	if len(out) < cap(out) {
		return out[:len(out)+1]
	}
	size := sizeOf[T]()
	more := len(out)
	if more == 0 {
		more = max(firstGrowth/max(size, 1), 1)
	}
	n := len(out) + min(more, c.end-c.off) // each element takes an octet at least
	if !c.charge(n * size) {
		return nil
	}
	next := make([]T, len(out)+1, n)
	copy(next, out)
	return next
}

// sizeOf is what a T takes in memory, without what it points to.
func sizeOf[T any]() int { return int(reflect.TypeFor[T]().Size()) }

func (c *Codec) charge(octets int) bool {
	if c.memory -= octets; c.memory < 0 {
		c.Fail(ErrLimit)
		return false
	}
	return true
}

// New returns a value to decode into, the body of a union say, counted against Limits.Memory.
func New[T any](c *Codec) *T {
	c.charge(sizeOf[T]())
	return new(T)
}

// Structs codes a vector of wire types.
func Structs[T any, P interface {
	*T
	Value
}](c *Codec, v *[]T) {
	Vector(c, v, func(c *Codec, t *T) { P(t).Syntax(c) })
}

// Opaques codes a vector of octet strings.
func Opaques[T ~[]byte](c *Codec, v *[]T) { Vector(c, v, Opaque[T]) }

// Texts codes a vector of texts.
func Texts[T ~string](c *Codec, v *[]T) { Vector(c, v, Text[T]) }

// U16s codes a vector of 16-bit numbers.
func U16s[T ~uint16](c *Codec, v *[]T) { Vector(c, v, U16[T]) }

// U32s codes a vector of 32-bit numbers.
func U32s[T ~uint32](c *Codec, v *[]T) { Vector(c, v, U32[T]) }

// Optional codes optional<T>: a presence octet, then the value. An absent value is a nil pointer.
func Optional[T any](c *Codec, v **T, each func(*Codec, *T)) {
	var present uint8
	if !c.decoding && *v != nil {
		present = 1
	}
	U8(c, &present)
	if c.err != nil {
		return
	}
	switch present {
	case 0:
		return
	case 1:
	default:
		c.Fail(ErrPresence)
		return
	}
	if c.decoding {
		if *v = New[T](c); c.err != nil {
			return
		}
	}
	each(c, *v)
}

// OptionalStruct codes optional<T> of a wire type.
func OptionalStruct[T any, P interface {
	*T
	Value
}](c *Codec, v **T) {
	Optional(c, v, func(c *Codec, t *T) { P(t).Syntax(c) })
}

// Sized codes one value inside a length of its own, as if it were the only content of an opaque<V>. Trailing octets inside are
// refused.
func Sized(c *Codec, each func(*Codec)) {
	if !c.decoding {
		c.nest(func() { each(c) })
		return
	}
	c.within(func() {
		each(c)
		if c.err == nil && c.off != c.end {
			c.Fail(ErrTrailing)
		}
	})
}

// nest writes what f writes, preceded by its length in octets.
func (c *Codec) nest(f func()) {
	start := len(c.buf)
	f()
	if c.err != nil {
		return
	}
	n := len(c.buf) - start
	if n > MaxVector {
		c.Fail(ErrTooLong)
		return
	}
	head := lengthSize(n)
	c.buf = append(c.buf, make([]byte, head)...)
	copy(c.buf[start+head:], c.buf[start:start+n])
	putLength(c.buf[start:start+head], n)
}

// within reads a length and runs f with the input cut to it.
func (c *Codec) within(f func()) {
	n := c.readLength()
	if c.err != nil {
		return
	}
	if n > c.end-c.off {
		c.Fail(ErrTruncated)
		return
	}
	outer := c.end
	c.end = c.off + n
	f()
	c.end = outer
}

func (c *Codec) appendLength(n int) {
	if n > MaxVector {
		c.Fail(ErrTooLong)
		return
	}
	var head [4]byte
	size := lengthSize(n)
	putLength(head[:size], n)
	c.buf = append(c.buf, head[:size]...)
}

// readLength reads a variable-size length (RFC 9420 §2.1.2) and refuses one that is longer than it needs to be.
func (c *Codec) readLength() int {
	first := c.take(1)
	if first == nil {
		return 0
	}
	size := 1 << (first[0] >> 6)
	if size == 8 {
		c.Fail(ErrLength)
		return 0
	}
	n := int(first[0] & 0x3f)
	for _, b := range c.take(size - 1) {
		n = n<<8 | int(b)
	}
	if c.err == nil && lengthSize(n) != size {
		c.Fail(ErrLength)
	}
	if c.err != nil {
		return 0
	}
	return n
}

func lengthSize(n int) int {
	switch {
	case n < 1<<6:
		return 1
	case n < 1<<14:
		return 2
	}
	return 4
}

func putLength(b []byte, n int) {
	switch len(b) {
	case 1:
		b[0] = byte(n)
	case 2:
		binary.BigEndian.PutUint16(b, uint16(n)|0x4000)
	case 4:
		binary.BigEndian.PutUint32(b, uint32(n)|0x80000000)
	}
}
