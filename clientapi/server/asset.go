package server

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"parley/clientapi/api"
	"parley/identity"
	"parley/uri"
)

// Files is what clients may do with files. Errors are those of Server's functions.
type Files struct {
	Limits func() *api.FileLimits
	Begin  func(ctx context.Context, d identity.Device, r *api.BeginUpload) (*api.Upload, error)
	Status func(ctx context.Context, d identity.Device, id string) (*api.Upload, error)
	Delete func(ctx context.Context, d identity.Device, id string) error
	// Append stores the chunk that octets gives.
	Append func(ctx context.Context, d identity.Device, id string, offset uint64, octets io.Reader) (*api.Upload, error)
	// Fetch answers with an asset: an own one, or one that the hub fetches. header gives ranges and conditions.
	Fetch func(ctx context.Context, w http.ResponseWriter, hub uri.Provider, target string, header http.Header) error
	Keys  func(ctx context.Context, hub uri.Provider) ([]byte, error)
	Relay func(ctx context.Context, hub uri.Provider, message []byte) ([]byte, error)
}

// serveFiles serves what begins with api.FilesPrefix.
func (c *call) serveFiles() (any, error) {
	c.route = api.Route{Method: c.r.Method, Path: c.r.URL.EscapedPath()}
	serve, ok := map[string]func(*call) (any, error){
		"GET " + api.PathFileLimits:    (*call).fileLimits,
		"POST " + api.PathFileUpload:   (*call).beginUpload,
		"GET " + api.PathFileUpload:    (*call).uploadStatus,
		"DELETE " + api.PathFileUpload: (*call).deleteUpload,
		"POST " + api.PathFileChunk:    (*call).appendChunk,
		"GET " + api.PathFileFetch:     (*call).fetchAsset,
		"GET " + api.PathFileKeys:      (*call).gatewayKeys,
		"POST " + api.PathFileRelay:    (*call).relay,
	}[c.r.Method+" "+c.route.Path]
	if !ok || c.Files == nil {
		return nil, refusal(api.NotFound, "there is no such path")
	}
	var cancel context.CancelFunc
	c.ctx, cancel = context.WithTimeout(c.r.Context(), CallTimeout)
	defer cancel()
	if err := c.authenticate(); err != nil {
		return nil, err
	}
	done, err := c.gate.of(c.device.Client)
	if err != nil {
		return nil, err
	}
	defer done()
	c.route.Params = []string{api.ParamID, api.ParamOffset, api.ParamURL, api.ParamHub}
	if c.r.Method == http.MethodPost {
		c.route.Body = api.TypeJSON
	}
	if err := c.readQuery(); err != nil {
		return nil, err
	}
	return serve(c)
}

func (c *call) fileLimits() (any, error) { return c.Files.Limits(), nil }

func (c *call) beginUpload() (any, error) {
	c.route.Limit = api.MaxJSON
	var r api.BeginUpload
	if err := c.readJSON(&r); err != nil {
		return nil, err
	}
	return found(c.Files.Begin(c.ctx, c.device, &r))
}

func (c *call) uploadStatus() (any, error) {
	return found(c.Files.Status(c.ctx, c.device, c.query[api.ParamID]))
}

func (c *call) deleteUpload() (any, error) {
	return nil, c.Files.Delete(c.ctx, c.device, c.query[api.ParamID])
}

// appendChunk hands the body on as it comes. It has FileStall for each piece and no limit over all.
func (c *call) appendChunk() (any, error) {
	offset, err := strconv.ParseUint(c.query[api.ParamOffset], 10, 63)
	if err != nil || c.r.Header.Get("Content-Type") != api.TypeAsset {
		return nil, refusal(api.BadRequest, "the offset is no number, or the content type is not "+api.TypeAsset)
	}
	return found(c.Files.Append(c.r.Context(), c.device, c.query[api.ParamID], offset, &pacedReader{c}))
}

// pacedReader gives the client a time for each piece.
type pacedReader struct{ c *call }

func (p *pacedReader) Read(b []byte) (int, error) {
	err := p.c.control.SetReadDeadline(time.Now().Add(api.FileStall * time.Second))
	if err != nil && !errors.Is(err, http.ErrNotSupported) {
		return 0, errGone
	}
	n, err := p.c.r.Body.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		err = refusal(api.BadRequest, "the body ended early")
	}
	return n, err
}

func (c *call) hub() (uri.Provider, error) {
	hub, err := uri.ProviderFromDomain(c.query[api.ParamHub])
	if err != nil {
		return hub, refusal(api.BadRequest, "the hub is no provider's domain")
	}
	return hub, nil
}

// fetchAsset streams; the function answers by itself unless it fails.
func (c *call) fetchAsset() (any, error) {
	hub, err := c.hub()
	if err != nil {
		return nil, err
	}
	out := &begun{ResponseWriter: c.w, call: c}
	if err := c.Files.Fetch(c.r.Context(), out, hub, c.query[api.ParamURL], c.r.Header); err != nil {
		return nil, err
	}
	return sent{}, nil
}

// begun notes that an answer has begun.
type begun struct {
	http.ResponseWriter
	call *call
}

func (b *begun) WriteHeader(status int) {
	b.call.began = true
	b.ResponseWriter.WriteHeader(status)
}

func (b *begun) Write(p []byte) (int, error) {
	b.call.began = true
	return b.ResponseWriter.Write(p)
}

// Unwrap is for http.ResponseController.
func (b *begun) Unwrap() http.ResponseWriter { return b.ResponseWriter }

func (c *call) gatewayKeys() (any, error) {
	hub, err := c.hub()
	if err != nil {
		return nil, err
	}
	keys, err := c.Files.Keys(c.ctx, hub)
	if err != nil {
		return nil, err
	}
	return sent{}, c.write(http.StatusOK, typeKeys, keys)
}

const (
	typeKeys    = "application/ohttp-keys"
	typeRelayed = "message/ohttp-req"
	typeCapsule = "message/ohttp-res"
)

func (c *call) relay() (any, error) {
	hub, err := c.hub()
	if err != nil {
		return nil, err
	}
	c.route.Body, c.route.Limit = typeRelayed, api.MaxRelayed
	message, err := c.readBody()
	if err != nil {
		return nil, err
	}
	answer, err := c.Files.Relay(c.ctx, hub, message)
	if err != nil {
		return nil, err
	}
	return sent{}, c.write(http.StatusOK, typeCapsule, answer)
}

// isFile tells whether a path is one of files.
func isFile(path string) bool { return strings.HasPrefix(path, api.FilesPrefix) }
