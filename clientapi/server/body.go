package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"parley/clientapi/api"
	"parley/mimi"
	"parley/syntax"
)

// readQuery takes the parameters of the route, each once, and refuses a body where none belongs.
func (c *call) readQuery() error {
	values, err := url.ParseQuery(c.r.URL.RawQuery)
	if err != nil {
		return refusal(api.BadRequest, "the query is malformed")
	}
	c.query = make(map[string]string, len(values))
	for name, all := range values {
		if len(all) != 1 || !slices.Contains(c.route.Params, name) {
			return refusal(api.BadRequest, "the query has a parameter twice or one that this path does not take")
		}
		c.query[name] = all[0]
	}
	if c.route.Body == "" && c.r.ContentLength != 0 {
		return refusal(api.BadRequest, "the path takes no body")
	}
	return nil
}

func (c *call) readTLS(v syntax.Value) error {
	body, err := c.readBody()
	if err != nil {
		return err
	}
	if err := mimi.Limits(len(body)).Unmarshal(body, v); err != nil {
		return &api.Error{Code: api.BadRequest, Detail: "the body is not the structure that this path takes: " + err.Error()}
	}
	return nil
}

func (c *call) readJSON(v any) error {
	body, err := c.readBody()
	if err != nil {
		return err
	}
	if err := decodeJSON(body, v); err != nil {
		return &api.Error{Code: api.BadRequest, Detail: err.Error()}
	}
	return nil
}

// readBody refuses by the announced type and length before it reads anything.
func (c *call) readBody() ([]byte, error) {
	if kind, _, err := mime.ParseMediaType(c.r.Header.Get("Content-Type")); err != nil || kind != c.route.Body {
		return nil, refusal(api.BadRequest, "the content type is not "+c.route.Body)
	}
	tooLong := refusal(api.TooLarge, "the body is longer than "+strconv.FormatInt(c.route.Limit, 10)+" octets")
	if c.r.ContentLength > c.route.Limit {
		return nil, tooLong
	}
	// net/http lifts it when the body has come. A recorder in a test has no deadlines; a real connection always has.
	err := c.control.SetReadDeadline(time.Now().Add(ReadTimeout))
	if err != nil && !errors.Is(err, http.ErrNotSupported) {
		return nil, errGone
	}
	body, err := readAll(http.MaxBytesReader(c.w, c.r.Body, c.route.Limit), c.r.ContentLength)
	var over *http.MaxBytesError
	switch {
	case errors.As(err, &over):
		return nil, tooLong
	case err != nil:
		return nil, refusal(api.BadRequest, "the body ended early")
	}
	return body, nil
}

// readAll reads to the end. The declared length is a hint only: memory grows with what has come, so that a claim costs nothing.
func readAll(r io.Reader, declared int64) ([]byte, error) {
	const first = 256 << 10
	size := int64(8 << 10)
	if declared >= 0 {
		size = min(declared, first)
	}
	body := make([]byte, 0, size+1) // one octet more than the body, to see its end without growing
	for {
		n, err := r.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		if errors.Is(err, io.EOF) {
			return body, nil
		}
		if err != nil {
			return nil, err
		}
		if len(body) == cap(body) {
			next := 4 * int64(cap(body))
			if declared >= int64(len(body)) {
				next = min(next, declared+1)
			}
			body = append(make([]byte, 0, max(next, int64(cap(body))+1)), body...)
		}
	}
}

// answer encodes what an endpoint returned: nothing, a structure or an object.
func (c *call) answer(v any) error {
	switch v := v.(type) {
	case sent:
		return nil
	case nil:
		c.began = true
		c.w.WriteHeader(http.StatusNoContent)
		return nil
	case syntax.Value:
		body, err := syntax.Marshal(v)
		if err != nil {
			return err
		}
		return c.write(http.StatusOK, api.TypeTLS, body)
	}
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return c.write(http.StatusOK, api.TypeJSON, body)
}

// write sends a whole body; that the client went away is no failure of ours.
func (c *call) write(status int, kind string, body []byte) error {
	c.w.Header().Set("Content-Type", kind)
	c.w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	if err := c.writeBefore(time.Now().Add(StallAfter)); err != nil {
		return err
	}
	c.began = true
	c.w.WriteHeader(status)
	if _, err := io.Copy(&paced{c}, bytes.NewReader(body)); err != nil {
		return errGone
	}
	return nil
}

func (c *call) writeBefore(t time.Time) error {
	if err := c.control.SetWriteDeadline(t); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return errGone
	}
	return nil
}

// paced writes in pieces and gives the client StallAfter for each of them: a slow client gets everything, one that stands still is
// given up.
type paced struct{ *call }

func (p *paced) Write(b []byte) (n int, err error) {
	const piece = 32 << 10
	for len(b) > 0 {
		if err := p.writeBefore(time.Now().Add(StallAfter)); err != nil {
			return n, err
		}
		k, err := p.w.Write(b[:min(len(b), piece)])
		n += k
		if err != nil {
			return n, err
		}
		b = b[k:]
	}
	return n, nil
}
