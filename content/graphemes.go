package content

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

const zeroWidthJoiner = '\u200d'

// clusters counts the characters that a user sees, after the rules of Unicode UAX #29 §3.1 without its tables: combining
// marks, emoji sequences, flags and Hangul jamo are followed, prepended marks of some Indic scripts are not. White space
// alone counts nothing.
func clusters(s string) int {
	if strings.TrimSpace(s) == "" {
		return 0
	}
	count, flags := 0, 0
	previous := rune(-1)
	for _, r := range s {
		joined := previous >= 0 && joins(previous, r)
		if regional(r) {
			flags++
			joined = joined || flags%2 == 0
		} else {
			flags = 0
		}
		if !joined {
			count++
		}
		previous = r
	}
	return count
}

func joins(previous, r rune) bool {
	switch {
	case r == zeroWidthJoiner, unicode.In(r, unicode.Mn, unicode.Me, unicode.Mc):
		return true
	case r >= 0x1F3FB && r <= 0x1F3FF, r >= 0xE0020 && r <= 0xE007F: // skin tones; tags of subdivision flags
		return true
	case previous == zeroWidthJoiner:
		return r >= 0x2190 && unicode.In(r, unicode.So, unicode.Sm) // pictographs, arrows among them
	case r >= 0x1160 && r <= 0x11FF: // Hangul vowels and final consonants
		return jamo(previous) || previous >= 0xAC00 && previous <= 0xD7A3
	case r >= 0x1100 && r < 0x1160, r >= 0xAC00 && r <= 0xD7A3:
		return previous >= 0x1100 && previous < 0x1160
	}
	return false
}

func jamo(r rune) bool { return r >= 0x1100 && r <= 0x11FF }

func regional(r rune) bool { return r >= 0x1F1E6 && r <= 0x1F1FF }

// maxReaction is the most octets of a reaction; the longest emoji sequences have about 40.
const maxReaction = 64

// ReactionText is a text as a reaction to count by: ok is false unless it is one character as a user sees it (§5.3). How an emoji
// wants to be painted makes no difference.
func ReactionText(s string) (text string, ok bool) {
	s = strings.TrimSpace(s)
	if len(s) > maxReaction || !utf8.ValidString(s) || clusters(s) != 1 {
		return "", false
	}
	if plain := strings.NewReplacer("\ufe0e", "", "\ufe0f", "").Replace(s); plain != "" {
		s = plain
	}
	return s, strings.IndexFunc(s, unicode.IsControl) < 0
}
