package media

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
)

// ErrPicture means that a picture cannot be shown: it is damaged, of another kind, or larger than anybody should decode.
var ErrPicture = errors.New("media: not a picture that can be shown")

// Bounds of what is decoded. A picture of a few octets may say that it has 2^31 pixels.
const (
	maxPixels = 50_000_000
	maxSide   = 30_000
)

// Picture tells a picture's media type and size without decoding it. It reads JPEG, PNG and GIF.
func Picture(octets []byte) (mediaType string, width, height int, err error) {
	k, err := kindOf(octets)
	if err != nil {
		return "", 0, 0, err
	}
	config, err := k.config(bytes.NewReader(octets))
	if err != nil || config.Width < 1 || config.Height < 1 || config.Width > maxSide || config.Height > maxSide ||
		config.Width*config.Height > maxPixels {
		return "", 0, 0, ErrPicture
	}
	return k.name, config.Width, config.Height, nil
}

type kind struct {
	name   string
	config func(io.Reader) (image.Config, error)
	decode func(io.Reader) (image.Image, error)
}

func kindOf(octets []byte) (kind, error) {
	for magic, k := range map[string]kind{
		"\xff\xd8\xff":      {"image/jpeg", jpeg.DecodeConfig, jpeg.Decode},
		"\x89PNG\r\n\x1a\n": {"image/png", png.DecodeConfig, png.Decode},
		"GIF87a":            {"image/gif", gif.DecodeConfig, gif.Decode},
		"GIF89a":            {"image/gif", gif.DecodeConfig, gif.Decode},
	} {
		if bytes.HasPrefix(octets, []byte(magic)) {
			return k, nil
		}
	}
	return kind{}, ErrPicture
}

// Thumbnail makes a JPEG of a picture whose sides are at most side pixels. It carries nothing of the picture but its pixels: no place,
// no time, no camera.
func Thumbnail(octets []byte, side int) ([]byte, error) {
	if _, _, _, err := Picture(octets); err != nil || side < 1 || side > 4096 {
		return nil, ErrPicture
	}
	k, err := kindOf(octets)
	if err != nil {
		return nil, err
	}
	full, err := k.decode(bytes.NewReader(octets))
	if err != nil || full.Bounds().Dx()*full.Bounds().Dy() > maxPixels {
		return nil, ErrPicture
	}
	var out bytes.Buffer
	if err := jpeg.Encode(&out, shrink(full, side), &jpeg.Options{Quality: 75}); err != nil {
		return nil, ErrPicture
	}
	return out.Bytes(), nil
}

// shrink averages boxes of pixels, on white.
func shrink(full image.Image, side int) image.Image {
	b := full.Bounds()
	w, h := b.Dx(), b.Dy()
	if longest := max(w, h); longest > side {
		w, h = max(w*side/longest, 1), max(h*side/longest, 1)
	}
	out := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			box := image.Rect(b.Min.X+x*b.Dx()/w, b.Min.Y+y*b.Dy()/h, b.Min.X+(x+1)*b.Dx()/w, b.Min.Y+(y+1)*b.Dy()/h)
			out.SetRGBA(x, y, average(full, box))
		}
	}
	return out
}

func average(full image.Image, box image.Rectangle) color.RGBA {
	var red, green, blue, count uint64
	// Of a large box a grid of 8 by 8 is enough.
	dx, dy := max(box.Dx()/8, 1), max(box.Dy()/8, 1)
	for y := box.Min.Y; y < max(box.Max.Y, box.Min.Y+1); y += dy {
		for x := box.Min.X; x < max(box.Max.X, box.Min.X+1); x += dx {
			r, g, b, a := full.At(x, y).RGBA()
			white := uint64(0xffff - a)
			red, green, blue, count = red+uint64(r)+white, green+uint64(g)+white, blue+uint64(b)+white, count+1
		}
	}
	return color.RGBA{uint8(red / count >> 8), uint8(green / count >> 8), uint8(blue / count >> 8), 255}
}
