package asset

import (
	"context"
	"errors"
	"io"
)

// Content reads a complete asset from any place on. It is not safe for concurrent use. Close it.
type Content struct {
	Asset
	ctx   context.Context
	blobs Blobs
	at    int64
	chunk io.ReadCloser // nil: not open
	left  int64         // in chunk
}

// Open returns a complete asset to whoever knows its name.
func (s *Assets) Open(ctx context.Context, id string) (*Content, error) {
	if !ValidID(id) {
		return nil, errNone
	}
	c := &Content{ctx: ctx, blobs: s.cfg.Blobs}
	err := s.cfg.Store.View(ctx, func(tx Tx) error {
		a, found, err := tx.Asset(id)
		if err != nil {
			return err
		}
		if !found || !a.Complete() || !s.cfg.Now().Before(a.Expires) {
			return errNone
		}
		c.Asset = a
		return nil
	})
	if err != nil {
		return nil, err
	}
	return c, nil
}

// Read implements io.Reader.
func (c *Content) Read(p []byte) (int, error) {
	size := int64(c.Size)
	if c.at >= size {
		return 0, io.EOF
	}
	if c.chunk == nil {
		offset := c.at % ChunkSize
		c.left = min(ChunkSize, size-(c.at-offset)) - offset
		r, err := c.blobs.Open(c.ctx, chunkName(c.ID, uint64(c.at)), offset, c.left)
		if err != nil {
			return 0, err
		}
		c.chunk = r
	}
	n, err := c.chunk.Read(p[:min(int64(len(p)), c.left)])
	c.at += int64(n)
	c.left -= int64(n)
	if c.left == 0 {
		return n, c.Close()
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// Seek implements io.Seeker.
func (c *Content) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += c.at
	case io.SeekEnd:
		offset += int64(c.Size)
	}
	if offset < 0 {
		return 0, errors.New("asset: no such place")
	}
	c.at = offset
	return offset, c.Close()
}

// Close implements io.Closer. A closed Content may be read on.
func (c *Content) Close() error {
	if c.chunk == nil {
		return nil
	}
	chunk := c.chunk
	c.chunk = nil
	return chunk.Close()
}
