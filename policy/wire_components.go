package policy

import (
	"parley/mls/wire"
	"parley/syntax"
)

// StatusNotificationPolicy is component 0x0028 and its update (§6.1).
type StatusNotificationPolicy struct {
	Delivery Optionality
	Read     Optionality
}

func (v *StatusNotificationPolicy) Syntax(c *syntax.Codec) {
	optionality(c, &v.Delivery)
	optionality(c, &v.Read)
}

// JoinLinkPolicy is component 0x0029 and its update (§6.2). Link is opaque<V> (A-R3); empty means none.
type JoinLinkPolicy struct {
	OnRequest  bool
	Link       string
	MultiUser  bool
	Expiration uint32 // seconds that a new link lives
}

func (v *JoinLinkPolicy) Syntax(c *syntax.Codec) {
	syntax.Bool(c, &v.OnRequest)
	syntax.Text(c, &v.Link)
	syntax.Bool(c, &v.MultiUser)
	syntax.U32(c, &v.Expiration)
}

// JoinLinksData is component 0x002A: the links in force (§6.2).
type JoinLinksData struct{ Links []string }

func (v *JoinLinksData) Syntax(c *syntax.Codec) { syntax.Texts(c, &v.Links) }

// JoinLinksUpdate changes the list of links; it is the one policy update that does not replace the value.
type JoinLinksUpdate struct {
	Removed []uint32
	Added   []string
}

func (v *JoinLinksUpdate) Syntax(c *syntax.Codec) {
	syntax.U32s(c, &v.Removed)
	syntax.Texts(c, &v.Added)
}

// Apply returns the links after an update: removals by index into the present list, then additions at the end (R-JL-01). The
// receiver is not changed.
func (v *JoinLinksData) Apply(u *JoinLinksUpdate) (JoinLinksData, error) {
	removed := make([]bool, len(v.Links))
	for _, index := range u.Removed {
		if uint64(index) >= uint64(len(v.Links)) {
			return JoinLinksData{}, ErrLinkIndex
		}
		if removed[index] {
			return JoinLinksData{}, ErrLinkTwice
		}
		removed[index] = true
	}
	var out []string
	for i, link := range v.Links {
		if !removed[i] {
			out = append(out, link)
		}
	}
	return JoinLinksData{Links: append(out, u.Added...)}, nil
}

// LinkPreviewPolicy is component 0x002B and its update (§6.3).
type LinkPreviewPolicy struct {
	Autodetect Optionality // finding links in text
	Send       Optionality // previews made by the sender
	Automatic  Optionality // previews made by the receiver
	ProxyUse   Optionality
	Proxy      []string // unless ProxyUse is Forbidden: one URI (A-R4)
}

func (v *LinkPreviewPolicy) Syntax(c *syntax.Codec) {
	optionality(c, &v.Autodetect)
	optionality(c, &v.Send)
	optionality(c, &v.Automatic)
	optionality(c, &v.ProxyUse)
	if v.ProxyUse != Forbidden {
		syntax.Texts(c, &v.Proxy)
	}
}

// Validate checks R-LPV-02 and R-LPV-04.
func (v *LinkPreviewPolicy) Validate() error {
	if v.Autodetect == Required {
		return ErrAutodetect
	}
	if v.ProxyUse != Forbidden && (len(v.Proxy) != 1 || v.Proxy[0] == "") {
		return ErrProxy
	}
	return nil
}

// UploadLocation says where assets are uploaded (§6.4). It is a closed code.
type UploadLocation uint8

const (
	UploadUnspecified   UploadLocation = 0
	UploadLocalProvider UploadLocation = 1
	UploadHub           UploadLocation = 2
)

// DownloadType is a way to download an asset (§6.4). It is a closed code.
type DownloadType uint8

const (
	DownloadDirect   DownloadType = 0
	DownloadHubProxy DownloadType = 1
	DownloadOHTTP    DownloadType = 2
)

// UploadDomain names the hosts to which one provider's users upload.
type UploadDomain struct {
	Provider     string
	Destinations []string
}

func (v *UploadDomain) Syntax(c *syntax.Codec) {
	syntax.Text(c, &v.Provider)
	syntax.Texts(c, &v.Destinations)
}

// AssetPolicy is component 0x002C and its update (§6.4). A size of 0 allows no such asset, the largest number sets no limit (A-R17).
type AssetPolicy struct {
	Location       UploadLocation
	Domains        []UploadDomain
	Allowed        []DownloadType
	Forbidden      []DownloadType
	Default        DownloadType
	MaxImage       uint64 // octets, as the next three
	MaxAudio       uint64
	MaxVideo       uint64
	MaxAttachment  uint64
	ForbiddenMedia []wire.MediaType
	PermittedMedia []*wire.MediaType // empty: every type; each element is present (A-R5)
}

func (v *AssetPolicy) Syntax(c *syntax.Codec) {
	syntax.Closed(c, &v.Location, UploadUnspecified, UploadHub)
	syntax.Structs(c, &v.Domains)
	syntax.Vector(c, &v.Allowed, downloadType)
	syntax.Vector(c, &v.Forbidden, downloadType)
	downloadType(c, &v.Default)
	syntax.U64(c, &v.MaxImage)
	syntax.U64(c, &v.MaxAudio)
	syntax.U64(c, &v.MaxVideo)
	syntax.U64(c, &v.MaxAttachment)
	syntax.Structs(c, &v.ForbiddenMedia)
	syntax.Vector(c, &v.PermittedMedia, func(c *syntax.Codec, m **wire.MediaType) { syntax.OptionalStruct(c, m) })
}

func downloadType(c *syntax.Codec, v *DownloadType) {
	syntax.Closed(c, v, DownloadDirect, DownloadOHTTP)
}

// Validate checks R-AST-02 and R-AST-04. The default must be allowed only where something is allowed: a policy that leaves the
// uploads unspecified may list nothing.
func (v *AssetPolicy) Validate() error {
	if v.Location == UploadHub && len(v.Domains) != 1 {
		return ErrAssetHub
	}
	defaultAllowed := len(v.Allowed) == 0
	for _, a := range v.Allowed {
		defaultAllowed = defaultAllowed || a == v.Default
		for _, f := range v.Forbidden {
			if a == f {
				return ErrDownloadType
			}
		}
	}
	for _, f := range v.Forbidden {
		if f == v.Default {
			return ErrDownloadType
		}
	}
	if !defaultAllowed {
		return ErrDownloadType
	}
	for _, m := range v.PermittedMedia {
		if m == nil {
			return ErrMissingMedia
		}
	}
	return nil
}

// LoggingPolicy is component 0x002D and its update (§6.5). When logging is forbidden nothing follows.
type LoggingPolicy struct {
	Logging         Optionality
	Clients         []string // user URIs (A-R26)
	MachineReadable string
	HumanReadable   string
}

func (v *LoggingPolicy) Syntax(c *syntax.Codec) {
	optionality(c, &v.Logging)
	if v.Logging == Forbidden {
		return
	}
	syntax.Texts(c, &v.Clients)
	syntax.Text(c, &v.MachineReadable)
	syntax.Text(c, &v.HumanReadable)
}

// Active reports whether somebody logs the room (R-LOG-04).
func (v *LoggingPolicy) Active() bool {
	return v.Logging == Required || v.Logging == Optional && len(v.Clients) > 0
}

// Validate checks R-LOG-02.
func (v *LoggingPolicy) Validate() error {
	if v.Logging == Required && len(v.Clients) == 0 {
		return ErrLoggingClient
	}
	return nil
}

// HistoryPolicy is component 0x002E and its update (§6.6). When sharing is forbidden nothing follows.
type HistoryPolicy struct {
	Sharing       Optionality
	Roles         []uint32 // whose holders may share
	Automatically bool
	MaxPeriod     uint32 // seconds
}

func (v *HistoryPolicy) Syntax(c *syntax.Codec) {
	optionality(c, &v.Sharing)
	if v.Sharing == Forbidden {
		return
	}
	syntax.U32s(c, &v.Roles)
	syntax.Bool(c, &v.Automatically)
	syntax.U32(c, &v.MaxPeriod)
}

// Validate refuses the roles that are never in the group (R-HIS-02). Roles without clients are refused by ValidateAgainst.
func (v *HistoryPolicy) Validate() error {
	for _, r := range v.Roles {
		if r == 0 || r == BannedRole {
			return ErrHistoryRole
		}
	}
	return nil
}

// ValidateAgainst also refuses roles that do not exist or can have no client (R-HIS-02).
func (v *HistoryPolicy) ValidateAgainst(roles *RoleData) error {
	if err := v.Validate(); err != nil {
		return err
	}
	for _, index := range v.Roles {
		role, found := roles.Find(index)
		if !found || role.MaximumActive != nil && *role.MaximumActive == 0 {
			return ErrHistoryRole
		}
	}
	return nil
}

// Bot is one bot that the room allows (§6.7).
type Bot struct {
	Name        string
	Description string
	Homepage    string
	Local       bool   // runs beside one user's client
	Role        uint32 // 0: not a participant
	MayTarget   bool   // can_target_message_in_group
	PerUser     bool   // per_user_content
}

func (v *Bot) Syntax(c *syntax.Codec) {
	syntax.Text(c, &v.Name)
	syntax.Text(c, &v.Description)
	syntax.Text(c, &v.Homepage)
	syntax.Bool(c, &v.Local)
	syntax.U32(c, &v.Role)
	syntax.Bool(c, &v.MayTarget)
	syntax.Bool(c, &v.PerUser)
}

// BotPolicy is component 0x002F and its update (§6.7).
type BotPolicy struct{ Bots []Bot }

func (v *BotPolicy) Syntax(c *syntax.Codec) { syntax.Structs(c, &v.Bots) }

// Validate checks R-BOT-02.
func (v *BotPolicy) Validate() error {
	for i := range v.Bots {
		if v.Bots[i].Local && v.Bots[i].Role != 0 {
			return ErrBotRole
		}
	}
	return nil
}

// MessageExpiration is component 0x0030 and its update (§6.8). When expiry is forbidden nothing follows. Durations are seconds.
type MessageExpiration struct {
	Expiring Optionality
	Minimum  uint32
	Maximum  uint32
	Default  *uint32
}

func (v *MessageExpiration) Syntax(c *syntax.Codec) {
	optionality(c, &v.Expiring)
	if v.Expiring == Forbidden {
		return
	}
	syntax.U32(c, &v.Minimum)
	syntax.U32(c, &v.Maximum)
	syntax.Optional(c, &v.Default, syntax.U32[uint32])
}

// Validate checks that minimum, default and maximum are in order (R-MEX-01).
func (v *MessageExpiration) Validate() error {
	if v.Minimum > v.Maximum || v.Default != nil && (*v.Default < v.Minimum || *v.Default > v.Maximum) {
		return ErrExpiration
	}
	return nil
}
