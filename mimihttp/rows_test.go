package mimihttp_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"crypto/tls"

	"parley/mimi"
	"parley/mimihttp"
	"parley/mimitest"
)

func TestNotifyRows(t *testing.T) {
	t.Run("P-NT-05 what was taken is answered with 201 and no body", func(t *testing.T) {
		w := newWorld(t, nil)
		s := sample(t, mimi.Notify)
		resp, body := w.do(request{path: mimitest.Path(s.Endpoint, s.Target), body: bytes.NewReader(s.Body)})
		if resp.StatusCode != http.StatusCreated || body != "" || resp.ContentLength > 0 {
			t.Errorf("status %d, %q, length %d", resp.StatusCode, body, resp.ContentLength)
		}
		if n := len(w.service.Calls()); n != 1 {
			t.Errorf("%d calls", n)
		}
	})
	t.Run("P-NT-07 every 2xx is an acceptance, nothing else is", func(t *testing.T) {
		status := http.StatusOK
		w := newWorld(t, nil)
		cert := w.authority.For(t, "a.example")
		w.serve("a.example:443", &http.Server{
			TLSConfig: &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{*cert}}, ErrorLog: discard(),
			Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				if r.URL.Path == wellKnown {
					if _, err := fmt.Fprint(rw, `{"notify":"https://a.example/n/{x}"}`); err != nil {
						t.Error(err)
					}
					return
				}
				rw.WriteHeader(status)
			}),
		})
		c := w.client(nil)
		for _, status = range []int{200, 201, 202, 204} {
			if err := c.Notify(t.Context(), room(t, mimitest.Room), notifyBody(t)); err != nil {
				t.Errorf("status %d: %v", status, err)
			}
		}
		for _, status = range []int{302, 400, 403, 500, 503} {
			if err := c.Notify(t.Context(), room(t, mimitest.Room), notifyBody(t)); err == nil {
				t.Errorf("status %d is taken as acceptance", status)
			}
		}
	})
}

// Only what is offered is published (P-DIR-06): a provider without files offers no downloads.
func TestDirectoryMembers(t *testing.T) {
	t.Run("P-DIR-03 all ten members are there, each an absolute https URL with exactly one variable", func(t *testing.T) {
		withFiles := func(c *mimihttp.ServerConfig) {
			of := c.Tenant
			c.Tenant = func(domain string) (*mimihttp.Tenant, bool) {
				tenant, ok := of(domain)
				if ok {
					tenant.Files = new(mimihttp.Files)
				}
				return tenant, ok
			}
		}
		_, body := newWorld(t, withFiles).do(request{noCert: true, method: http.MethodGet, path: wellKnown})
		var members map[string]string
		if err := json.Unmarshal([]byte(body), &members); err != nil {
			t.Fatal(err)
		}
		for _, e := range mimi.Endpoints() {
			name := e.String()
			template, there := members[name]
			if !there {
				t.Errorf("no %s", name)
				continue
			}
			open, end := strings.Index(template, "{"), strings.Index(template, "}")
			if open < 0 || end < open || strings.Count(template, "{") != 1 || strings.Count(template, "}") != 1 {
				t.Errorf("%s: %s", name, template)
				continue
			}
			u, err := url.Parse(template[:open] + "x" + template[end+1:])
			if err != nil || u.Scheme != "https" || u.Host == "" {
				t.Errorf("%s: %s", name, template)
			}
		}
	})
}
