package media

import (
	"slices"
	"strings"
)

// Capability is a capability identifier of TS 26.143. Any text that begins with 26143_ may be one: unknown ones are kept.
type Capability string

// The capabilities of table 5.1-1.
const (
	ContainerSingle      Capability = "26143_CONTAINER_RFC2046_SINGLE"
	ContainerMixed       Capability = "26143_CONTAINER_RFC2046_MIXED"
	ContainerAlternative Capability = "26143_CONTAINER_RFC2046_ALTERNATIVE"
	ContainerParallel    Capability = "26143_CONTAINER_RFC2046_PARALLEL"
	ContainerRelated     Capability = "26143_CONTAINER_RFC2387_RELATED"
	Container3GP9        Capability = "26143_CONTAINER_MP4_3GP9"
	ContainerMP42        Capability = "26143_CONTAINER_MP4_MP42"
	TextPlain            Capability = "26143_TEXT_PLAIN"
	AudioIVAS            Capability = "26143_AUDIO_IVAS"
	AudioEVS             Capability = "26143_AUDIO_EVS"
	AudioAMRWB           Capability = "26143_AUDIO_AMR-WB"
	AudioAMR             Capability = "26143_AUDIO_AMR"
	AudioXHEAAC          Capability = "26143_AUDIO_XHE-AAC"
	AudioEAACPlus        Capability = "26143_AUDIO_EAAC+"
	ImageJPEG            Capability = "26143_IMG_JPEG"
	ImageHEIC            Capability = "26143_IMG_HEIC"
	ImageGIF             Capability = "26143_IMG_GIF"
	ImagePNG             Capability = "26143_IMG_PNG"
)

// Known lists them in the order of the table.
func Known() []Capability {
	return []Capability{ContainerSingle, ContainerMixed, ContainerAlternative, ContainerParallel, ContainerRelated, Container3GP9,
		ContainerMP42, TextPlain, AudioIVAS, AudioEVS, AudioAMRWB, AudioAMR, AudioXHEAAC, AudioEAACPlus, ImageJPEG, ImageHEIC, ImageGIF,
		ImagePNG}
}

// SignalledAs returns the media type by which a capability shows in a message; empty for SINGLE, which is any type, and for those that
// are not known.
func (c Capability) SignalledAs() string {
	switch c {
	case ContainerMixed:
		return "multipart/mixed"
	case ContainerAlternative:
		return "multipart/alternative"
	case ContainerParallel:
		return "multipart/parallel"
	case ContainerRelated:
		return "multipart/related"
	case Container3GP9:
		return `video/mp4;profile="3gp9"`
	case ContainerMP42:
		return `video/mp4;profile="mp42"`
	case TextPlain:
		return "text/plain"
	case AudioIVAS, AudioEVS, AudioAMRWB, AudioAMR, AudioXHEAAC, AudioEAACPlus:
		return "audio/mp4"
	case ImageJPEG:
		return "image/jpeg"
	case ImageHEIC:
		return `image/heic;profile="heic,MiHB";imageTypes="hvc1.2.4.L153.B0"`
	case ImageGIF:
		return "image/gif"
	case ImagePNG:
		return "image/png"
	}
	return ""
}

// Parse reads a list of capabilities separated by commas or space. What is no capability of TS 26.143 is left out; unknown ones stay.
func Parse(text string) []Capability {
	var out []Capability
	for _, word := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' }) {
		if c := Capability(word); strings.HasPrefix(word, "26143_") && !slices.Contains(out, c) {
			out = append(out, c)
		}
	}
	return out
}

// Profile is a profile of an MMBP by its URN.
type Profile struct {
	Release string // "18", "19"
	Name    string // "baseline-mmbp-player"
}

// The profiles' names (annex A).
const (
	BaselinePlayer    = "baseline-mmbp-player"
	BaselineGenerator = "baseline-mmbp-generator"
)

const (
	urnPrefix     = "urn:3gpp:26143:" // scheme and namespace are the same in any case (RFC 8141)
	writtenPrefix = "urn:3GPP:26143:" // as 3GPP writes it
)

// ParseProfile reads a profile's URN. Releases and names that are not known are kept.
func ParseProfile(urn string) (Profile, bool) {
	if len(urn) <= len(urnPrefix) || !strings.EqualFold(urn[:len(urnPrefix)], urnPrefix) {
		return Profile{}, false
	}
	release, name, ok := strings.Cut(urn[len(urnPrefix):], ":")
	if !ok || name == "" || release == "" || strings.Trim(release, "0123456789") != "" || strings.ContainsAny(name, " \t:") {
		return Profile{}, false
	}
	return Profile{release, name}, true
}

// String is the URN as 3GPP writes it.
func (p Profile) String() string { return writtenPrefix + p.Release + ":" + p.Name }

// Baseline is what a baseline player takes at least (clause 6.2), as far as it is known: its containers, and plain text.
func Baseline() []Capability {
	return []Capability{ContainerSingle, ContainerMixed, ContainerAlternative, ContainerRelated, Container3GP9, TextPlain}
}
