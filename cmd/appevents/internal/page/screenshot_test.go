//go:build browser

package page_test

import (
	"bytes"
	"cmp"
	"flag"
	"image"
	"image/color"
	"image/png"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/cmd/appevents/internal/emulator"
)

var (
	screenshot = flag.String("screenshot", "", "where TestBrowserScreenshot puts the README's picture; empty = nowhere")
	shots      = flag.String("shots", "", "a directory for pictures of other sizes and colours, to look at")
)

// apart is how far two colours are from each other.
func apart(a, b color.RGBA) int {
	red, green, blue := int(a.R)-int(b.R), int(a.G)-int(b.G), int(a.B)-int(b.B)
	return red*red + green*green + blue*blue
}

// small encodes a picture with 256 of its colours, which a page hardly has more of.
func small(t *testing.T, picture []byte) []byte {
	t.Helper()
	img, err := png.Decode(bytes.NewReader(picture))
	require.NoError(t, err)
	count := map[color.RGBA]int{}
	at := func(x, y int) color.RGBA { return color.RGBAModel.Convert(img.At(x, y)).(color.RGBA) }
	bounds := img.Bounds()
	for y := range bounds.Dy() {
		for x := range bounds.Dx() {
			count[at(x, y)]++
		}
	}
	colours := slices.SortedFunc(maps.Keys(count), func(a, b color.RGBA) int {
		return cmp.Or(count[b]-count[a], int(a.R)-int(b.R), int(a.G)-int(b.G), int(a.B)-int(b.B))
	})
	// The most frequent ones, and then whatever differs most from those.
	var palette color.Palette
	away := make([]int, len(colours))
	for len(palette) < min(len(colours), 256) {
		n := len(palette)
		if n >= 96 {
			for m, c := range colours {
				if away[m]*count[c] > away[n]*count[colours[n]] {
					n = m
				}
			}
		}
		palette = append(palette, colours[n])
		for m, c := range colours {
			if d := apart(c, colours[n]); len(palette) == 1 || d < away[m] {
				away[m] = d
			}
		}
	}
	index := map[color.RGBA]uint8{}
	for _, c := range colours {
		index[c] = uint8(palette.Index(c))
	}
	out := image.NewPaletted(bounds, palette)
	for y := range bounds.Dy() {
		for x := range bounds.Dx() {
			out.SetColorIndex(x, y, index[at(x, y)])
		}
	}
	var b bytes.Buffer
	require.NoError(t, (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&b, out))
	return b.Bytes()
}

// TestBrowserScreenshot takes the README's picture when it is told where to put it, and otherwise that it could.
func TestBrowserScreenshot(t *testing.T) {
	t.Parallel()
	s := openShop(t, emulator.Config{})
	s.clock.Store(time.Date(2026, 3, 2, 12, 4, 1, 0, time.UTC).UnixNano())
	s.session()
	b := openTab(t)
	b.scheme("light")
	b.open(s.url + "/")
	b.until("document.querySelectorAll('#rows > .turn').length >= 7")
	picture, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	require.NoError(t, err)
	picture = small(t, picture)
	require.Less(t, len(picture), 200_000, "the README's picture is too large")
	if *screenshot != "" {
		require.NoError(t, os.WriteFile(*screenshot, picture, 0o600))
	}
	if dir := *shots; dir != "" {
		for name, width := range map[string]int64{"320": 320, "900": 900, "1280": 1280, "1440": 1440} {
			for _, scheme := range []string{"light", "dark"} {
				b.scheme(scheme)
				b.do(chromedp.EmulateViewport(width, 800))
				picture, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
				require.NoError(t, err)
				require.NoError(t, os.WriteFile(filepath.Join(dir, name+"-"+scheme+".png"), picture, 0o600))
			}
		}
	}
}
