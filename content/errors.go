package content

// Error is the reason for which octets or a value are refused. It is fit for logs: it holds no content.
type Error string

// The reasons. Section numbers are those of draft-ietf-mimi-content-08.
const (
	ErrTruncated Error = "content: octets end early"
	ErrTrailing  Error = "content: octets left over"
	ErrSize      Error = "content: larger than the limit"              // §9.1, A-C7
	ErrCanonical Error = "content: not deterministic CBOR"             // §6.1
	ErrForbidden Error = "content: CBOR item outside the profile"      // §6.2
	ErrUTF8      Error = "content: text is not UTF-8"                  // §6.2
	ErrShape     Error = "content: wrong type or number of elements"   // §4
	ErrRange     Error = "content: number out of range"                // §4
	ErrKey       Error = "content: extension key not allowed or twice" // §6.2, §4.3
	ErrDepth     Error = "content: nested too deeply"                  // §6.3
	ErrParts     Error = "content: too many body parts"                // §9.1
	ErrHash      Error = "content: unknown hash algorithm"             // §9.1
	ErrExternal  Error = "content: keys do not fit the algorithm"      // §4.5

	// What a well-formed message can still get wrong.
	ErrUnverifiable Error = "content: external part cannot be verified" // C-XP-09
	ErrURL          Error = "content: external part without absolute URL"
	ErrContentHash  Error = "content: size or hash differs from the external part's" // C-XP-08
	ErrDecrypt      Error = "content: external content cannot be decrypted"
	ErrReserved     Error = "content: reserved extension key"                   // §8.2.1
	ErrOrigin       Error = "content: sender or room differs from MLS"          // §9.1
	ErrExpires      Error = "content: expiry more than a year away"             // §9.1
	ErrExpiryRule   Error = "content: expiry against the policy of the room"    // C-XPR-04
	ErrURILength    Error = "content: URI too long for a message ID"            // §3.3
	ErrReaction     Error = "content: not exactly one reaction"                 // §5.3
	ErrLoop         Error = "content: replies or edits lead back to themselves" // §4.1
	ErrFuture       Error = "content: accepted too far in the future"           // §9.1
	ErrPast         Error = "content: accepted before it can have been"         // §9.1
	ErrUnregistered Error = "content: extension key is not registered"          // §8.2.1
	ErrNoOrigin     Error = "content: sender or room missing"                   // C-EXT-08
	ErrEmpty        Error = "content: null body that deletes nothing"           // §4.4
	ErrReference    Error = "content: reference to no single or external part"  // §4.4
	ErrFloat        Error = "content: floating point number"                    // §6.2
	ErrFraming      Error = "content: application framing not well-formed"      // draft-ietf-mls-extensions §6.2
)

func (e Error) Error() string { return string(e) }
