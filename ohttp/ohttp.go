package ohttp

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hpke"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
)

// Media types of what is sent (RFC 9458 §9).
const (
	TypeKeys     = "application/ohttp-keys"
	TypeRequest  = "message/ohttp-req"
	TypeResponse = "message/ohttp-res"
)

// The algorithms that are used: what every implementation has. Others are passed over.
const (
	kemX25519     uint16 = 0x0020 // DHKEM(X25519, HKDF-SHA256)
	kdfSHA256     uint16 = 0x0001 // HKDF-SHA256
	aeadAES128GCM uint16 = 0x0001

	encapsulated = 32 // octets of an encapsulated key
	keySize      = 16
	nonceSize    = 12
	headerSize   = 7

	labelRequest  = "message/bhttp request"
	labelResponse = "message/bhttp response"
)

var (
	// ErrKeys means that a key configuration cannot be used.
	ErrKeys = errors.New("ohttp: no usable key configuration")
	// ErrUnknownKey means that a request is for a key that the gateway does not have.
	ErrUnknownKey = errors.New("ohttp: unknown key")
	// ErrOpen means that a message does not decrypt.
	ErrOpen = errors.New("ohttp: message does not decrypt")
)

// Key is a gateway's key pair with its number.
type Key struct {
	ID   uint8
	pair hpke.PrivateKey
}

// NewKey makes a key.
func NewKey(id uint8) (*Key, error) {
	kem, err := hpke.NewKEM(kemX25519)
	if err != nil {
		return nil, err
	}
	pair, err := kem.GenerateKey()
	if err != nil {
		return nil, err
	}
	return &Key{id, pair}, nil
}

// LoadKey reads what Secret wrote.
func LoadKey(id uint8, secret []byte) (*Key, error) {
	kem, err := hpke.NewKEM(kemX25519)
	if err != nil {
		return nil, err
	}
	pair, err := kem.NewPrivateKey(secret)
	if err != nil {
		return nil, ErrKeys
	}
	return &Key{id, pair}, nil
}

// Secret is the private key, to be kept.
func (k *Key) Secret() ([]byte, error) { return k.pair.Bytes() }

// Configuration is the key as clients get it (§3.1).
func (k *Key) Configuration() []byte {
	b := binary.BigEndian.AppendUint16([]byte{k.ID}, kemX25519)
	b = append(b, k.pair.PublicKey().Bytes()...)
	b = binary.BigEndian.AppendUint16(b, 4)
	b = binary.BigEndian.AppendUint16(b, kdfSHA256)
	return binary.BigEndian.AppendUint16(b, aeadAES128GCM)
}

// Keys is the form in which configurations are served, the preferred one first (§3.2).
func Keys(keys ...*Key) []byte {
	var b []byte
	for _, k := range keys {
		c := k.Configuration()
		b = append(binary.BigEndian.AppendUint16(b, uint16(len(c))), c...)
	}
	return b
}

// Recipient is a gateway's key as a client knows it.
type Recipient struct {
	ID     uint8
	public hpke.PublicKey
}

// ParseKeys returns the first configuration that can be used (§3.2).
func ParseKeys(b []byte) (*Recipient, error) {
	for len(b) >= 2 {
		n := int(binary.BigEndian.Uint16(b))
		if len(b) < 2+n {
			return nil, ErrKeys
		}
		if r, err := parseConfiguration(b[2 : 2+n]); err == nil {
			return r, nil
		}
		b = b[2+n:]
	}
	return nil, ErrKeys
}

func parseConfiguration(b []byte) (*Recipient, error) {
	const fixed = 3 + encapsulated + 2
	if len(b) < fixed || binary.BigEndian.Uint16(b[1:]) != kemX25519 {
		return nil, ErrKeys
	}
	suites := b[fixed:]
	if n := int(binary.BigEndian.Uint16(b[fixed-2:])); n != len(suites) || n%4 != 0 {
		return nil, ErrKeys
	}
	for ; len(suites) > 0; suites = suites[4:] {
		if binary.BigEndian.Uint16(suites) != kdfSHA256 || binary.BigEndian.Uint16(suites[2:]) != aeadAES128GCM {
			continue
		}
		kem, err := hpke.NewKEM(kemX25519)
		if err != nil {
			return nil, err
		}
		public, err := kem.NewPublicKey(b[3 : 3+encapsulated])
		if err != nil {
			return nil, ErrKeys
		}
		return &Recipient{b[0], public}, nil
	}
	return nil, ErrKeys
}

func header(id uint8) []byte {
	b := binary.BigEndian.AppendUint16([]byte{id}, kemX25519)
	b = binary.BigEndian.AppendUint16(b, kdfSHA256)
	return binary.BigEndian.AppendUint16(b, aeadAES128GCM)
}

// info binds a request to the header (§4.3).
func info(header []byte) []byte { return append([]byte(labelRequest+"\x00"), header...) }

// exporter is either side's HPKE context.
type exporter interface {
	Export(label string, length int) ([]byte, error)
}

// Answer opens, or makes, the answer to one request.
type Answer struct {
	secret []byte
	enc    []byte
}

// Encapsulate encrypts a request for a gateway (§4.3).
func (r *Recipient) Encapsulate(request []byte) (message []byte, answer *Answer, err error) {
	head := header(r.ID)
	enc, sender, err := hpke.NewSender(r.public, hpke.HKDFSHA256(), hpke.AES128GCM(), info(head))
	if err != nil {
		return nil, nil, err
	}
	sealed, err := sender.Seal(nil, request)
	if err != nil {
		return nil, nil, err
	}
	answer, err = newAnswer(sender, enc)
	return append(append(head, enc...), sealed...), answer, err
}

// Decapsulate opens a request with the key that it is for. ErrUnknownKey: none of the keys is.
func Decapsulate(message []byte, keys ...*Key) (request []byte, answer *Answer, err error) {
	if len(message) < headerSize+encapsulated {
		return nil, nil, ErrOpen
	}
	head := message[:headerSize]
	for _, k := range keys {
		if string(head) != string(header(k.ID)) {
			continue
		}
		enc := message[headerSize : headerSize+encapsulated]
		recipient, err := hpke.NewRecipient(enc, k.pair, hpke.HKDFSHA256(), hpke.AES128GCM(), info(head))
		if err != nil {
			return nil, nil, ErrOpen
		}
		request, err := recipient.Open(nil, message[headerSize+encapsulated:])
		if err != nil {
			return nil, nil, ErrOpen
		}
		answer, err := newAnswer(recipient, enc)
		return request, answer, err
	}
	return nil, nil, ErrUnknownKey
}

func newAnswer(of exporter, enc []byte) (*Answer, error) {
	secret, err := of.Export(labelResponse, keySize)
	if err != nil {
		return nil, err
	}
	return &Answer{secret, append([]byte(nil), enc...)}, nil
}

// Seal makes the answer (§4.4).
func (a *Answer) Seal(response []byte) ([]byte, error) {
	var random [keySize]byte
	if _, err := rand.Read(random[:]); err != nil {
		return nil, err
	}
	return a.seal(random, response)
}

func (a *Answer) seal(random [keySize]byte, response []byte) ([]byte, error) {
	aead, nonce, err := a.keys(random[:])
	if err != nil {
		return nil, err
	}
	out := append(make([]byte, 0, keySize+len(response)+aead.Overhead()), random[:]...)
	return aead.Seal(out, nonce, response, nil), nil
}

// Open reads the answer.
func (a *Answer) Open(message []byte) ([]byte, error) {
	if len(message) < keySize {
		return nil, ErrOpen
	}
	aead, nonce, err := a.keys(message[:keySize])
	if err != nil {
		return nil, err
	}
	response, err := aead.Open(nil, nonce, message[keySize:], nil)
	if err != nil {
		return nil, ErrOpen
	}
	return response, nil
}

func (a *Answer) keys(random []byte) (aead cipher.AEAD, nonce []byte, err error) {
	salt := append(append([]byte(nil), a.enc...), random...)
	prk, err := hkdf.Extract(sha256.New, a.secret, salt)
	if err != nil {
		return nil, nil, err
	}
	key, err := hkdf.Expand(sha256.New, prk, "key", keySize)
	if err != nil {
		return nil, nil, err
	}
	if nonce, err = hkdf.Expand(sha256.New, prk, "nonce", nonceSize); err != nil {
		return nil, nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, nil, err
	}
	aead, err = cipher.NewGCM(block)
	return aead, nonce, err
}
