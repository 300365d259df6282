package client

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"parley/content"
	"parley/ohttp"
	"parley/policy"
	"parley/uri"
)

// Files is what the device's own provider does with files.
type Files interface {
	FileLimits(ctx context.Context) (*FileLimits, error)
	// BeginUpload makes room for size octets, for keep at most where that is not 0.
	BeginUpload(ctx context.Context, size uint64, keep time.Duration) (*Upload, error)
	UploadStatus(ctx context.Context, id string) (*Upload, error)
	// PutChunk stores the chunk at offset: octets are Upload.Chunk long, or the rest. What is there already may be sent again.
	PutChunk(ctx context.Context, id string, offset uint64, octets []byte) (*Upload, error)
	DeleteUpload(ctx context.Context, id string) error
	// FetchAsset reads an asset from an offset on: the own provider gives its own ones, and lets the hub fetch others.
	FetchAsset(ctx context.Context, hub uri.Provider, url string, from uint64) (io.ReadCloser, error)
	// ObliviousKeys returns the key configurations of the hub's gateway, Relay lets the own provider relay a request to it.
	ObliviousKeys(ctx context.Context, hub uri.Provider) ([]byte, error)
	Relay(ctx context.Context, hub uri.Provider, message []byte) ([]byte, error)
}

// FileLimits is what the own provider allows.
type FileLimits struct {
	MaxSize uint64 // octets of one file, encrypted
	Keep    time.Duration
	Hosts   []string // where the files will lie
}

// Upload is how an upload stands. It is complete when Have is Size.
type Upload struct {
	ID, URL           string
	Size, Have, Chunk uint64
	Expires           time.Time
}

// Errors of files.
var (
	ErrFileExpired = errors.New("client: the file has expired")
	ErrFileType    = errors.New("client: the room allows no files of that type")
	ErrFileSize    = errors.New("client: the file is larger than the room allows")
	ErrFileHost    = errors.New("client: the room's policy does not allow that place for files")
	ErrFileURL     = errors.New("client: the file's URL is refused")
	ErrFileWay     = errors.New("client: no allowed way of downloading is there")
	// ErrFileMissing means that nobody has the file any more.
	ErrFileMissing = errors.New("client: the file is not there (any more)")
)

// AssetPolicy is the room's policy for files; nil when it has none.
func (r *Room) AssetPolicy() (*policy.AssetPolicy, error) {
	if r.group == nil {
		return nil, ErrNoRoom
	}
	return decodeAssetPolicy(r.group.Public().Component(policy.AssetComponent))
}

// NewKeys makes the key and nonce of one file (C-XP-07).
func NewKeys() (key [16]byte, nonce [12]byte, err error) {
	if _, err = rand.Read(key[:]); err == nil {
		_, err = rand.Read(nonce[:])
	}
	return key, nonce, err
}

// MaySend checks a file, before it is encrypted, against the room's policy: its type, its size and where the own provider keeps files
// (C-XP-15, P-PD-07). p may be nil.
func MaySend(p *policy.AssetPolicy, own uri.User, hub uri.Provider, mediaType string, size uint64, hosts []string) error {
	if p == nil {
		return nil
	}
	if err := allowed(p, mediaType, size); err != nil {
		return err
	}
	if p.Location == policy.UploadHub && own.Provider() != hub {
		return ErrFileHost // our provider takes no files for a hub
	}
	for _, h := range hosts {
		if destination(p, own.Provider(), hub, h) {
			return nil
		}
	}
	return ErrFileHost
}

// MayFetch checks an external part of a message against the room's policy and tells how it is to be fetched (C-XP-14, C-XP-15, P-PD-08,
// P-PD-09). p may be nil: then the hub's proxy is used, which has its own list of hosts.
func MayFetch(p *policy.AssetPolicy, sender uri.User, hub uri.Provider, e *content.External, now time.Time) (policy.DownloadType, error) {
	if err := e.Validate(); err != nil {
		return 0, err
	}
	if e.Invalid(now) {
		return 0, ErrFileExpired
	}
	u, err := url.Parse(e.URL)
	if err != nil || u.User != nil || u.Host == "" || u.Opaque != "" || u.Fragment != "" {
		return 0, ErrFileURL
	}
	if p == nil {
		return policy.DownloadHubProxy, onlyHTTPS(u)
	}
	if err := allowed(p, e.ContentType, e.Size); err != nil {
		return 0, err
	}
	if !destination(p, sender.Provider(), hub, u.Host) {
		return 0, ErrFileHost
	}
	if p.Default == policy.DownloadDirect {
		if u.Scheme != "https" && u.Scheme != "http" { // C-XP-10
			return 0, ErrFileURL
		}
		return p.Default, nil
	}
	return p.Default, onlyHTTPS(u)
}

func onlyHTTPS(u *url.URL) error {
	if u.Scheme != "https" {
		return ErrFileURL
	}
	return nil
}

// destination tells whether the policy lets a provider's users upload to a host, named with or without its port (R-AST-03).
func destination(p *policy.AssetPolicy, of, hub uri.Provider, host string) bool {
	if p.Location == policy.UploadUnspecified {
		return true
	}
	if p.Location == policy.UploadHub {
		of = hub
	}
	host = strings.ToLower(host)
	bare, _, _ := strings.Cut(host, ":")
	for _, d := range p.Domains {
		if domainOf(d.Provider) != of.Domain() {
			continue
		}
		for _, h := range d.Destinations {
			if h = strings.ToLower(h); h == host || h == bare {
				return true
			}
		}
	}
	return false
}

// domainOf reads a provider that is written as URI or as domain.
func domainOf(text string) string {
	if p, err := uri.ParseProvider(text); err == nil {
		return p.Domain()
	}
	return strings.ToLower(text)
}

// allowed checks type and size (R-AST-05, R-AST-06). A size of 0 is not known and is bounded when it is read.
func allowed(p *policy.AssetPolicy, mediaType string, size uint64) error {
	if !mediaAllowed(p, mediaType) {
		return ErrFileType
	}
	if size > MostOctets(p, mediaType) {
		return ErrFileSize
	}
	return nil
}

// MostOctets is the size that the policy allows a file of a type.
func MostOctets(p *policy.AssetPolicy, mediaType string) uint64 {
	if p == nil {
		return 1<<63 - 1
	}
	class, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(mediaType)), "/")
	switch class {
	case "image":
		return p.MaxImage
	case "audio":
		return p.MaxAudio
	case "video":
		return p.MaxVideo
	}
	return p.MaxAttachment
}

// SendUpload uploads what is sealed, from where an earlier attempt was cut. progress hears of every chunk; nil: nobody does. When the
// context ends, or the provider cannot be reached, the upload can be continued with the same arguments.
func SendUpload(ctx context.Context, files Files, up *Upload, sealed io.ReaderAt, progress func(have, size uint64)) error {
	state, err := files.UploadStatus(ctx, up.ID)
	if err != nil {
		return err
	}
	*up = *state
	if up.Chunk == 0 || up.Chunk > 64<<20 {
		return fmt.Errorf("client: the provider wants chunks of %d octets", up.Chunk)
	}
	buffer := make([]byte, min(up.Chunk, up.Size))
	for up.Have < up.Size {
		n := min(up.Chunk, up.Size-up.Have)
		if _, err := sealed.ReadAt(buffer[:n], int64(up.Have)); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		state, err := files.PutChunk(ctx, up.ID, up.Have, buffer[:n])
		if err != nil {
			return err
		}
		if state.Have <= up.Have || state.Have > up.Size {
			return fmt.Errorf("client: the provider lost track of the upload")
		}
		up.Have = state.Have
		if progress != nil {
			progress(up.Have, up.Size)
		}
	}
	return nil
}

// capsulePart is how much is asked for in one oblivious request.
const capsulePart = 4 << 20

// Oblivious reads an asset from an offset on through Oblivious HTTP: the own provider relays, the hub's gateway fetches, and neither
// learns what the other knows. The asset comes in parts.
func Oblivious(ctx context.Context, files Files, hub uri.Provider, target string, from uint64) (io.ReadCloser, error) {
	u, err := url.Parse(target)
	if err != nil {
		return nil, ErrFileURL
	}
	keys, err := files.ObliviousKeys(ctx, hub)
	if err != nil {
		return nil, err
	}
	recipient, err := ohttp.ParseKeys(keys)
	if err != nil {
		return nil, err
	}
	r := &obliviousReader{ctx: ctx, files: files, hub: hub, recipient: recipient, at: from,
		request: ohttp.Request{Method: "GET", Scheme: "https", Authority: u.Host, Path: u.RequestURI()}}
	if err := r.more(); err != nil {
		return nil, err
	}
	return r, nil
}

type obliviousReader struct {
	ctx       context.Context
	files     Files
	hub       uri.Provider
	recipient *ohttp.Recipient
	request   ohttp.Request
	at        uint64
	part      bytes.Reader
	ended     bool
}

func (r *obliviousReader) Close() error { return nil }

func (r *obliviousReader) Read(p []byte) (int, error) {
	for r.part.Len() == 0 {
		if r.ended {
			return 0, io.EOF
		}
		if err := r.more(); err != nil {
			return 0, err
		}
	}
	return r.part.Read(p)
}

// more fetches the next part.
func (r *obliviousReader) more() error {
	request := r.request
	request.Header = []ohttp.Field{{Name: "range", Value: fmt.Sprintf("bytes=%d-%d", r.at, r.at+capsulePart-1)}}
	message, answer, err := r.recipient.Encapsulate(request.Encode())
	if err != nil {
		return err
	}
	sealed, err := r.files.Relay(r.ctx, r.hub, message)
	if err != nil {
		return err
	}
	octets, err := answer.Open(sealed)
	if err != nil {
		return err
	}
	response, err := ohttp.DecodeResponse(octets)
	if err != nil {
		return err
	}
	switch response.Status {
	case 206:
		var first, last, size uint64
		if _, err := fmt.Sscanf(ohttp.Get(response.Header, "content-range"), "bytes %d-%d/%d", &first, &last, &size); err != nil ||
			first != r.at || last-first+1 != uint64(len(response.Content)) {
			return fmt.Errorf("client: the gateway answered with another range")
		}
		r.ended = last+1 >= size
	case 200: // all of it, from a host that knows no ranges
		if r.at != 0 {
			return fmt.Errorf("client: the asset's host knows no ranges")
		}
		r.ended = true
	case 404, 410:
		return ErrFileMissing
	case 403:
		return ErrFileHost
	case 416:
		r.ended = true
		return nil
	case 502, 503, 504:
		return &RetryError{Waiting: r.hub.Domain(), Err: fmt.Errorf("client: the gateway answered %d", response.Status)}
	default:
		return fmt.Errorf("client: the gateway answered %d", response.Status)
	}
	r.at += uint64(len(response.Content))
	r.part.Reset(response.Content)
	return nil
}
