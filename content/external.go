package content

import "strings"

// Algorithm numbers of external parts: AEADs are those of the IANA AEAD registry, hashes those of the named information
// registry (draft-ietf-mimi-content-08 §4.5).
const (
	AEADNone      uint16 = 0
	AEADAES128GCM uint16 = 1
	AEADAES256GCM uint16 = 2

	HashNone   uint8 = 0
	HashSHA256 uint8 = 1
	HashSHA384 uint8 = 7
	HashSHA512 uint8 = 8
)

// External is content that lies at a URL (§4.5).
type External struct {
	ContentType string
	URL         string
	Expires     uint32 // seconds since 1970 after which the content is invalid; 0: never
	Size        uint64 // octets at the URL, encrypted as they are (A-C19); a hint, 0: unknown
	AEAD        uint16 // AEADNone: not encrypted, and Key, Nonce and AAD are empty
	Key         []byte
	Nonce       []byte
	AAD         []byte
	Hash        uint8
	ContentHash []byte // over the octets at the URL, the AEAD tag included (A-C18)
	Description string
	Filename    string // a suggestion of the sender: see SafeFilename
}

func (External) cardinality() uint64 { return cardinalityExternal }
func (External) items() uint64       { return itemsExternal }

func (e External) size() int {
	return 64 + len(e.ContentType) + len(e.URL) + len(e.Key) + len(e.Nonce) + len(e.AAD) + len(e.ContentHash) +
		len(e.Description) + len(e.Filename)
}

func (e External) append(b []byte) []byte {
	b = appendText(b, e.ContentType)
	b = appendText(b, e.URL)
	b = appendHead(b, majorUint, uint64(e.Expires))
	b = appendHead(b, majorUint, e.Size)
	b = appendHead(b, majorUint, uint64(e.AEAD))
	b = appendBytes(b, e.Key)
	b = appendBytes(b, e.Nonce)
	b = appendBytes(b, e.AAD)
	b = appendHead(b, majorUint, uint64(e.Hash))
	b = appendBytes(b, e.ContentHash)
	b = appendText(b, e.Description)
	return appendText(b, e.Filename)
}

func (r *reader) external() External {
	e := External{
		ContentType: r.text(),
		URL:         r.text(),
		Expires:     uint32(r.uint(1<<32 - 1)),
		Size:        r.uint(1<<64 - 1),
		AEAD:        uint16(r.uint(1<<16 - 1)),
		Key:         r.bytes(),
		Nonce:       r.bytes(),
		AAD:         r.bytes(),
		Hash:        uint8(r.uint(255)),
		ContentHash: r.bytes(),
		Description: r.text(),
		Filename:    r.text(),
	}
	if r.err == nil && !e.keysFit() {
		r.fail(ErrExternal)
	}
	return e
}

func (e External) keysFit() bool {
	switch e.AEAD {
	case AEADNone:
		return len(e.Key)+len(e.Nonce)+len(e.AAD) == 0
	case AEADAES128GCM:
		return len(e.Key) == 16 && len(e.Nonce) == 12
	case AEADAES256GCM:
		return len(e.Key) == 32 && len(e.Nonce) == 12
	}
	return true // an algorithm we do not know: kept, and not fetched
}

// Validate tells whether the content can be fetched and verified: an absolute URL, and a hash that fits its algorithm.
// Encrypted content has to have a hash (A-C20).
func (e External) Validate() error {
	if !absolute(e.URL) {
		return ErrURL
	}
	length := -1
	switch e.Hash {
	case HashNone:
		length = 0
	case HashSHA256:
		length = 32
	case HashSHA384:
		length = 48
	case HashSHA512:
		length = 64
	}
	if len(e.ContentHash) != length || e.Hash == HashNone && e.AEAD != AEADNone {
		return ErrUnverifiable
	}
	return nil
}

// absolute reports whether s starts with a scheme (RFC 3986 §3.1) and goes on.
func absolute(s string) bool {
	scheme, rest, found := strings.Cut(s, ":")
	if !found || rest == "" || scheme == "" {
		return false
	}
	for n, c := range []byte(scheme) {
		letter := c|0x20 >= 'a' && c|0x20 <= 'z'
		if !letter && (n == 0 || (c < '0' || c > '9') && c != '+' && c != '-' && c != '.') {
			return false
		}
	}
	return true
}
