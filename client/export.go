package client

import (
	"bufio"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"

	"parley/mls"
)

// The form of what is exported: the magic, 16 octets of salt, the number of iterations (4), then pieces. A piece is its length (4) and its
// octets, sealed with AES-256-GCM; the nonce is the piece's number (11) and 1 for the last one, so that none can be left out, moved or
// cut off. The key is PBKDF2-HMAC-SHA256 of the passphrase. In the pieces stand records: length and key, length and value.
const (
	exportMagic  = "parley-export-1\n"
	exportRounds = 600_000
	leastRounds  = 100_000
	mostRounds   = 10_000_000
	exportPiece  = 64 << 10
	mostRecord   = 64 << 20
)

// Errors of exports.
var (
	ErrExport     = errors.New("client: this is no export, or it is damaged, or the passphrase is wrong")
	ErrPassphrase = errors.New("client: the passphrase is too short: at least 12 octets")
	ErrNotEmpty   = errors.New("client: the store is in use already")
	ErrMoved      = errors.New("client: the device has moved to another store")
)

const keyMoved = "moved"

// Move writes everything that a store holds, keys included, encrypted for a passphrase, and then makes the store unusable: a device's keys
// must never be used in two places, or they give away what they protect. The export is complete when Move returns nil; it should be safe
// where it is before w reports success.
func Move(ctx context.Context, from Store, w io.Writer, passphrase string) error {
	return move(ctx, from, w, passphrase, exportRounds)
}

func move(ctx context.Context, from Store, w io.Writer, passphrase string, rounds int) error {
	if err := notMoved(ctx, from); err != nil {
		return err
	}
	all, err := from.Load(ctx, "")
	if err != nil {
		return err
	}
	out, err := newExport(w, passphrase, rounds)
	if err != nil {
		return err
	}
	for _, rec := range all {
		if err := out.record(rec); err != nil {
			return err
		}
	}
	if err := out.close(); err != nil {
		return err
	}
	return from.Commit(ctx, mls.Delta{{Key: keyMoved, Value: []byte{1}}})
}

// Restore reads what Move has written into an empty store, all or nothing.
func Restore(ctx context.Context, to Store, r io.Reader, passphrase string) error {
	there, err := to.Load(ctx, "")
	if err != nil {
		return err
	}
	if len(there) > 0 {
		return ErrNotEmpty
	}
	all, err := readExport(r, passphrase)
	if err != nil {
		return err
	}
	return to.Commit(ctx, all)
}

func notMoved(ctx context.Context, s Store) error {
	records, err := s.Load(ctx, keyMoved)
	if err == nil && len(records) > 0 {
		err = ErrMoved
	}
	return err
}

// export seals records into pieces.
type export struct {
	to     io.Writer
	aead   cipher.AEAD
	number uint64
	buffer []byte
}

func exportKey(passphrase string, salt []byte, rounds int) (cipher.AEAD, error) {
	key, err := pbkdf2.Key(sha256.New, passphrase, salt, rounds, 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

func newExport(w io.Writer, passphrase string, rounds int) (*export, error) {
	if len(passphrase) < 12 {
		return nil, ErrPassphrase
	}
	head := make([]byte, len(exportMagic)+16, len(exportMagic)+20)
	copy(head, exportMagic)
	salt := head[len(exportMagic):]
	if _, err := rand.Read(salt); err != nil {
		return nil, err
	}
	aead, err := exportKey(passphrase, salt, rounds)
	if err != nil {
		return nil, err
	}
	_, err = w.Write(binary.BigEndian.AppendUint32(head, uint32(rounds)))
	return &export{to: w, aead: aead}, err
}

func (x *export) record(rec mls.Record) error {
	x.buffer = binary.AppendUvarint(x.buffer, uint64(len(rec.Key)))
	x.buffer = append(x.buffer, rec.Key...)
	x.buffer = binary.AppendUvarint(x.buffer, uint64(len(rec.Value)))
	x.buffer = append(x.buffer, rec.Value...)
	for len(x.buffer) > exportPiece {
		if err := x.piece(x.buffer[:exportPiece], false); err != nil {
			return err
		}
		x.buffer = append([]byte(nil), x.buffer[exportPiece:]...)
	}
	return nil
}

func (x *export) close() error { return x.piece(x.buffer, true) }

func exportNonce(number uint64, last bool) []byte {
	nonce := make([]byte, 12)
	binary.BigEndian.PutUint64(nonce[3:], number)
	if last {
		nonce[11] = 1
	}
	return nonce
}

func (x *export) piece(plain []byte, last bool) error {
	sealed := x.aead.Seal(nil, exportNonce(x.number, last), plain, nil)
	x.number++
	if _, err := x.to.Write(binary.BigEndian.AppendUint32(nil, uint32(len(sealed)))); err != nil {
		return err
	}
	_, err := x.to.Write(sealed)
	return err
}

// readExport opens everything before it gives anything away.
func readExport(from io.Reader, passphrase string) (mls.Delta, error) {
	r := bufio.NewReader(from)
	head := make([]byte, len(exportMagic)+20)
	if _, err := io.ReadFull(r, head); err != nil || string(head[:len(exportMagic)]) != exportMagic {
		return nil, ErrExport
	}
	salt := head[len(exportMagic) : len(exportMagic)+16]
	rounds := binary.BigEndian.Uint32(head[len(exportMagic)+16:])
	if rounds < leastRounds || rounds > mostRounds {
		return nil, ErrExport
	}
	aead, err := exportKey(passphrase, salt, int(rounds))
	if err != nil {
		return nil, err
	}
	var plain []byte
	for number := uint64(0); ; number++ {
		var size [4]byte
		if _, err := io.ReadFull(r, size[:]); err != nil {
			return nil, ErrExport
		}
		n := binary.BigEndian.Uint32(size[:])
		if n > exportPiece+64 {
			return nil, ErrExport
		}
		sealed := make([]byte, n)
		if _, err := io.ReadFull(r, sealed); err != nil {
			return nil, ErrExport
		}
		_, err := r.Peek(1)
		last := errors.Is(err, io.EOF)
		piece, err := aead.Open(nil, exportNonce(number, last), sealed, nil)
		if err != nil {
			return nil, ErrExport
		}
		plain = append(plain, piece...)
		if last {
			return parseExport(plain)
		}
	}
}

func parseExport(plain []byte) (out mls.Delta, err error) {
	next := func() ([]byte, bool) {
		n, k := binary.Uvarint(plain)
		if k <= 0 || n > mostRecord || n > uint64(len(plain)-k) {
			return nil, false
		}
		value := plain[k : k+int(n)]
		plain = plain[k+int(n):]
		return value, true
	}
	for len(plain) > 0 {
		key, ok1 := next()
		value, ok2 := next()
		if !ok1 || !ok2 {
			return nil, ErrExport
		}
		out = append(out, mls.Record{Key: string(key), Value: append([]byte{}, value...)})
	}
	return out, nil
}
