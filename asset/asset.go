package asset

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"io"
	"strconv"
	"time"

	"parley/mimi"
	"parley/uri"
)

// ChunkSize is the length of every chunk but the last.
const ChunkSize = 8 << 20

// Asset is a file, or as much of it as has come.
type Asset struct {
	ID      string // 32 hexadecimal digits
	Owner   uri.User
	Size    uint64
	Have    uint64 // octets that are stored
	Created time.Time
	Expires time.Time
}

// Complete tells whether all of it is there.
func (a *Asset) Complete() bool { return a.Have == a.Size }

// Tx is a transaction of the store.
type Tx interface {
	// Asset returns the record of a name.
	Asset(id string) (a Asset, found bool, err error)
	PutAsset(a Asset) error
	DropAsset(id string) error
	// Used returns how many assets a user has, and the octets that they have or will have.
	Used(owner uri.User) (count int, octets uint64, err error)
	// Expired returns assets whose time was over before a moment, the oldest first.
	Expired(before time.Time, limit int) ([]Asset, error)
	// GatewayKeys returns the keys of the gateway, the newest first. PutGatewayKeys replaces them.
	GatewayKeys() ([]GatewayKey, error)
	PutGatewayKeys(keys []GatewayKey) error
}

// Store runs transactions.
type Store struct {
	Update, View func(ctx context.Context, f func(Tx) error) error
}

// Blobs keeps octets by name. Names are lower-case letters, digits, hyphens and slashes.
type Blobs interface {
	// Put stores exactly size octets, in place of what was there; they are durable when it returns nil. When r ends early or fails,
	// nothing is stored.
	Put(ctx context.Context, name string, r io.Reader, size int64) error
	// Open reads length octets from offset on.
	Open(ctx context.Context, name string, offset, length int64) (io.ReadCloser, error)
	// Delete forgets a blob; that there is none is no error.
	Delete(ctx context.Context, name string) error
}

// Config is what an Assets is made of.
type Config struct {
	Store Store
	Blobs Blobs
	Now   func() time.Time
	// MaxSize bounds one asset, MaxOctets and MaxCount all of one user; 0 means 4 GiB + 16, 16 GiB and 10,000.
	MaxSize, MaxOctets uint64
	MaxCount           int
	// Keep is how long an asset is kept, Unfinished an upload that does not go on; 0 means 90 days and 2 days.
	Keep, Unfinished time.Duration
}

// Assets are the files of a provider's users. It is safe for concurrent use.
type Assets struct{ cfg Config }

// New makes an Assets.
func New(cfg Config) *Assets {
	if cfg.MaxSize == 0 {
		cfg.MaxSize = 4<<30 + 16
	}
	if cfg.MaxOctets == 0 {
		cfg.MaxOctets = 16 << 30
	}
	if cfg.MaxCount == 0 {
		cfg.MaxCount = 10_000
	}
	if cfg.Keep == 0 {
		cfg.Keep = 90 * 24 * time.Hour
	}
	if cfg.Unfinished == 0 {
		cfg.Unfinished = 48 * time.Hour
	}
	return &Assets{cfg}
}

// Limits are what a user should know before uploading.
func (s *Assets) Limits() (maxSize uint64, keep time.Duration) { return s.cfg.MaxSize, s.cfg.Keep }

// Begin makes room for an upload. keep asks for a shorter time than the usual one; 0 does not.
func (s *Assets) Begin(ctx context.Context, owner uri.User, size uint64, keep time.Duration) (*Asset, error) {
	if size == 0 {
		return nil, mimi.Errorf(mimi.BadRequest, "an asset has at least one octet")
	}
	if size > s.cfg.MaxSize {
		return nil, mimi.Errorf(mimi.TooLarge, "an asset has at most %d octets", s.cfg.MaxSize)
	}
	if keep <= 0 || keep > s.cfg.Keep {
		keep = s.cfg.Keep
	}
	var name [16]byte
	if _, err := rand.Read(name[:]); err != nil {
		return nil, err
	}
	now := s.cfg.Now()
	a := Asset{ID: hex.EncodeToString(name[:]), Owner: owner, Size: size, Created: now, Expires: now.Add(min(keep, s.cfg.Unfinished))}
	err := s.cfg.Store.Update(ctx, func(tx Tx) error {
		count, octets, err := tx.Used(owner)
		if err != nil {
			return err
		}
		if count >= s.cfg.MaxCount || octets+size > s.cfg.MaxOctets {
			return mimi.Errorf(mimi.OutOfStorage, "the user's space for files is used up; delete some, or wait until they expire")
		}
		return tx.PutAsset(a)
	})
	return &a, err
}

var errNone = mimi.Errorf(mimi.NotFound, "there is no such asset (any more)")

// own returns an asset of a user.
func (s *Assets) own(tx Tx, owner uri.User, id string) (Asset, error) {
	a, found, err := tx.Asset(id)
	if err != nil {
		return a, err
	}
	if !found || a.Owner != owner || !s.cfg.Now().Before(a.Expires) {
		return a, errNone
	}
	return a, nil
}

// Append stores the chunk at offset, which r gives. It answers how much is there; a chunk that is there already is not read.
func (s *Assets) Append(ctx context.Context, owner uri.User, id string, offset uint64, r io.Reader) (have uint64, err error) {
	a, err := s.Status(ctx, owner, id)
	if err != nil {
		return 0, err
	}
	size := min(ChunkSize, a.Size-min(a.Size, offset))
	switch {
	case offset%ChunkSize != 0 || size == 0:
		return a.Have, mimi.Errorf(mimi.BadRequest, "no chunk begins there")
	case offset < a.Have:
		return a.Have, nil
	case offset > a.Have:
		return a.Have, mimi.Errorf(mimi.BadRequest, "chunks before that one are missing")
	}
	if err := s.cfg.Blobs.Put(ctx, chunkName(id, offset), r, int64(size)); err != nil {
		return a.Have, err
	}
	err = s.cfg.Store.Update(ctx, func(tx Tx) error {
		a, err := s.own(tx, owner, id)
		if err != nil {
			return err
		}
		a.Have = max(a.Have, offset+size)
		keep := s.cfg.Unfinished
		if a.Complete() {
			keep = s.cfg.Keep
		}
		a.Expires = s.cfg.Now().Add(keep)
		have = a.Have
		return tx.PutAsset(a)
	})
	return have, err
}

// Status returns an asset of a user.
func (s *Assets) Status(ctx context.Context, owner uri.User, id string) (*Asset, error) {
	var a Asset
	err := s.cfg.Store.View(ctx, func(tx Tx) (err error) {
		a, err = s.own(tx, owner, id)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &a, nil
}

// Delete forgets an asset of a user.
func (s *Assets) Delete(ctx context.Context, owner uri.User, id string) error {
	a, err := s.Status(ctx, owner, id)
	if err != nil {
		return err
	}
	// From here on nobody reads it; should the blobs outlive a crash, the sweep finds the record.
	a.Expires = s.cfg.Now()
	if err := s.cfg.Store.Update(ctx, func(tx Tx) error { return tx.PutAsset(*a) }); err != nil {
		return err
	}
	return s.erase(ctx, a)
}

func (s *Assets) erase(ctx context.Context, a *Asset) error {
	for offset := uint64(0); offset < a.Size; offset += ChunkSize {
		if offset > a.Have {
			break // one chunk beyond what is counted may be there
		}
		if err := s.cfg.Blobs.Delete(ctx, chunkName(a.ID, offset)); err != nil {
			return err
		}
	}
	return s.cfg.Store.Update(ctx, func(tx Tx) error { return tx.DropAsset(a.ID) })
}

// Sweep deletes what has expired and returns how many assets that were.
func (s *Assets) Sweep(ctx context.Context) (n int, err error) {
	const batch = 64
	for {
		var list []Asset
		err := s.cfg.Store.View(ctx, func(tx Tx) (err error) {
			list, err = tx.Expired(s.cfg.Now(), batch)
			return err
		})
		if err != nil {
			return n, err
		}
		for i := range list {
			if err := s.erase(ctx, &list[i]); err != nil {
				return n, err
			}
			n++
		}
		if len(list) < batch {
			return n, nil
		}
	}
}

func chunkName(id string, offset uint64) string {
	return id[:2] + "/" + id + "-" + strconv.FormatUint(offset/ChunkSize, 10)
}

// ValidID tells whether a text has the form of an asset's name.
func ValidID(id string) bool {
	if len(id) != 32 {
		return false
	}
	for _, c := range []byte(id) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}
