package api

// FilesPrefix begins the paths of files. They are apart from the routes: what they carry is streamed, in ranges, and takes as long as it
// takes. doc/files.md describes them.
const FilesPrefix = Prefix + "files/"

// The paths.
const (
	PathFileLimits = FilesPrefix + "limits" // GET: FileLimits
	PathFileUpload = FilesPrefix + "upload" // POST: BeginUpload, Upload; GET: Upload; DELETE
	PathFileChunk  = FilesPrefix + "chunk"  // POST: the octets of a chunk, Upload
	PathFileFetch  = FilesPrefix + "fetch"  // GET: the octets of an asset, or a range of them
	PathFileKeys   = FilesPrefix + "keys"   // GET: application/ohttp-keys of a hub's gateway
	PathFileRelay  = FilesPrefix + "relay"  // POST: message/ohttp-req, message/ohttp-res
)

// Names of query parameters of files.
const (
	ParamID     = "id"     // of an upload
	ParamOffset = "offset" // of a chunk
	ParamURL    = "url"    // of an asset
	ParamHub    = "hub"    // domain of the provider that fetches
)

// Bounds of files.
const (
	MaxRelayed = 16 << 10       // octets of an encapsulated request
	MaxCapsule = 8<<20 + 64<<10 // octets of an encapsulated answer
	FileStall  = 60             // seconds for which an upload or a download may stand still
	TypeAsset  = "application/octet-stream"
)

// FileLimits tells what may be uploaded.
type FileLimits struct {
	MaxSize     uint64   `json:"max_size"`     // octets of one file, encrypted
	KeepSeconds uint64   `json:"keep_seconds"` // how long it is kept
	Hosts       []string `json:"hosts"`        // where it will lie
}

// BeginUpload asks for room.
type BeginUpload struct {
	Size        uint64 `json:"size"`
	KeepSeconds uint64 `json:"keep_seconds"` // shorter than the usual time; 0: that
}

// Upload is how an upload stands. It is complete when Have is Size, and can be read at URL then.
type Upload struct {
	ID      string `json:"id"`
	URL     string `json:"url"`
	Size    uint64 `json:"size"`
	Have    uint64 `json:"have"`
	Chunk   uint64 `json:"chunk"`   // octets of every chunk but the last
	Expires int64  `json:"expires"` // seconds since 1970
}
