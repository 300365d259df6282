package hub

import (
	"context"
	"crypto/sha256"
	"time"

	"parley/mimi"
	"parley/policy"
	"parley/room"
	"parley/uri"
)

const (
	// MostReported is how many messages one report may bring.
	MostReported = 64
	// MostWaiting is how many undecided reports of one provider are kept; above it further ones are told to come later.
	MostWaiting = 10000
	// ResolvedKept is how long a report is kept after it was decided.
	ResolvedKept = 180 * 24 * time.Hour

	maxNote = 16 << 10
)

// ReportAbuse takes a report of misconduct in a room of this hub (§5.9). Every message in it is judged, and a report whose messages do
// not stand is kept like the others, marked as unverified (P-AB-04): nil says only that an operator will see it.
//
// A snapshot, then one transaction. The same request again changes nothing.
func (h *Hub) ReportAbuse(ctx context.Context, caller uri.Provider, at uri.Room, r *mimi.AbuseReport) error {
	if h.cfg.Cases.Update == nil || h.cfg.ReadContent == nil {
		return mimi.Errorf(mimi.NotFound, "reports are not taken here")
	}
	if err := checkReport(caller, r); err != nil {
		return err
	}
	s, err := h.load(ctx, at, nil)
	if err == errNoRoom {
		return errOutsider // P-AB-10: whether there is such a room is told to its participants only
	}
	if err != nil {
		return err
	}
	if err := mayReport(s, caller, r.Reporter); err != nil {
		return err
	}
	reporter, err := uri.ParseUser(r.Reporter)
	if err != nil {
		reporter = uri.User{} // anonymous
	}
	if err := h.allowed("reportAbuse", caller, reporter, at); err != nil {
		return err
	}
	whole, err := requestHash("reportAbuse", caller, at, r)
	if err != nil {
		return err
	}
	verdicts, err := h.judgeReported(ctx, at, r)
	if err != nil {
		return err
	}
	return storeError(h.cfg.Cases.Update(ctx, func(tx CaseTx) error {
		if known, err := tx.Marked(whole); err != nil || known {
			return err
		}
		if n, err := tx.Waiting(caller); err != nil || n >= MostWaiting {
			return errorOr(err, &mimi.Error{Code: mimi.TooMany, Detail: "too many reports wait here", RetryAfter: time.Hour})
		}
		report := &Report{At: h.cfg.Now(), Caller: caller, Room: at, Content: *r, Verdicts: append([]Verdict(nil), verdicts...),
			Marks: [][32]byte{whole}}
		for i := range report.Verdicts {
			if report.Verdicts[i] != Genuine {
				continue
			}
			mark := messageMark(caller, r.Reporter, &r.Messages[i].Frank)
			known, err := tx.Marked(mark)
			if err != nil {
				return err
			}
			if known || contains(report.Marks, mark) {
				report.Verdicts[i] = AlreadyKnown
				continue
			}
			report.Marks = append(report.Marks, mark)
		}
		return tx.AddReport(report)
	}))
}

func errorOr(err, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}

func contains(all [][32]byte, one [32]byte) bool {
	for _, m := range all {
		if m == one {
			return true
		}
	}
	return false
}

// messageMark names a message of a reporter. An anonymous report counts as its provider's.
func messageMark(caller uri.Provider, reporter string, f *mimi.Frank) [32]byte {
	by := sha256.Sum256([]byte(caller.String() + "\x00" + reporter))
	return sha256.Sum256(append(by[:], f.ServerFrank[:]...))
}

var errOutsider = mimi.Errorf(mimi.Forbidden, "only a provider with participants in the room reports of it")

func checkReport(caller uri.Provider, r *mimi.AbuseReport) error {
	if err := r.Validate(nil); err != nil {
		return mimi.Errorf(mimi.BadRequest, "%v", err)
	}
	if len(r.Note) > maxNote || len(r.Messages) > MostReported {
		return mimi.Errorf(mimi.BadRequest, "the note is too long, or there are too many messages")
	}
	if r.Reporter == "" {
		return nil // P-AB-02
	}
	if u, err := uri.ParseUser(r.Reporter); err != nil || u.Provider() != caller {
		return mimi.Errorf(mimi.Forbidden, "the reporting user is not one of the caller") // P-AB-10
	}
	return nil
}

// mayReport requires a participant who may report (P-AB-12); for an anonymous report, one of the caller's users who may.
func mayReport(s *snapshot, caller uri.Provider, reporter string) error {
	state, err := room.Read(s.group)
	if err != nil {
		return &mimi.Error{Code: mimi.Internal, Err: err}
	}
	there := false
	var refused error
	for key, p := range s.people {
		user, err := uri.ParseUser(key)
		if err != nil || user.Provider() != caller {
			continue
		}
		there = true
		if reporter != "" && !uri.Equal(reporter, key) {
			continue
		}
		if refused = state.Roles.Decide(policy.Actor{Role: p.Role}, policy.Use(policy.CanReportAbuse)); refused == nil {
			return nil
		}
	}
	switch {
	case refused != nil:
		return mimi.Errorf(mimi.Forbidden, "%v", refused)
	case there:
		return mimi.Errorf(mimi.Forbidden, "the reporting user is not a participant of the room")
	}
	return errOutsider
}

// judgeReported says what each message is worth.
func (h *Hub) judgeReported(ctx context.Context, at uri.Room, r *mimi.AbuseReport) ([]Verdict, error) {
	var keys []HubKey
	err := h.cfg.Cases.View(ctx, func(tx CaseTx) (err error) {
		keys, err = tx.HubKeys()
		return err
	})
	if err != nil {
		return nil, storeError(err)
	}
	out := make([]Verdict, len(r.Messages))
	for i := range r.Messages {
		out[i] = h.judgeOne(keys, at, r.Abuser, &r.Messages[i])
	}
	return out, nil
}

func (h *Hub) judgeOne(keys []HubKey, at uri.Room, abuser string, m *mimi.AbusiveMessage) Verdict {
	read, err := h.cfg.ReadContent(m.Content)
	switch {
	case err != nil || read.Sender == "" || read.Room == "":
		return Unreadable
	case !uri.Equal(read.Room, at.String()):
		return OtherRoom
	case !uri.Equal(read.Sender, abuser):
		return OtherSender
	}
	context := &mimi.FrankingContext{Sender: read.Sender, Room: read.Room, AcceptedAt: m.AcceptedAt}
	if !h.signed(&m.Frank, context) {
		return Forged
	}
	tag := mimi.NewFrankingTag(read.Salt, m.Content)
	for _, k := range keys { // few; a message of the moment of a rotation may have either
		if m.Frank.IsOf(k.Secret, tag, context) {
			return Genuine
		}
	}
	if uint64(max(h.cfg.Now().Add(-HubKeyKept).UnixMilli(), 0)) > m.AcceptedAt {
		return TooOld
	}
	return MovedFrank
}

// signed reports whether one of the hub's keys has signed the frank for a context. All are tried that fit its suite: the room may have
// another one by now (P-AB-05).
func (h *Hub) signed(f *mimi.Frank, context *mimi.FrankingContext) bool {
	for _, k := range h.cfg.Keys {
		if f.Verify(k.Sender.SignatureKey, context, h.cfg.MLS.Suites) == nil {
			return true
		}
	}
	return false
}

// Authorship is what the hub needs to know of the content of a reported message.
type Authorship struct {
	Salt         []byte
	Sender, Room string
}

// Reports lists reports with an ID above after, ascending; only those that wait for a decision if open is set.
func (h *Hub) Reports(ctx context.Context, after uint64, limit int, open bool) (list []Report, err error) {
	if h.cfg.Cases.View == nil {
		return nil, nil
	}
	err = h.cfg.Cases.View(ctx, func(tx CaseTx) error {
		list, err = tx.Reports(after, limit, open)
		return err
	})
	return list, err
}

// Resolve notes an operator's decision. false means that there is no such report, or one that is decided.
func (h *Hub) Resolve(ctx context.Context, id uint64, outcome string) (done bool, err error) {
	if h.cfg.Cases.Update == nil {
		return false, nil
	}
	err = h.cfg.Cases.Update(ctx, func(tx CaseTx) error {
		done, err = tx.Resolve(id, h.cfg.Now(), outcome)
		return err
	})
	return done, err
}
