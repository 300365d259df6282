package provider

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"parley/asset"
	"parley/clientapi/api"
	"parley/clientapi/server"
	"parley/identity"
	"parley/mimi"
	"parley/mimihttp"
	"parley/ohttp"
	"parley/uri"
)

// Files is how a provider keeps the files of its users.
type Files struct {
	// Blobs keeps the octets; nil: there are no files, neither own ones nor those of peers.
	Blobs asset.Blobs
	// Hosts are the own asset domains, "host" or "host:port", the one for new files first; empty: the directory's authority. Whatever
	// they are, they lead to the federation listener.
	Hosts []string
	// MaxSize bounds one file, Quota those of one user, in octets; Keep is how long a file is kept. 0 means the usual of package asset.
	MaxSize, Quota uint64
	Keep           time.Duration
}

// files are the provider's files and how it fetches those of others.
type files struct {
	assets *asset.Assets
	served *mimihttp.Files
	hosts  []string
}

// newFiles makes the files; nil when there are none.
func (p *Provider) newFiles(authority string) *files {
	cfg := p.cfg.Files
	if cfg.Blobs == nil {
		return nil
	}
	f := &files{hosts: cfg.Hosts, assets: asset.New(asset.Config{
		Store: p.cfg.Store.Assets, Blobs: cfg.Blobs, Now: p.cfg.Now, MaxSize: cfg.MaxSize, MaxOctets: cfg.Quota, Keep: cfg.Keep,
	})}
	if len(f.hosts) == 0 {
		f.hosts = []string{authority}
	}
	fetch := mimihttp.FetcherConfig{Own: f.hosts, Local: f, Now: p.cfg.Now, Log: p.log}
	for _, peer := range p.cfg.Peers {
		fetch.Peers = append(fetch.Peers, mimihttp.AssetPeer{Provider: peer.Provider, Hosts: peer.AssetHosts, Address: peer.Address,
			Roots: peer.Trust.Roots})
	}
	f.served = &mimihttp.Files{Fetcher: mimihttp.NewFetcher(fetch), Assets: f, Keys: f.assets.Keys}
	return f
}

// ServeHTTP gives an own asset to whoever knows its name: ranges and conditions included, and nothing that a browser would show.
func (f *files) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	content, err := f.assets.Open(r.Context(), strings.TrimPrefix(r.URL.EscapedPath(), mimihttp.AssetPath))
	var refused *mimi.Error
	switch {
	case errors.As(err, &refused):
		http.Error(w, refused.Detail, http.StatusNotFound)
		return
	case err != nil:
		http.Error(w, "the file cannot be read now", http.StatusServiceUnavailable)
		return
	}
	defer content.Close()
	h := w.Header()
	h.Set("Content-Type", api.TypeAsset)
	h.Set("Content-Disposition", "attachment")
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'")
	h.Set("Etag", `"`+content.ID+`"`)
	h.Set("Cache-Control", "max-age="+strconv.Itoa(assetAge))
	http.ServeContent(&pacedResponse{w, http.NewResponseController(w)}, r, "", content.Created, content)
}

// at tells whether a host is one of the own asset domains. The federation listener serves nothing else there that needs a certificate.
func (f *files) at(host string) bool {
	for _, h := range f.hosts {
		if name, _, _ := strings.Cut(h, ":"); strings.EqualFold(name, host) {
			return true
		}
	}
	return false
}

func (f *files) sweep(ctx context.Context) (int, error) {
	if f == nil {
		return 0, nil
	}
	return f.assets.Sweep(ctx)
}

func (f *files) close() {
	if f != nil {
		f.served.Fetcher.Close()
	}
}

// assetAge is how long others may keep an asset after it has expired or was deleted, in seconds.
const assetAge = 3600

// pacedResponse gives whoever reads an asset a time for each piece, and takes large ones from it.
type pacedResponse struct {
	http.ResponseWriter
	control *http.ResponseController
}

func (p *pacedResponse) Write(b []byte) (int, error) {
	err := p.control.SetWriteDeadline(time.Now().Add(api.FileStall * time.Second))
	if err != nil && !errors.Is(err, http.ErrNotSupported) {
		return 0, err
	}
	return p.ResponseWriter.Write(b)
}

// ReadFrom copies in larger pieces than io.Copy would.
func (p *pacedResponse) ReadFrom(r io.Reader) (int64, error) {
	return io.CopyBuffer(struct{ io.Writer }{p}, struct{ io.Reader }{r}, make([]byte, 256<<10))
}

// files is what devices may do with files.
func (d *devices) files() *server.Files {
	if d.Provider.files == nil {
		return nil
	}
	return &server.Files{Limits: d.fileLimits, Begin: d.beginUpload, Status: d.uploadStatus, Append: d.appendChunk,
		Delete: func(ctx context.Context, v identity.Device, id string) error {
			return d.Provider.files.assets.Delete(ctx, v.User, id)
		},
		Fetch: d.fetchAsset, Keys: d.gatewayKeys, Relay: d.relay}
}

func (d *devices) fileLimits() *api.FileLimits {
	size, keep := d.Provider.files.assets.Limits()
	return &api.FileLimits{MaxSize: size, KeepSeconds: uint64(keep / time.Second), Hosts: d.Provider.files.hosts}
}

func (d *devices) uploadOf(a *asset.Asset) *api.Upload {
	return &api.Upload{ID: a.ID, URL: "https://" + d.Provider.files.hosts[0] + mimihttp.AssetPath + a.ID, Size: a.Size, Have: a.Have,
		Chunk: asset.ChunkSize, Expires: a.Expires.Unix()}
}

func (d *devices) beginUpload(ctx context.Context, v identity.Device, r *api.BeginUpload) (*api.Upload, error) {
	keep := time.Duration(min(r.KeepSeconds, 1<<32)) * time.Second
	a, err := d.Provider.files.assets.Begin(ctx, v.User, r.Size, keep)
	if err != nil {
		return nil, err
	}
	return d.uploadOf(a), nil
}

func (d *devices) uploadStatus(ctx context.Context, v identity.Device, id string) (*api.Upload, error) {
	a, err := d.Provider.files.assets.Status(ctx, v.User, id)
	if err != nil {
		return nil, err
	}
	return d.uploadOf(a), nil
}

func (d *devices) appendChunk(ctx context.Context, v identity.Device, id string, offset uint64, octets io.Reader) (*api.Upload, error) {
	if _, err := d.Provider.files.assets.Append(ctx, v.User, id, offset, octets); err != nil {
		return nil, err
	}
	return d.uploadStatus(ctx, v, id)
}

// fetchAsset gives own assets itself, fetches as the hub where it is one, and asks another hub otherwise.
func (d *devices) fetchAsset(ctx context.Context, w http.ResponseWriter, hub uri.Provider, target string, header http.Header) error {
	fetcher := d.Provider.files.served.Fetcher
	if hub == d.cfg.Provider || fetcher.Owns(target) {
		fetcher.Serve(ctx, w, http.MethodGet, target, header)
		return nil
	}
	r, ok := d.peers.remote[hub]
	if !ok {
		return errNoPeer
	}
	download, err := r.client.ProxyDownload(ctx, target, header)
	if err != nil {
		return fromHub(hub, err)
	}
	defer download.Body.Close()
	for name, values := range download.Header {
		w.Header()[name] = values
	}
	w.WriteHeader(download.Status)
	paced := &pacedResponse{w, http.NewResponseController(w)}
	if _, err := paced.ReadFrom(download.Body); err != nil {
		panic(http.ErrAbortHandler) // the device must not take it for whole
	}
	return nil
}

func fromHub(hub uri.Provider, err error) error {
	var refused *mimi.Error
	if errors.As(err, &refused) {
		return server.FromPeer(hub, refused)
	}
	return err
}

func (d *devices) gatewayKeys(ctx context.Context, hub uri.Provider) ([]byte, error) {
	if hub == d.cfg.Provider {
		keys, err := d.Provider.files.served.Keys(ctx)
		if err != nil {
			return nil, err
		}
		return ohttp.Keys(keys...), nil
	}
	r, ok := d.peers.remote[hub]
	if !ok {
		return nil, errNoPeer
	}
	keys, err := r.client.ObliviousKeys(ctx)
	if err != nil {
		return nil, fromHub(hub, err)
	}
	return keys, nil
}

// relay passes an encapsulated request on (P-OH-04). Where the own provider is the hub there is no second party: it learns what is
// asked for, as it would through its proxy.
func (d *devices) relay(ctx context.Context, hub uri.Provider, message []byte) ([]byte, error) {
	if hub == d.cfg.Provider {
		return d.Provider.files.served.Answer(ctx, message)
	}
	r, ok := d.peers.remote[hub]
	if !ok {
		return nil, errNoPeer
	}
	answer, err := r.client.Relay(ctx, message)
	if err != nil {
		return nil, fromHub(hub, err)
	}
	return answer, nil
}
