package device

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"parley/client"
	"parley/content"
	"parley/policy"
	"parley/uri"
)

// Transfers moves files between this device and its provider. What is on its way lies in a directory of its own, so that it goes on
// after a crash: sealed files with what is known of them, and downloads as far as they have come. A Transfers is for one goroutine.
type Transfers struct {
	Dir   string // made when it is needed, for this user only
	Files client.Files
	// Direct fetches an asset without the hub, where the room's policy wants that; nil: that is not done.
	Direct func(ctx context.Context, url string, from uint64) (io.ReadCloser, error)
	// Limit bounds a download whose size the sender did not tell, in octets; 0 means 256 MiB.
	Limit uint64
	// Progress hears of what has moved; nil: nobody does.
	Progress func(have, size uint64)
}

// Outgoing is a file on its way to the provider. It is kept beside the sealed file until Done.
type Outgoing struct {
	Room    string           `json:"room"`
	Part    content.External `json:"part"`              // URL and Expires are set when the upload is complete
	Preview []byte           `json:"preview,omitempty"` // a small JPEG
	Upload  client.Upload    `json:"upload"`
	path    string           // of the sealed file
}

const (
	sealedSuffix = ".sealed"
	noteSuffix   = ".json"
	partSuffix   = ".part"
	tagSize      = 16
)

// Prepare encrypts a file under fresh keys and asks the provider for room. part has type, name and description.
func (t *Transfers) Prepare(ctx context.Context, room uri.Room, source string, part content.External) (*Outgoing, error) {
	if err := os.MkdirAll(t.Dir, 0o700); err != nil {
		return nil, err
	}
	var name [8]byte
	if _, err := rand.Read(name[:]); err != nil {
		return nil, err
	}
	o := &Outgoing{Room: room.String(), path: filepath.Join(t.Dir, hex.EncodeToString(name[:])+sealedSuffix)}
	sealed, err := seal(source, o.path, part)
	if err != nil {
		return nil, errors.Join(err, remove(o.path))
	}
	o.Part = sealed
	up, err := t.Files.BeginUpload(ctx, sealed.Size, 0)
	if err != nil {
		return nil, errors.Join(err, remove(o.path))
	}
	o.Upload = *up
	return o, o.save()
}

// seal copies a file to where it is encrypted in place.
func seal(source, target string, part content.External) (sealed content.External, err error) {
	in, err := os.Open(source)
	if err != nil {
		return sealed, err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	out, err := os.OpenFile(target, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return sealed, err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	size, err := io.Copy(out, in)
	if err != nil {
		return sealed, err
	}
	if err := out.Truncate(size + tagSize); err != nil {
		return sealed, err
	}
	key, nonce, err := client.NewKeys()
	if err != nil {
		return sealed, err
	}
	err = overFile(out, size+tagSize, func(octets []byte) error {
		var err error
		sealed, _, err = part.Seal(key, nonce, octets[:size])
		return err
	})
	return sealed, err
}

func (o *Outgoing) note() string { return strings.TrimSuffix(o.path, sealedSuffix) + noteSuffix }

// save writes the note in one step.
func (o *Outgoing) save() error {
	text, err := json.Marshal(o)
	if err != nil {
		return err
	}
	fresh := o.note() + ".new"
	if err := os.WriteFile(fresh, text, 0o600); err != nil {
		return err
	}
	return os.Rename(fresh, o.note())
}

// Send uploads what is not there yet. After an error that may pass it is called again, by another process too. When it returns nil,
// o.Part can be sent; Done follows when it was.
func (t *Transfers) Send(ctx context.Context, o *Outgoing) (err error) {
	f, err := os.Open(o.path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := client.SendUpload(ctx, t.Files, &o.Upload, f, t.Progress); err != nil {
		return err
	}
	o.Part.URL = o.Upload.URL
	if until := o.Upload.Expires.Unix(); until > 0 && until < 1<<32 {
		o.Part.Expires = uint32(until)
	}
	return o.save()
}

// Done forgets a file that was sent or given up.
func (t *Transfers) Done(o *Outgoing) error { return errors.Join(remove(o.note()), remove(o.path)) }

// Pending lists what an earlier process left.
func (t *Transfers) Pending() ([]*Outgoing, error) {
	notes, err := filepath.Glob(filepath.Join(t.Dir, "*"+noteSuffix))
	if err != nil {
		return nil, err
	}
	var out []*Outgoing
	for _, note := range notes {
		text, err := os.ReadFile(note)
		if err != nil {
			return nil, err
		}
		o := &Outgoing{path: strings.TrimSuffix(note, noteSuffix) + sealedSuffix}
		if err := json.Unmarshal(text, o); err != nil {
			return nil, fmt.Errorf("device: what is known of an upload: %w", err)
		}
		out = append(out, o)
	}
	return out, nil
}

func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Fetch downloads what an external part describes, in the way that client.MayFetch has found, and verifies and decrypts it. It goes on
// where an earlier attempt was cut. The file then has the name target, or one like it when that is taken, which is returned.
func (t *Transfers) Fetch(ctx context.Context, hub uri.Provider, way policy.DownloadType, e *content.External, target string) (string, error) {
	if err := e.Validate(); err != nil {
		return "", err
	}
	if err := os.MkdirAll(t.Dir, 0o700); err != nil {
		return "", err
	}
	part := filepath.Join(t.Dir, hex.EncodeToString(e.ContentHash)+partSuffix)
	if e.Hash == content.HashNone {
		return "", content.ErrUnverifiable
	}
	f, err := os.OpenFile(part, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return "", err
	}
	err = t.fill(ctx, f, hub, way, e)
	if err == nil {
		err = open(f, e)
		if err != nil {
			err = errors.Join(err, remove(part)) // wrong as it is, so that nothing of it can be used again
		}
	} else if errors.Is(err, content.ErrSize) {
		err = errors.Join(err, remove(part))
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return "", err
	}
	return give(part, target)
}

// fill downloads what the file lacks.
func (t *Transfers) fill(ctx context.Context, f *os.File, hub uri.Provider, way policy.DownloadType, e *content.External) error {
	limit := t.Limit
	if limit == 0 {
		limit = 256 << 20
	}
	if e.Size != 0 {
		limit = e.Size
	}
	have, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	if uint64(have) > limit {
		return content.ErrSize
	}
	if e.Size != 0 && uint64(have) == e.Size {
		return nil
	}
	from, err := t.source(ctx, hub, way, e.URL, uint64(have))
	if err != nil {
		return err
	}
	progress := &progressWriter{w: f, have: uint64(have), size: e.Size, tell: t.Progress}
	n, err := io.CopyBuffer(struct{ io.Writer }{progress}, io.LimitReader(from, int64(limit)-have+1), make([]byte, 256<<10))
	err = errors.Join(err, from.Close())
	switch got := uint64(have + n); {
	case got > limit:
		return content.ErrSize
	case err != nil:
		return err
	case e.Size != 0 && got < e.Size:
		return io.ErrUnexpectedEOF
	}
	return nil
}

// source opens the asset in the way that was chosen.
func (t *Transfers) source(ctx context.Context, hub uri.Provider, way policy.DownloadType, url string, from uint64) (io.ReadCloser, error) {
	switch way {
	case policy.DownloadHubProxy:
		return t.Files.FetchAsset(ctx, hub, url, from)
	case policy.DownloadOHTTP:
		return client.Oblivious(ctx, t.Files, hub, url, from)
	case policy.DownloadDirect:
		if t.Direct != nil {
			return t.Direct(ctx, url, from)
		}
	}
	return nil, client.ErrFileWay
}

type progressWriter struct {
	w          io.Writer
	have, size uint64
	tell       func(have, size uint64)
	told       time.Time // and what was told then
	toldHave   uint64
}

// tellEvery is how much, or how long, there is between two words about progress.
const (
	tellEvery = 8 << 20
	tellOften = 250 * time.Millisecond
)

func (p *progressWriter) Write(b []byte) (int, error) {
	n, err := p.w.Write(b)
	p.have += uint64(n)
	if now := time.Now(); p.tell != nil && (now.Sub(p.told) > tellOften || p.have-p.toldHave >= tellEvery || p.have == p.size) {
		p.told, p.toldHave = now, p.have
		p.tell(p.have, p.size)
	}
	return n, err
}

// open verifies the hash over all that came, and then decrypts it in place; the file is as long as the content afterwards.
func open(f *os.File, e *content.External) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	size := info.Size()
	if size == 0 {
		return content.ErrContentHash
	}
	plain := size
	err = overFile(f, size, func(octets []byte) error {
		p, err := e.Open(octets)
		plain = int64(len(p))
		return err
	})
	if err != nil {
		return err
	}
	if err := f.Truncate(plain); err != nil {
		return err
	}
	return f.Sync()
}

// give moves a verified file to its name, or to a name like it when that is taken. Nothing is replaced.
func give(part, target string) (string, error) {
	ext := filepath.Ext(target)
	stem := strings.TrimSuffix(target, ext)
	for n := range 1000 {
		name := target
		if n > 0 {
			name = fmt.Sprintf("%s (%d)%s", stem, n, ext)
		}
		taken, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return "", err
		}
		if err := taken.Close(); err != nil {
			return "", err
		}
		if err := move(part, name); err != nil {
			return "", errors.Join(err, remove(name))
		}
		return name, nil
	}
	return "", fs.ErrExist
}

// move renames, or copies where the name is on another file system.
func move(from, to string) (err error) {
	if os.Rename(from, to) == nil {
		return nil
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		return errors.Join(err, out.Close())
	}
	return errors.Join(out.Sync(), out.Close(), os.Remove(from))
}
