package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"parley/client"
	"parley/content"
	"parley/device"
	"parley/media"
	"parley/policy"
	"parley/uri"
)

// eventFile tells what happens to a file: chatFile.State says what.
const eventFile = "file"

// chatFile is a file in an event.
type chatFile struct {
	State  string `json:"state"` // "offered", "encrypting", "sending", "sent", "fetching", "saved"
	Number int    `json:"number,omitempty"`
	Name   string `json:"name"`
	Type   string `json:"media_type,omitempty"`
	Size   uint64 `json:"size,omitempty"`
	Have   uint64 `json:"have,omitempty"`
	Path   string `json:"path,omitempty"`
}

// fileVerbs are the commands about files.
func fileVerbs() []chatVerb {
	return []chatVerb{
		{"file", "PATH", "send a file, encrypted; what was cut goes on at the next start", func(c *chatLine, arg string, _ uri.Provider) error {
			c.text = arg
			return needed(arg)
		}},
		{"files", "", "list the files of the room, the last one first", bare},
		{"get", "[N] [DIRECTORY]", "fetch the Nth last file (1), verify it and save it here or there", func(c *chatLine, arg string, _ uri.Provider) error {
			c.n = 1
			number, rest, _ := strings.Cut(arg, " ")
			if n, err := strconv.Atoi(number); err == nil && n >= 1 {
				c.n, arg = n, strings.TrimSpace(rest)
			}
			c.text = arg
			return nil
		}},
	}
}

func isFileVerb(verb string) bool { return verb == "file" || verb == "files" || verb == "get" }

const (
	// mostInline is the size of a picture that goes into the message itself.
	mostInline = 40 << 10
	// thumbnailSide is the longer side of a preview in pixels, mostPreview its octets.
	thumbnailSide = 240
	mostPreview   = 32 << 10
	// mostPicture is how much of a file is read to look at it as a picture.
	mostPicture = 32 << 20
)

func (s *chat) transfers(file chatFile) *device.Transfers {
	return &device.Transfers{Dir: filepath.Join(s.home, "transfers"), Files: s.way, Direct: device.Direct(nil, nil),
		Progress: func(have, size uint64) {
			file.Have, file.Size = have, size
			s.emit(chatEvent{Type: eventFile, File: &file})
		}}
}

// fileRoom is what has to be known of the current room.
type fileRoom struct {
	at     uri.Room
	policy *policy.AssetPolicy
	files  []roomFile
}

// roomFile is a file of the room, the last one first.
type roomFile struct {
	sender uri.User
	part   content.Part
}

// fileRoom looks at the current room in the device's goroutine.
func (s *chat) fileRoom(ctx context.Context) (out fileRoom, err error) {
	err = s.dev.Do(ctx, func(c *client.Client) error {
		out.at = s.current
		r, ok := c.Room(out.at)
		if !ok {
			return errors.New("no room is chosen; /room chooses one, /rooms lists them, /new NAME makes one")
		}
		if !r.Active() {
			return client.ErrNoRoom
		}
		var err error
		if out.policy, err = r.AssetPolicy(); err != nil {
			return err
		}
		out.files, err = filesOf(ctx, c, out.at)
		return err
	})
	return out, err
}

func filesOf(ctx context.Context, c *client.Client, at uri.Room) ([]roomFile, error) {
	list, err := c.Messages(ctx, at, 1000)
	if err != nil {
		return nil, err
	}
	var out []roomFile
	for i := len(list) - 1; i >= 0; i-- {
		for _, p := range list[i].Body.All() {
			if isFile(p) {
				out = append(out, roomFile{list[i].Sender, p})
			}
		}
	}
	return out, nil
}

// isFile tells whether a part is one to be saved: what lies elsewhere, and pictures in the message that are no previews.
func isFile(p content.Part) bool {
	switch body := p.Body.(type) {
	case content.External:
		return p.Disposition != content.DispositionSession
	case content.Single:
		return p.Disposition != content.DispositionPreview && p.Disposition != content.DispositionReaction &&
			strings.HasPrefix(strings.ToLower(body.ContentType), "image/")
	}
	return false
}

// file describes a part.
func (f *roomFile) file(number int) chatFile {
	out := chatFile{State: "offered", Number: number}
	switch body := f.part.Body.(type) {
	case content.External:
		out.Name, out.Type, out.Size = content.SafeFilename(body.Filename), body.ContentType, body.Size
	case content.Single:
		out.Type, out.Size = body.ContentType, uint64(len(body.Content))
	}
	if out.Name == "" {
		out.Name = "file"
		if kind, _, err := mime.ParseMediaType(out.Type); err == nil && strings.HasPrefix(kind, "image/") {
			out.Name = "picture." + content.SafeFilename(strings.TrimPrefix(kind, "image/"))
		}
	}
	return out
}

// aside runs what takes long beside the conversation; a script waits for it.
func (s *chat) aside(do func()) {
	if s.script {
		do()
		return
	}
	s.jobs.Go(do)
}

// doFile does what a command about files says, outside of the device's goroutine: it may take long.
func (s *chat) doFile(ctx context.Context, line int, cmd *chatLine) error {
	room, err := s.fileRoom(ctx)
	if err != nil {
		return explainChat(err)
	}
	switch cmd.verb {
	case "file":
		return s.sendFile(ctx, line, room, cmd.text)
	case "get":
		return s.getFile(ctx, line, room, cmd.n, cmd.text)
	}
	for i := range room.files {
		f := room.files[i].file(i + 1)
		s.emit(chatEvent{Type: eventFile, Line: line, Room: room.at.String(), User: room.files[i].sender.String(), File: &f})
	}
	if len(room.files) == 0 {
		return errors.New("there is no file in this room")
	}
	return nil
}

// looked is what a look at a file has shown.
type looked struct {
	kind    string
	size    int64
	octets  []byte // of a small picture
	preview []byte // of a large one
}

func look(path string) (out looked, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return out, errors.New("the file cannot be read: " + reason(err))
	}
	if !info.Mode().IsRegular() || info.Size() == 0 {
		return out, errors.New("that is no file, or an empty one")
	}
	out.size, out.kind = info.Size(), mime.TypeByExtension(filepath.Ext(path))
	if out.size > mostPicture {
		return out.named(nil), nil
	}
	octets, err := os.ReadFile(path)
	if err != nil {
		return out, errors.New("the file cannot be read: " + reason(err))
	}
	// What is no picture, or one too large to be decoded, goes without a preview.
	kind, _, _, err := media.Picture(octets)
	if err != nil {
		return out.named(octets), nil
	}
	out.kind = kind
	if out.size <= mostInline {
		out.octets = octets
		return out, nil
	}
	if preview, err := media.Thumbnail(octets, thumbnailSide); err == nil && len(preview) <= mostPreview {
		out.preview = preview
	}
	return out, nil
}

func (l looked) named(octets []byte) looked {
	if l.kind == "" {
		l.kind = "application/octet-stream"
		if len(octets) > 0 {
			l.kind = http.DetectContentType(octets)
		}
	}
	return l
}

func (s *chat) sendFile(ctx context.Context, line int, room fileRoom, path string) error {
	seen, err := look(path)
	if err != nil {
		return err
	}
	limits, err := s.way.FileLimits(ctx)
	if err != nil {
		return explainFile(err)
	}
	if err := client.MaySend(room.policy, s.self.User, room.at.Provider(), seen.kind, uint64(seen.size), limits.Hosts); err != nil {
		return explainFile(err)
	}
	file := chatFile{State: "sent", Name: content.SafeFilename(filepath.Base(path)), Type: seen.kind, Size: uint64(seen.size)}
	if seen.octets != nil {
		part := content.Part{Disposition: content.DispositionInline, Body: content.Single{ContentType: seen.kind, Content: seen.octets}}
		if err := s.post(ctx, room.at, part); err != nil {
			return err
		}
		s.emit(chatEvent{Type: eventFile, Line: line, Room: room.at.String(), File: &file})
		return nil
	}
	if uint64(seen.size)+16 > limits.MaxSize {
		return fmt.Errorf("the file is too large: your provider takes %d octets", limits.MaxSize)
	}
	file.State = "encrypting"
	s.emit(chatEvent{Type: eventFile, Line: line, Room: room.at.String(), File: &file})
	file.State = "sending"
	t := s.transfers(file)
	o, err := t.Prepare(ctx, room.at, path, content.External{ContentType: seen.kind, Filename: file.Name})
	if err != nil {
		return explainFile(err)
	}
	o.Preview = seen.preview
	return s.upload(ctx, line, t, o, true)
}

// upload sends what is sealed, and the message with it when all is there. Who is not patient tries once.
func (s *chat) upload(ctx context.Context, line int, t *device.Transfers, o *device.Outgoing, patient bool) error {
	err := t.Send(ctx, o)
	for pause := time.Second; err != nil; pause = min(2*pause, time.Minute) {
		var retry *client.RetryError
		if !errors.As(err, &retry) || ctx.Err() != nil {
			return errors.Join(explainFile(err), s.giveUp(ctx, t, o))
		}
		if !patient {
			return explainFile(err)
		}
		timer := time.NewTimer(max(pause, retry.After))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-s.hurry:
			timer.Stop()
			return explainFile(err)
		}
		err = t.Send(ctx, o)
	}
	at, err := uri.ParseRoom(o.Room)
	if err != nil {
		return err
	}
	part := content.Part{Disposition: content.DispositionAttachment, Body: o.Part}
	if o.Preview != nil {
		preview := content.Part{Disposition: content.DispositionPreview, Body: content.Single{ContentType: "image/jpeg", Content: o.Preview}}
		part = content.Part{Disposition: content.DispositionAttachment, Body: content.Multi{Semantics: content.ProcessAll, Parts: []content.Part{preview, part}}}
	}
	if err := s.post(ctx, at, part); err != nil {
		return err
	}
	file := chatFile{State: "sent", Name: content.SafeFilename(o.Part.Filename), Type: o.Part.ContentType, Size: o.Part.Size}
	s.emit(chatEvent{Type: eventFile, Line: line, Room: o.Room, File: &file})
	return t.Done(o)
}

// giveUp forgets an upload that was refused for good; one that was cut by the end of the session is kept.
func (s *chat) giveUp(ctx context.Context, t *device.Transfers, o *device.Outgoing) error {
	if ctx.Err() != nil {
		return nil
	}
	return t.Done(o)
}

func (s *chat) post(ctx context.Context, at uri.Room, part content.Part) error {
	var wrong error
	err := s.dev.Do(ctx, func(c *client.Client) error {
		_, wrong = c.Post(ctx, at, client.Outgoing{Body: &part})
		return s.look(ctx, c)
	})
	return errors.Join(explainChat(wrong), err)
}

// resumeFiles goes on with what an earlier session did not finish.
func (s *chat) resumeFiles(ctx context.Context) {
	t := s.transfers(chatFile{State: "sending"})
	list, err := t.Pending()
	if err != nil {
		s.complain(0, err)
		return
	}
	for _, o := range list {
		t := s.transfers(chatFile{State: "sending", Name: content.SafeFilename(o.Part.Filename), Type: o.Part.ContentType})
		if err := s.upload(ctx, 0, t, o, false); err != nil && ctx.Err() == nil {
			s.complain(0, err)
		}
	}
}

func (s *chat) getFile(ctx context.Context, line int, room fileRoom, n int, dir string) error {
	if n > len(room.files) {
		return errors.New("there is no such file in this room; /files lists them")
	}
	f := &room.files[n-1]
	file := f.file(n)
	target := filepath.Join(dir, file.Name)
	var err error
	if single, ok := f.part.Body.(content.Single); ok {
		file.Path, err = saveNew(target, single.Content)
	} else {
		file.State = "fetching"
		file.Path, err = s.fetch(ctx, room, f, file, target)
	}
	if err != nil {
		return explainFile(err)
	}
	file.State = "saved"
	s.emit(chatEvent{Type: eventFile, Line: line, Room: room.at.String(), User: f.sender.String(), File: &file})
	return nil
}

// fetch downloads, and goes on where the connection was cut, a few times.
func (s *chat) fetch(ctx context.Context, room fileRoom, f *roomFile, file chatFile, target string) (string, error) {
	e, ok := f.part.Body.(content.External)
	if !ok {
		return "", client.ErrFileMissing
	}
	hub := room.at.Provider()
	way, err := client.MayFetch(room.policy, f.sender, hub, &e, s.now())
	if err != nil {
		return "", err
	}
	t := s.transfers(file)
	if most := client.MostOctets(room.policy, e.ContentType); most < 256<<20 {
		t.Limit = most
	}
	for range 5 {
		var path string
		if path, err = t.Fetch(ctx, hub, way, &e, target); err == nil {
			return path, nil
		}
		var retry *client.RetryError
		if !errors.As(err, &retry) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return "", err
		}
	}
	return "", err
}

// saveNew writes a file that does not exist yet.
func saveNew(path string, octets []byte) (string, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", errors.New("the file cannot be written: " + reason(err))
	}
	_, err = f.Write(octets)
	return path, errors.Join(err, f.Close())
}

// explainFile says what to do about errors of files.
func explainFile(err error) error {
	var retry *client.RetryError
	switch {
	case errors.Is(err, client.ErrFileExpired), errors.Is(err, client.ErrFileMissing):
		return errors.New("the file is not there any more: files are kept for some time only")
	case errors.Is(err, client.ErrFileType):
		return errors.New("the room allows no files of that type")
	case errors.Is(err, client.ErrFileSize):
		return errors.New("the file is larger than the room allows")
	case errors.Is(err, client.ErrFileHost), errors.Is(err, client.ErrFileURL):
		return errors.New("the file lies where the room's policy does not allow files; nothing was fetched")
	case errors.Is(err, content.ErrContentHash), errors.Is(err, content.ErrDecrypt), errors.Is(err, content.ErrSize):
		return errors.New("what was fetched is not what the sender has sent; it was thrown away")
	case errors.Is(err, content.ErrUnverifiable):
		return errors.New("the file cannot be verified; nothing was fetched")
	case errors.As(err, &retry):
		return fmt.Errorf("%s; the file goes on from where it was", retry.Error())
	}
	return err
}

// fileText is an event of a file for people.
func fileText(e *chatEvent) string {
	f := e.File
	name := cleanLine(f.Name)
	switch f.State {
	case "offered":
		return fmt.Sprintf("%d  %s  %s  %s  from %s", f.Number, name, sizeText(f.Size), cleanLine(f.Type), shortUser(e.User))
	case "sending", "fetching":
		if f.Size == 0 {
			return fmt.Sprintf("%s %s: %s", f.State, name, sizeText(f.Have))
		}
		return fmt.Sprintf("%s %s: %d %% of %s", f.State, name, f.Have*100/f.Size, sizeText(f.Size))
	case "saved":
		return fmt.Sprintf("saved %s: %s", name, f.Path)
	}
	return fmt.Sprintf("%s %s (%s)", f.State, name, sizeText(f.Size))
}

func sizeText(n uint64) string {
	for _, unit := range []string{"B", "KiB", "MiB", "GiB"} {
		if n < 1024 || unit == "GiB" {
			return strconv.FormatUint(n, 10) + " " + unit
		}
		n /= 1024
	}
	return ""
}
