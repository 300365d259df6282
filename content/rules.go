package content

// Optionality says whether something may, must or must not be done in a room (draft-ietf-mimi-room-policy-03 §6). The numbers
// are those of the policy components.
type Optionality uint8

// The three optionalities. Any other number forbids.
const (
	Optional  Optionality = 0
	Required  Optionality = 1
	Forbidden Optionality = 2
)

// ExpiryRule is a room's policy on expiring messages (draft-ietf-mimi-room-policy-03 §6.8). Durations are seconds.
type ExpiryRule struct {
	Need        Optionality
	Least, Most uint32
	Default     *uint32
}

// Check tells whether an expiry is what the room wants. An absolute one is measured from the accepted time, in milliseconds
// since 1970. A receiver shows a message that violates the rule, and says so.
func (r ExpiryRule) Check(e *Expires, accepted uint64) error {
	if e == nil {
		if r.Need == Required {
			return ErrExpiryRule
		}
		return nil
	}
	if r.Need != Optional && r.Need != Required {
		return ErrExpiryRule
	}
	seconds := int64(e.Time)
	if !e.Relative {
		seconds -= int64(accepted / 1000)
	}
	if seconds < int64(r.Least) || seconds > int64(r.Most) {
		return ErrExpiryRule
	}
	return nil
}

// Initial is the expiry of a message whose sender expresses no wish: the room's default, nil if there is none. Where an expiry
// is required and has no default it is the longest one.
func (r ExpiryRule) Initial() *Expires {
	switch {
	case r.Need != Optional && r.Need != Required:
		return nil
	case r.Default != nil:
		return &Expires{Relative: true, Time: *r.Default}
	case r.Need == Required:
		return &Expires{Relative: true, Time: r.Most}
	}
	return nil
}

// PreviewRules are a room's policy on previews of links (draft-ietf-mimi-room-policy-03 §6.3). Links are never looked for in text
// that does not mark them, so there is no rule on that.
type PreviewRules struct {
	Send      Optionality // previews that senders make
	Automatic Optionality // previews that receivers make, by fetching what a link leads to
}

// MaySend reports whether this client puts a preview into a message; wish is the user's, where the policy leaves it open.
func (r PreviewRules) MaySend(wish bool) bool { return r.Send.holds(wish) }

// MayMake reports whether this client fetches what a link leads to in order to show a preview.
func (r PreviewRules) MayMake(wish bool) bool { return r.Automatic.holds(wish) }

func (o Optionality) holds(wish bool) bool { return o == Required || o == Optional && wish }

// Equal reports whether two rules say the same.
func (r ExpiryRule) Equal(q ExpiryRule) bool {
	if (r.Default == nil) != (q.Default == nil) || r.Default != nil && *r.Default != *q.Default {
		return false
	}
	return r.Need == q.Need && r.Least == q.Least && r.Most == q.Most
}
