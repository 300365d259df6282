package mimihttp

import (
	"bytes"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// largestCached bounds one kept asset: thumbnails and voice messages, which many members of a room fetch at once.
const largestCached = 1 << 20

// assetCache keeps small assets whose host allows it (P-PD-06). When it is full it is emptied.
type assetCache struct {
	most int64

	mu   sync.Mutex
	used int64
	by   map[string]*cachedAsset
}

type cachedAsset struct {
	bytes.Buffer
	kind, tag string
	until     time.Time
}

// begin returns where an answer is kept while it passes; nil when it is not to be.
func (c *assetCache) begin(response *http.Response, r assetRequest, now time.Time) *cachedAsset {
	age := freshFor(response.Header.Get("Cache-Control"))
	if c.most < 0 || r.method != http.MethodGet || response.StatusCode != http.StatusOK || age <= 0 || response.ContentLength < 0 ||
		response.ContentLength > min(largestCached, c.most) {
		return nil
	}
	return &cachedAsset{kind: response.Header.Get("Content-Type"), tag: response.Header.Get("Etag"), until: now.Add(age)}
}

func (c *assetCache) put(url string, a *cachedAsset) {
	c.mu.Lock()
	defer c.mu.Unlock()
	size := int64(a.Len() + len(url))
	if c.by == nil || c.used+size > c.most {
		c.by, c.used = make(map[string]*cachedAsset), 0
	}
	if old := c.by[url]; old != nil {
		c.used -= int64(old.Len() + len(url))
	}
	c.by[url] = a
	c.used += size
}

// serve answers from what is kept, ranges and conditions included.
func (c *assetCache) serve(w http.ResponseWriter, r assetRequest, now time.Time) (status int, ok bool) {
	c.mu.Lock()
	a := c.by[r.url]
	c.mu.Unlock()
	if a == nil || !now.Before(a.until) {
		return 0, false
	}
	w.Header().Set("Content-Type", a.kind)
	if a.tag != "" {
		w.Header().Set("Etag", a.tag)
	}
	w.Header().Set("Cache-Control", "max-age="+strconv.Itoa(int(a.until.Sub(now).Seconds())))
	out := &statusWriter{ResponseWriter: w, status: http.StatusOK}
	http.ServeContent(out, &http.Request{Method: r.method, Header: r.header}, "", time.Time{}, bytes.NewReader(a.Bytes()))
	return out.status, true
}

// freshFor reads for how long an answer may be kept by others; 0: not at all.
func freshFor(control string) time.Duration {
	var age time.Duration
	for directive := range strings.SplitSeq(control, ",") {
		directive = strings.ToLower(strings.TrimSpace(directive))
		switch {
		case directive == "no-store", directive == "no-cache", directive == "private":
			return 0
		case strings.HasPrefix(directive, "max-age="):
			if n, err := strconv.Atoi(directive[len("max-age="):]); err == nil && n > 0 {
				age = time.Duration(min(n, int(maxDirectoryAge.Seconds()))) * time.Second
			}
		}
	}
	return age
}
