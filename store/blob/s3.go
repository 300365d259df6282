package blob

import (
	"context"
	"errors"
	"io"
	"net/http"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"parley/asset"
)

// S3Config tells where a bucket is. Endpoint and Bucket are required; the bucket exists already.
type S3Config struct {
	Endpoint  string // host or host:port
	Bucket    string
	Region    string
	Prefix    string // before every name, for a bucket that others use too
	AccessKey string
	SecretKey string
	Plain     bool // HTTP in place of HTTPS: for a service on the same machine
	// Transport is nil for the usual one.
	Transport http.RoundTripper
}

// S3 keeps blobs as objects of a bucket.
type S3 struct {
	client         *minio.Client
	bucket, prefix string
}

var _ asset.Blobs = (*S3)(nil)

// ErrS3 means that the configuration is not complete.
var ErrS3 = errors.New("blob: S3 needs an endpoint, a bucket and keys")

// OpenS3 makes an S3. It does not connect.
func OpenS3(cfg S3Config) (*S3, error) {
	if cfg.Endpoint == "" || cfg.Bucket == "" || cfg.AccessKey == "" || cfg.SecretKey == "" {
		return nil, ErrS3
	}
	client, err := minio.New(cfg.Endpoint, &minio.Options{
		Creds: credentials.NewStaticV4(cfg.AccessKey, cfg.SecretKey, ""), Secure: !cfg.Plain, Region: cfg.Region,
		Transport: cfg.Transport, BucketLookup: minio.BucketLookupPath,
	})
	if err != nil {
		return nil, err
	}
	return &S3{client, cfg.Bucket, cfg.Prefix}, nil
}

// Put implements asset.Blobs. A chunk is one object; the service stores it whole or not at all.
func (s *S3) Put(ctx context.Context, name string, r io.Reader, size int64) error {
	_, err := s.client.PutObject(ctx, s.bucket, s.prefix+name, &whole{r: r, left: size}, size,
		minio.PutObjectOptions{ContentType: "application/octet-stream", DisableMultipart: true})
	return err
}

// whole fails where a reader ends early, so that no shorter object is taken for the chunk.
type whole struct {
	r    io.Reader
	left int64
}

func (w *whole) Read(p []byte) (int, error) {
	if w.left == 0 {
		return 0, io.EOF
	}
	n, err := w.r.Read(p[:min(int64(len(p)), w.left)])
	w.left -= int64(n)
	if errors.Is(err, io.EOF) && w.left > 0 {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// Open implements asset.Blobs.
func (s *S3) Open(ctx context.Context, name string, offset, length int64) (io.ReadCloser, error) {
	var o minio.GetObjectOptions
	if err := o.SetRange(offset, offset+length-1); err != nil {
		return nil, err
	}
	return s.client.GetObject(ctx, s.bucket, s.prefix+name, o)
}

// Delete implements asset.Blobs.
func (s *S3) Delete(ctx context.Context, name string) error {
	return s.client.RemoveObject(ctx, s.bucket, s.prefix+name, minio.RemoveObjectOptions{})
}
