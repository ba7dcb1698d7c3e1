//go:build browser

package page_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// TestInABrowser types like a person would. It needs Debian's chromium-headless-shell.
func TestInABrowser(t *testing.T) {
	t.Parallel()
	_, url := start(t)
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.ExecPath("chromium-headless-shell"),
		chromedp.WSURLReadTimeout(time.Minute))
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), opts...)
	defer cancel()
	ctx, cancel = chromedp.NewContext(ctx)
	defer cancel()

	var mu sync.Mutex
	var asked, complaints []string
	require.NoError(t, chromedp.Listen(ctx, func(ev any) {
		mu.Lock()
		defer mu.Unlock()
		switch ev := ev.(type) {
		case *network.EventRequestWillBeSent:
			asked = append(asked, ev.Request.URL)
		case *runtime.EventExceptionThrown:
			complaints = append(complaints, ev.ExceptionDetails.Text)
		case *runtime.EventConsoleAPICalled:
			complaints = append(complaints, string(ev.Type))
		}
	}))
	ctx, cancel = context.WithTimeout(ctx, time.Minute)
	defer cancel()
	require.NoError(t, chromedp.Do(ctx,
		chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
			_, err := cdp.Call(ctx, target, network.Enable, network.EnableParams{})
			return err
		}),
		chromedp.Navigate(url+"/"),
		chromedp.WaitVisible("#pause"),
		chromedp.KeyEvent("m"), // the key that goes to the box
		chromedp.WaitVisible("#text:focus"),
		chromedp.KeyEvent(hostie),
		chromedp.KeyEvent("\r"),
		chromedp.WaitVisible("#log > li.me"),
		chromedp.WaitVisible("#turn-1"),
	))
	text, err := chromedp.Run(ctx, chromedp.TextContent("#log > li.me .text"))
	require.NoError(t, err)
	images, err := chromedp.Run(ctx, chromedp.Evaluate[int]("document.images.length"))
	require.NoError(t, err)
	width, err := chromedp.Run(ctx, chromedp.Evaluate[bool](
		"document.documentElement.scrollWidth <= document.documentElement.clientWidth"))
	require.NoError(t, err)
	require.True(t, width, "nothing is cut off")
	require.Equal(t, hostie, text)
	require.Zero(t, images)
	mu.Lock()
	defer mu.Unlock()
	require.Empty(t, complaints)
	require.NotEmpty(t, asked)
	for _, to := range asked {
		require.Contains(t, to, url+"/", "nothing leaves the origin")
	}
}
