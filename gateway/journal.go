package gateway

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"parley/client"
	"parley/mls"
	"parley/uri"
)

// Journal keeps what the gateway has to know after a crash: events that wait, which message has which native id, which room is
// which group, and names. It is safe for concurrent use.
type Journal struct {
	mu    sync.Mutex
	store client.Store
	next  uint64 // number of the next event
	salt  []byte
}

// Keys of the journal. Native ids and addresses are hashed: they have any length and any alphabet.
const (
	keySecret = "gw/secret"
	keyEvents = "gw/in/"
	keySeen   = "gw/seen/"  // native ids that were ingested
	keyIDs    = "gw/id/"    // native id -> message
	keySent   = "gw/sent/"  // message -> native id
	keyTried  = "gw/tried/" // given to the network, fate unknown
	keyLinks  = "gw/link/"  // room -> place on the network
	keyGroups = "gw/group/" // group -> room
	keyPairs  = "gw/pair/"  // native user and MIMI user -> room
	keyAlias  = "gw/alias/" // MIMI user -> name on the network
	keyNames  = "gw/name/"  // and back
	keyUsers  = "gw/user/"  // native user -> MIMI user
)

// OpenJournal reads the journal from its store.
func OpenJournal(ctx context.Context, store client.Store) (*Journal, error) {
	j := &Journal{store: store}
	waiting, err := store.Load(ctx, keyEvents)
	if err != nil {
		return nil, err
	}
	for _, r := range waiting {
		_, number, _ := strings.Cut(strings.TrimPrefix(r.Key, keyEvents), "/")
		n, err := strconv.ParseUint(number, 16, 64)
		if err != nil {
			return nil, errDamaged
		}
		j.next = max(j.next, n+1)
	}
	return j, j.secret(ctx)
}

// secret is what makes the salts of messages unpredictable. They have to be the same when an event is worked off a second time.
func (j *Journal) secret(ctx context.Context) error {
	records, err := j.store.Load(ctx, keySecret)
	if err != nil {
		return err
	}
	if len(records) > 0 {
		j.salt = records[0].Value
		return nil
	}
	j.salt = make([]byte, 32)
	if _, err := rand.Read(j.salt); err != nil {
		return err
	}
	return j.store.Commit(ctx, mls.Delta{{Key: keySecret, Value: j.salt}})
}

var errDamaged = fmt.Errorf("gateway: the journal is damaged")

// short is a hash of texts as a key.
func short(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		h.Write([]byte(strconv.Itoa(len(p)) + ":" + p))
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// put writes records in one change.
func (j *Journal) put(ctx context.Context, records ...mls.Record) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.store.Commit(ctx, records)
}

func (j *Journal) get(ctx context.Context, key string, into any) (found bool, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.read(ctx, key, into)
}

func (j *Journal) read(ctx context.Context, key string, into any) (bool, error) {
	records, err := j.store.Load(ctx, key)
	if err != nil {
		return false, err
	}
	for _, r := range records {
		if r.Key == key {
			if err := json.Unmarshal(r.Value, into); err != nil {
				return false, errDamaged
			}
			return true, nil
		}
	}
	return false, nil
}

func record(key string, value any) (mls.Record, error) {
	text, err := json.Marshal(value)
	return mls.Record{Key: key, Value: text}, err
}

// queued is an event that waits.
type queued struct {
	Key   string
	Event Event
}

// ingest stores an event, unless its id was seen before.
func (j *Journal) ingest(ctx context.Context, network string, e *Event) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	seen := keySeen + network + "/" + short(e.ID)
	var before string
	if found, err := j.read(ctx, seen, &before); err != nil || found {
		return err
	}
	// Numbers only order what waits; what was done is known by the event's id (keyDone).
	key := fmt.Sprintf("%s%s/%016x", keyEvents, network, j.next)
	row, err := record(key, e)
	if err != nil {
		return err
	}
	mark, err := record(seen, "")
	if err != nil {
		return err
	}
	if err := j.store.Commit(ctx, mls.Delta{row, mark}); err != nil {
		return err
	}
	j.next++
	return nil
}

// waiting are the events of a network in order.
func (j *Journal) waiting(ctx context.Context, network string) ([]queued, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	records, err := j.store.Load(ctx, keyEvents+network+"/")
	if err != nil {
		return nil, err
	}
	out := make([]queued, 0, len(records))
	for _, r := range records {
		q := queued{Key: r.Key}
		if err := json.Unmarshal(r.Value, &q.Event); err != nil {
			return nil, errDamaged
		}
		out = append(out, q)
	}
	return out, nil
}

// known is a message that network and MIMI both have.
type known struct {
	Native  string `json:"native"`
	Message string `json:"message"` // hexadecimal
	Room    string `json:"room"`
	From    string `json:"from"`    // URI of the sender
	Content []byte `json:"content"` // encoded
	Text    string `json:"text"`
}

// both are the records by which a message is found from both sides.
func (k *known) both(network string) (mls.Delta, error) {
	sent, err := record(keySent+network+"/"+k.Message, k)
	if err != nil {
		return nil, err
	}
	out := mls.Delta{sent}
	for native := range strings.SplitSeq(k.Native, AlsoKnown) {
		if native == "" {
			continue
		}
		id, err := record(keyIDs+network+"/"+short(native, k.Room), k)
		if err != nil {
			return nil, err
		}
		out = append(out, id)
	}
	return out, nil
}

// byNative finds the message of a room that the network calls so. Networks choose ids per conversation.
func (j *Journal) byNative(ctx context.Context, network, room, native string) (*known, error) {
	k := new(known)
	if native == "" {
		return nil, nil
	}
	found, err := j.get(ctx, keyIDs+network+"/"+short(native, room), k)
	if err != nil || !found || !slices.Contains(strings.Split(k.Native, AlsoKnown), native) {
		return nil, err
	}
	return k, nil
}

// byMessage finds what the network has of a message.
func (j *Journal) byMessage(ctx context.Context, network, message string) (*known, error) {
	k := new(known)
	found, err := j.get(ctx, keySent+network+"/"+message, k)
	if err != nil || !found {
		return nil, err
	}
	return k, nil
}

// link says where on a network a room is.
type link struct {
	Network string  `json:"network"`
	Room    string  `json:"room"`
	Group   string  `json:"group,omitempty"`
	With    Address `json:"with,omitempty"` // of a conversation of two
	Peer    string  `json:"peer,omitempty"`
}

func (l *link) place() Place {
	if l.Group != "" {
		return Place{Group: l.Group}
	}
	return Place{With: l.With}
}

func (l *link) records() (mls.Delta, error) {
	main, err := record(keyLinks+l.Network+"/"+short(l.Room), l)
	if err != nil {
		return nil, err
	}
	back := keyPairs + l.Network + "/" + short(string(l.With), l.Peer)
	if l.Group != "" {
		back = keyGroups + l.Network + "/" + short(l.Group)
	}
	other, err := record(back, l)
	return mls.Delta{main, other}, err
}

func (j *Journal) saveLink(ctx context.Context, l *link) error {
	d, err := l.records()
	if err != nil {
		return err
	}
	return j.put(ctx, d...)
}

func (j *Journal) linkOf(ctx context.Context, network string, room uri.Room) (*link, error) {
	return j.findLink(ctx, keyLinks+network+"/"+short(room.String()))
}

func (j *Journal) linkOfGroup(ctx context.Context, network, group string) (*link, error) {
	return j.findLink(ctx, keyGroups+network+"/"+short(group))
}

func (j *Journal) linkOfPair(ctx context.Context, network string, with Address, peer string) (*link, error) {
	return j.findLink(ctx, keyPairs+network+"/"+short(string(with), peer))
}

func (j *Journal) findLink(ctx context.Context, key string) (*link, error) {
	l := new(link)
	found, err := j.get(ctx, key, l)
	if err != nil || !found {
		return nil, err
	}
	return l, nil
}
