package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"parley/client"
	"parley/clientapi/api"
	"parley/uri"
)

var _ client.Files = (*Client)(nil)

// FileLimits tells what may be uploaded, and where it will lie.
func (c *Client) FileLimits(ctx context.Context) (*client.FileLimits, error) {
	var out api.FileLimits
	if err := c.askJSON(ctx, &Request{Method: "GET", Path: api.PathFileLimits}, nil, &out); err != nil {
		return nil, err
	}
	return &client.FileLimits{MaxSize: out.MaxSize, Keep: time.Duration(out.KeepSeconds) * time.Second, Hosts: out.Hosts}, nil
}

// BeginUpload implements client.Files.
func (c *Client) BeginUpload(ctx context.Context, size uint64, keep time.Duration) (*client.Upload, error) {
	return c.upload(ctx, &Request{Method: "POST", Path: api.PathFileUpload}, &api.BeginUpload{Size: size, KeepSeconds: uint64(keep / time.Second)})
}

// UploadStatus implements client.Files.
func (c *Client) UploadStatus(ctx context.Context, id string) (*client.Upload, error) {
	return c.upload(ctx, &Request{Method: "GET", Path: api.PathFileUpload, Query: query(api.ParamID, id)}, nil)
}

// DeleteUpload implements client.Files.
func (c *Client) DeleteUpload(ctx context.Context, id string) error {
	return c.askJSON(ctx, &Request{Method: "DELETE", Path: api.PathFileUpload, Query: query(api.ParamID, id)}, nil, nil)
}

func (c *Client) upload(ctx context.Context, r *Request, request any) (*client.Upload, error) {
	var out api.Upload
	if err := c.askJSON(ctx, r, request, &out); err != nil {
		return nil, err
	}
	return uploadOf(&out), nil
}

func uploadOf(u *api.Upload) *client.Upload {
	return &client.Upload{ID: u.ID, URL: u.URL, Size: u.Size, Have: u.Have, Chunk: u.Chunk, Expires: time.Unix(u.Expires, 0)}
}

// fileTimeout bounds one chunk or one capsule. A chunk of 8 MiB takes this long at 14 kB/s.
const fileTimeout = 10 * time.Minute

// PutChunk implements client.Files.
func (c *Client) PutChunk(ctx context.Context, id string, offset uint64, octets []byte) (*client.Upload, error) {
	q := query(api.ParamID, id, api.ParamOffset, strconv.FormatUint(offset, 10))
	data, err := c.call(ctx, fileTimeout, &Request{Method: "POST", Path: api.PathFileChunk, Query: q, Type: api.TypeAsset, Body: octets})
	if err != nil {
		return nil, err
	}
	var out api.Upload
	if err := c.understood(json.Unmarshal(data, &out)); err != nil {
		return nil, err
	}
	return uploadOf(&out), nil
}

// FetchAsset implements client.Files.
func (c *Client) FetchAsset(ctx context.Context, hub uri.Provider, url string, from uint64) (io.ReadCloser, error) {
	r := &Request{Method: "GET", Path: api.PathFileFetch, Query: query(api.ParamHub, hub.Domain(), api.ParamURL, url)}
	if from > 0 {
		r.Range = fmt.Sprintf("bytes=%d-", from)
	}
	response, err := c.open(ctx, r)
	if err != nil {
		return nil, c.ended(ctx, err)
	}
	if from > 0 {
		var start uint64
		if _, err := fmt.Sscanf(response.Range, "bytes %d-", &start); err != nil || start != from || response.Status != 206 {
			return nil, errors.Join(c.retry(0, errAnswer), response.Body.Close())
		}
	}
	return response.Body, nil
}

// ObliviousKeys implements client.Files.
func (c *Client) ObliviousKeys(ctx context.Context, hub uri.Provider) ([]byte, error) {
	return c.call(ctx, Timeout, &Request{Method: "GET", Path: api.PathFileKeys, Query: query(api.ParamHub, hub.Domain())})
}

// Relay implements client.Files.
func (c *Client) Relay(ctx context.Context, hub uri.Provider, message []byte) ([]byte, error) {
	r := &Request{Method: "POST", Path: api.PathFileRelay, Query: query(api.ParamHub, hub.Domain()), Type: "message/ohttp-req", Body: message}
	return c.call(ctx, fileTimeout, r)
}
