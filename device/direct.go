package device

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"parley/client"
	"parley/netguard"
)

// Direct makes Transfers.Direct: a download from whoever keeps the file, for rooms whose policy wants that. It dials public addresses
// only, sends no cookie, no referrer and nothing that names the device, and judges each redirect as it does the first URL (C-XP-10,
// C-XP-16). http:// is taken as https:// is: the content is encrypted and verified by its hash. guard may be nil, roots are nil for those
// of the system.
func Direct(guard *netguard.Dialer, roots *x509.CertPool) func(ctx context.Context, url string, from uint64) (io.ReadCloser, error) {
	if guard == nil {
		guard = new(netguard.Dialer)
	}
	c := &http.Client{
		Transport: &http.Transport{
			DialContext: guard.DialContext, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: roots}, ForceAttemptHTTP2: true,
			TLSHandshakeTimeout: 10 * time.Second, ResponseHeaderTimeout: 30 * time.Second, IdleConnTimeout: 30 * time.Second,
			MaxResponseHeaderBytes: 16 << 10, DisableCompression: true,
		},
		CheckRedirect: func(next *http.Request, via []*http.Request) error {
			next.Header.Del("Referer")
			if len(via) > 3 {
				return client.ErrFileURL
			}
			_, err := netguard.URL(next.URL.String(), next.URL.Scheme == "http" && via[0].URL.Scheme == "http")
			return err
		},
	}
	return func(ctx context.Context, url string, from uint64) (io.ReadCloser, error) {
		u, err := netguard.URL(url, true)
		if err != nil {
			return nil, errors.Join(client.ErrFileURL, err)
		}
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
		if err != nil {
			return nil, client.ErrFileURL
		}
		r.Header.Set("User-Agent", "")
		if from > 0 {
			r.Header.Set("Range", fmt.Sprintf("bytes=%d-", from))
		}
		response, err := c.Do(r)
		if err != nil {
			return nil, directError(err)
		}
		if status := http.StatusOK; response.StatusCode != status && (from == 0 || response.StatusCode != http.StatusPartialContent) ||
			from > 0 && response.StatusCode == status {
			return nil, errors.Join(statusError(response.StatusCode), response.Body.Close())
		}
		return response.Body, nil
	}
}

// directError drops the URL, which net/http puts into its errors.
func directError(err error) error {
	if errors.Is(err, netguard.ErrInside) || errors.Is(err, netguard.ErrURL) || errors.Is(err, client.ErrFileURL) {
		return client.ErrFileURL
	}
	var network net.Error
	if errors.As(err, &network) && network.Timeout() {
		return &client.RetryError{Err: context.DeadlineExceeded}
	}
	return &client.RetryError{Err: errors.New("device: the file's host cannot be reached")}
}

func statusError(status int) error {
	switch status {
	case http.StatusNotFound, http.StatusGone:
		return client.ErrFileMissing
	case http.StatusServiceUnavailable, http.StatusTooManyRequests, http.StatusBadGateway, http.StatusGatewayTimeout:
		return &client.RetryError{Err: fmt.Errorf("device: the file's host answered %d", status)}
	}
	return fmt.Errorf("device: the file's host answered %d", status)
}
