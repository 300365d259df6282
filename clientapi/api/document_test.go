package api_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"parley/client"
	"parley/clientapi/api"
	"parley/clientapi/server"
	"parley/inbox"
)

func document(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../doc/client-api.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestDocumentHasEveryRoute(t *testing.T) {
	text := document(t)
	var rows, headings []string
	quoted := func(all ...string) string {
		if len(all) == 0 || all[0] == "" {
			return ""
		}
		return " `" + strings.Join(all, "`, `") + "`"
	}
	for _, r := range api.Routes() {
		limit, answer := "", quoted(r.Answer)
		if r.Limit > 0 {
			limit = fmt.Sprintf(" %d KiB", r.Limit>>10)
		}
		if r.Answer == "" {
			answer = " 204, no body"
		}
		rows = append(rows, fmt.Sprintf("| `%s %s` |%s |%s |%s |%s |", r.Method, r.Path, quoted(r.Params...), quoted(r.Body), limit, answer))
		headings = append(headings, fmt.Sprintf("### `%s %s`", r.Method, r.Path))
	}
	if got := regexp.MustCompile("(?m)^\\| `(?:GET|POST) .*$").FindAllString(text, -1); !slices.Equal(got, rows) {
		t.Errorf("the table has\n%s\nand should have\n%s", strings.Join(got, "\n"), strings.Join(rows, "\n"))
	}
	got := regexp.MustCompile("(?m)^### `.*$").FindAllString(text, -1)
	slices.Sort(got)
	slices.Sort(headings)
	if !slices.Equal(got, headings) {
		t.Errorf("headings %q, want %q", got, headings)
	}
}

func TestDocumentHasEveryCode(t *testing.T) {
	var want []string
	for _, c := range api.Codes() {
		want = append(want, fmt.Sprintf("| `%s` | %d |", c, c.Status()))
	}
	if got := regexp.MustCompile("(?m)^\\| `[a-z_]+` \\| \\d+ \\|").FindAllString(document(t), -1); !slices.Equal(got, want) {
		t.Errorf("the table has %q, want %q", got, want)
	}
}

// Each figure that the text mentions is the code's.
func TestDocumentHasTheFigures(t *testing.T) {
	text := strings.Join(strings.Fields(document(t)), " ")
	for phrase, n := range map[string]int{
		"// 1 to %d All or none":                           api.MaxKeyPackages,
		"} SubmitMessages; // 1 to %d":                     api.MaxMessages,
		"at most %d events at once":                        api.MaxEvents,
		"up to `wait` seconds (at most %d)":                api.MaxWait,
		"A client has at most %d streams and held polls":   api.MaxHeld,
		"comes every %d s on an idle stream":               api.Heartbeat,
		"After %d s without an octet":                      3 * api.Heartbeat,
		"A frame has at most %d octets":                    api.MaxFrame,
		"it is at most %d.":                                api.MaxRetryAfter,
		"What nobody fetches for %d days is dropped":       int(inbox.DefaultRetention.Hours() / 24),
		"Keep about %d in stock":                           client.StockWanted,
		"takes nothing for %d s is cut off":                int(server.StallAfter.Seconds()),
		"A body must arrive within %d s":                   int(server.ReadTimeout.Seconds()),
		"The provider works on a request for at most %d s": int(server.CallTimeout.Seconds()),
	} {
		if want := strings.ReplaceAll(phrase, "%d", strconv.Itoa(n)); !strings.Contains(text, want) {
			t.Errorf("not said: %q", want)
		}
	}
}

// Every example has the members of its type: no other, and none is missing but those that may be.
func TestDocumentHasTheObjects(t *testing.T) {
	objects := map[string]any{
		"Error": new(api.Error), "EnrolRequest": new(api.EnrolRequest), "EnrolResponse": new(api.EnrolResponse),
		"RenewRequest": new(api.RenewRequest), "RenewResponse": new(api.RenewResponse), "Self": new(api.Self),
		"Authorities": new(api.Authorities), "KeyPackageCount": new(api.KeyPackageCount), "RoomCreated": new(api.RoomCreated), "ConsentList": new(api.ConsentList), "Block": new(api.Block),
		"Ack": new(api.Ack), "Lanes": new(api.Lanes), "Person": new(api.Person), "PersonChange": new(api.PersonChange), "Found": new(api.Found),
	}
	found := make(map[string]bool)
	for _, m := range regexp.MustCompile("(?s)<!-- api\\.(\\w+) -->\n```json\n(.*?)```").FindAllStringSubmatch(document(t), -1) {
		name, example := m[1], strings.ReplaceAll(m[2], "...", "AAAA")
		v, ok := objects[name]
		if !ok {
			t.Errorf("%s is no type", name)
			continue
		}
		found[name] = true
		d := json.NewDecoder(strings.NewReader(example))
		d.DisallowUnknownFields()
		if err := d.Decode(v); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var members map[string]any
		if err := json.Unmarshal([]byte(example), &members); err != nil {
			t.Error(err)
		}
		for i := range reflect.TypeOf(v).Elem().NumField() {
			member, options, _ := strings.Cut(reflect.TypeOf(v).Elem().Field(i).Tag.Get("json"), ",")
			if _, ok := members[member]; !ok && options == "" {
				t.Errorf("the example of %s lacks %s", name, member)
			}
		}
	}
	if len(found) != len(objects) {
		t.Errorf("examples of %q", slices.Sorted(maps.Keys(found)))
	}
}
