package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"

	"parley/provider/lab"
)

// profiled are the configuration lines that let profile in.
const profiled = "profile = true\n"

// profile writes a server's CPU profile of some seconds into dir.
func profile(ctx context.Context, s *lab.Server, dir string, seconds int) (err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	url := fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", s.Admin, max(seconds, 1))
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("bench: profile of %s: status %d", s.Domain, answer.StatusCode)
	}
	f, err := os.Create(filepath.Join(dir, s.Domain+".cpu.pprof"))
	if err != nil {
		return err
	}
	_, err = io.Copy(f, answer.Body)
	return errors.Join(err, f.Close())
}
