package content

// Derived are the values of a message that do not travel in it (draft-ietf-mimi-content-08 §4.6), in the form in which they
// are stored or handed over with it.
type Derived struct {
	ID       MessageID
	Accepted Value // hub's accepted time: milliseconds since 1970, or an extended time (tag 1001)
	Group    []byte
	Leaf     uint32 // sender's leaf index
	Client   string // sender's client URI; empty: not known, as the next two
	User     string
	Room     string
}

const (
	derivedItems    = 7
	tagExtendedTime = 1001 // RFC 9581 §3

	// Keys of the extended time map that we read: seconds, and milliseconds to add.
	timeSeconds = 1
	timeMillis  = -3
)

// AcceptedAt is the usual form of the accepted time.
func AcceptedAt(millis uint64) Value { return Value{string(appendHead(nil, majorUint, millis))} }

// DecodeDerived reads derived values of at most 64 KiB.
func DecodeDerived(data []byte) (Derived, error) {
	if len(data) > defaultLimit {
		return Derived{}, ErrSize
	}
	r := &reader{data: data}
	var d Derived
	r.fields(derivedItems)
	r.fixed(d.ID[:])
	d.Accepted = r.acceptedTime()
	d.Group = r.bytes()
	d.Leaf = uint32(r.uint(1<<32 - 1))
	d.Client = r.text()
	d.User = r.text()
	d.Room = r.text()
	if err := r.end(); err != nil {
		return Derived{}, err
	}
	return d, nil
}

// Encode writes the values; like Message.Encode it refuses what DecodeDerived would refuse.
func (d Derived) Encode() ([]byte, error) {
	b := appendHead(nil, majorArray, derivedItems)
	b = appendBytes(b, d.ID[:])
	b = append(b, d.Accepted.encoded...)
	b = appendBytes(b, d.Group)
	b = appendHead(b, majorUint, uint64(d.Leaf))
	b = appendText(b, d.Client)
	b = appendText(b, d.User)
	b = appendText(b, d.Room)
	if _, err := DecodeDerived(b); err != nil {
		return nil, err
	}
	return b, nil
}

func (r *reader) acceptedTime() Value {
	start := r.pos
	major, _, arg := r.head()
	if r.err != nil {
		return Value{}
	}
	switch {
	case major == majorUint:
	case major == majorTag && arg == tagExtendedTime && r.left() > 0 && r.data[r.pos]>>5 == majorMap:
		r.value(2) // the tag is level 1
	default:
		r.fail(ErrShape)
	}
	if r.err != nil {
		return Value{}
	}
	return Value{string(r.data[start:r.pos])}
}

// Millis is the accepted time in milliseconds since 1970. Of an extended time it reads whole seconds and milliseconds;
// it is not found when those are missing or make no such number.
func (d Derived) Millis() (millis uint64, found bool) {
	if n, ok := d.Accepted.Uint(); ok {
		return n, true
	}
	r := &reader{data: []byte(d.Accepted.encoded)}
	r.expect(majorTag)
	n := r.expect(majorMap)
	var key int64
	r.pairs(n, func() { key = r.extensionKey().Int }, func() {
		if key != timeSeconds && key != timeMillis {
			r.value(3)
			return
		}
		part := r.uint(1 << 53) // so that the product below does not overflow
		if key == timeSeconds {
			part *= 1000
			found = true
		}
		millis += part
	})
	if r.end() != nil || !found {
		return 0, false
	}
	return millis, true
}
