package mimihttp

import (
	"crypto/tls"
	"os"
	"sync"
	"time"
)

// CertificateFiles is a certificate that lies in two PEM files and is read again when they change, so that a renewed certificate
// takes effect without a restart. While the new files do not fit each other, the old certificate stays. It is safe for concurrent
// use.
type CertificateFiles struct {
	certFile, keyFile string

	mu      sync.Mutex
	current *tls.Certificate
	changed [2]time.Time // modification times of what current was read from
}

// LoadCertificateFiles reads the files for the first time.
func LoadCertificateFiles(certFile, keyFile string) (*CertificateFiles, error) {
	f := &CertificateFiles{certFile: certFile, keyFile: keyFile}
	changed, err := f.times()
	if err != nil {
		return nil, err
	}
	cert, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return nil, err
	}
	f.current, f.changed = &cert, changed
	return f, nil
}

// Certificate returns the certificate as the files now have it: for ClientConfig.Certificate.
func (f *CertificateFiles) Certificate() (*tls.Certificate, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	changed, err := f.times()
	if err != nil || changed == f.changed {
		return f.current, nil
	}
	cert, err := tls.LoadX509KeyPair(f.certFile, f.keyFile)
	if err != nil {
		return f.current, nil // half of a renewal: the other file follows
	}
	f.current, f.changed = &cert, changed
	return f.current, nil
}

// GetCertificate is Certificate for Server.HTTPServer.
func (f *CertificateFiles) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return f.Certificate()
}

func (f *CertificateFiles) times() (out [2]time.Time, err error) {
	for i, name := range []string{f.certFile, f.keyFile} {
		info, err := os.Stat(name)
		if err != nil {
			return out, err
		}
		out[i] = info.ModTime()
	}
	return out, nil
}
