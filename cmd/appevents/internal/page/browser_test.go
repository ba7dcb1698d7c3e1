//go:build browser

package page_test

import (
	"context"
	"flag"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/cmd/appevents/internal/emulator"
)

var (
	program = flag.String("browser", "chromium-headless-shell", "the browser to use")
	soak    = flag.Bool("soak", false, "run what takes minutes")
)

// patience is how long one test may take. No test waits for it: it only ends one that hangs.
const patience = 15 * time.Minute

var browser context.Context

// TestMain starts one browser for all tests.
func TestMain(m *testing.M) {
	flag.Parse()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox,
		chromedp.ExecPath(*program), chromedp.WSURLReadTimeout(time.Minute))
	allocator, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, stop := chromedp.NewContext(allocator)
	browser = ctx //nolint:fatcontext // one for all tests
	if err := chromedp.Do(browser); err != nil {
		fmt.Fprintln(os.Stderr, "the browser does not start:", err)
		os.Exit(1)
	}
	code := m.Run()
	_ = chromedp.Cancel(browser)
	stop()
	cancel()
	os.Exit(code)
}

// tab is a tab of its own, without anything that another test left behind.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu         sync.Mutex
	asked      []string
	complaints []string
}

func openTab(t *testing.T) *tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(browser, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	ctx, stop := context.WithTimeout(ctx, patience)
	t.Cleanup(stop)
	b := &tab{t: t, ctx: ctx}
	require.NoError(t, chromedp.Do(ctx, chromedp.EmulateViewport(1440, 900)))
	require.NoError(t, chromedp.Listen(ctx, func(ev any) {
		if ev, ok := ev.(*network.EventRequestWillBeSent); ok {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.asked = append(b.asked, ev.Request.URL)
		}
	}))
	messages := chromedp.Console(ctx)
	go func() {
		for m, err := range messages {
			if err != nil {
				return
			}
			b.mu.Lock()
			b.complaints = append(b.complaints, m.String())
			b.mu.Unlock()
		}
	}()
	return b
}

// watch lets quiet know what the page asks for. The browser keeps all of it in memory.
func (b *tab) watch() {
	b.t.Helper()
	_, err := chromedp.Call(b.ctx, network.Enable, network.EnableParams{})
	require.NoError(b.t, err)
}

func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	require.NoError(b.t, chromedp.Do(b.ctx, steps...))
}

func (b *tab) open(address string) {
	b.t.Helper()
	b.do(chromedp.Navigate(address), chromedp.WaitReady("#unknown"))
}

// keys types, one key after the other.
func (b *tab) keys(keys ...string) {
	b.t.Helper()
	for _, key := range keys {
		b.do(chromedp.KeyEvent(key))
	}
}

func eval[T any](b *tab, expression string) T {
	b.t.Helper()
	value, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression))
	require.NoError(b.t, err, expression)
	return value
}

// until waits for an expression to become true.
func (b *tab) until(expression string) {
	b.t.Helper()
	_, err := chromedp.Run(b.ctx, chromedp.Poll[bool]("Boolean("+expression+")",
		chromedp.WithPollingInterval(50*time.Millisecond), chromedp.WithPollingTimeout(0)))
	require.NoError(b.t, err, expression)
}

// quiet says that the page asked nobody else for anything and complained about nothing.
func (b *tab) quiet(origin string) {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	require.Empty(b.t, b.complaints)
	require.NotEmpty(b.t, b.asked)
	for _, address := range b.asked {
		require.True(b.t, strings.HasPrefix(address, origin+"/"), "left the origin: %s", address)
	}
}

func (b *tab) scheme(name string) {
	b.t.Helper()
	_, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{
			{Name: "prefers-color-scheme", Value: name}, {Name: "prefers-reduced-motion", Value: "reduce"},
		},
	})
	require.NoError(b.t, err)
}

const hello = "Show me mugs" // what the shop offers in its first answer

// Typing makes a bubble, a row and, in the end, a figure. What looks like a script stays text, wherever it comes from.
func TestBrowserConversation(t *testing.T) {
	t.Parallel()
	s := openShop(t, emulator.Config{})
	_, err := s.e.AddPerson(emulator.Person{Name: hostile})
	require.NoError(t, err)
	b := openTab(t)
	b.watch()
	b.open(s.url + "/")
	b.until("document.activeElement === document.body")
	b.keys("m") // the key that goes to the box
	b.until("document.activeElement.id === 'text'")
	b.keys(hostile, "\r")
	b.until("document.querySelector('#log > .me')")
	require.Equal(t, hostile, eval[string](b, "document.querySelector('#log > .me .text').textContent"))
	b.until("document.querySelector('#turn-1')")
	require.Contains(t, eval[string](b, "document.querySelector('#turn-1 h3').textContent"), hostile)
	b.until("[...document.querySelectorAll('.quick')].some(q => q.textContent === '" + hello + "')")
	b.do(chromedp.Click(".quick"))
	b.until("document.querySelector('.card button')")
	require.Contains(t, eval[string](b, "document.querySelector('.card').textContent"), "https://shop.example/mug.jpg")
	b.do(chromedp.Click(".card button"))
	b.until("document.querySelector('#sums .headline').textContent.includes('55.22 USD')")
	require.Contains(t, eval[string](b, "document.querySelector('#counted').textContent"), "fb_mobile_purchase")
	b.until("document.querySelector('#log > .logged')")

	// The inside of a call comes when it is opened, and stays open when its turn changes.
	b.do(chromedp.Click("#turn-1 summary"))
	b.until("document.querySelector('#turn-1 .inside pre')")
	b.keys("a") // again: a new turn
	b.until("document.querySelector('#turn-4')")
	require.True(t, eval[bool](b, "document.querySelector('#turn-1 details').open"))
	require.Contains(t, eval[string](b, "document.querySelector('#turn-1 .inside').textContent"), "alert(1)")

	require.Zero(t, eval[int](b, "document.images.length"))
	require.Equal(t, 1, eval[int](b, "document.scripts.length"))
	require.Zero(t, eval[int](b, `[...document.querySelectorAll('*')].filter(e =>
		[...e.attributes].some(a => a.name.startsWith('on') || a.name === 'style')).length`))
	b.quiet(s.url)
}

// What reads from right to left, and what would turn the direction of the rest, leaves its neighbours where they are.
func TestBrowserDirections(t *testing.T) {
	t.Parallel()
	s := openShop(t, emulator.Config{})
	const name = "דנה 12"
	p, err := s.e.AddPerson(emulator.Person{Name: name})
	require.NoError(t, err)
	for _, text := range []string{"שלום 12", "\u2069\u202eabc", "\u202b12", "abc"} {
		s.act(emulator.Trigger{Field: "messages", Text: text, PSID: p.PSID})
		s.send(p.PSID, map[string]any{"text": text})
		s.log(p.PSID, map[string]any{"_eventName": text, "_valueToSum": 55.22, "fb_currency": "USD"})
	}
	b := openTab(t)
	b.open(s.url + "/?person=" + p.PSID)
	b.until("document.querySelectorAll('#log > .logged').length === 4")
	// Where texts stand on the same line, each is right of the one before it, and each of ours reads from left to right.
	require.Empty(t, eval[string](b, `(() => {
		const wrong = [];
		let checked = 0;
		for (const line of document.querySelectorAll('.logged p, .turn h3, .call summary, #talk-h, .compose label')) {
			const nodes = document.createTreeWalker(line, NodeFilter.SHOW_TEXT);
			const parts = [];
			while (nodes.nextNode()) if (nodes.currentNode.data.trim()) parts.push(nodes.currentNode);
			const box = (node, from, to) => {
				const r = document.createRange();
				r.setStart(node, from);
				r.setEnd(node, to);
				return r.getBoundingClientRect();
			};
			const letter = (node, n) => box(node, n, n + 1);
			const single = (r, one) => r.height < 1.5 * one.height;
			parts.forEach((node, n) => {
				const first = node.data.search(/\S/), end = node.data.trimEnd().length, one = letter(node, first);
				const all = box(node, first, end);
				if (!single(all, one)) return;
				if (!node.parentElement.closest('bdi, b') && one.left > letter(node, end - 1).left) wrong.push('turned: ' + node.data);
				const before = n && parts[n - 1];
				if (!before) return;
				const other = box(before, before.data.search(/\S/), before.data.trimEnd().length);
				if (!single(other, one) || other.bottom < all.top || all.bottom < other.top) return;
				checked++;
				if (other.right > all.left + 1) wrong.push(before.data + ' | ' + node.data);
			});
		}
		return checked < 20 ? 'only ' + checked + ' pairs' : wrong.join('\n');
	})()`))
	require.Equal(t, 4, eval[int](b, "[...document.querySelectorAll('.logged bdi')].filter(e => e.textContent === '55.22 USD').length"))
	require.Equal(t, "Conversation · "+name, eval[string](b, "document.querySelector('#talk-h').textContent"))
	require.True(t, eval[bool](b, "[...document.querySelectorAll('#log .bot .text')].some(e => e.textContent === '��abc')"))
}

// Every control has a name that assistive technology can read, and the page its landmarks.
func TestBrowserAccessibleNames(t *testing.T) {
	t.Parallel()
	s := openShop(t, emulator.Config{})
	s.session()
	require.NoError(t, s.e.Inject("throttle", "", "", 1))
	b := openTab(t)
	b.watch()
	b.open(s.url + "/")
	showAll(b)
	_, err := chromedp.Call(b.ctx, accessibility.Enable, cdp.Empty{})
	require.NoError(t, err)
	tree, err := chromedp.Call(b.ctx, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{})
	require.NoError(t, err)
	text := func(v *accessibility.Value) string {
		if v == nil {
			return ""
		}
		return strings.Trim(string(v.Value), `"`)
	}
	seen, controls := map[string]int{}, 0
	for _, node := range tree.Nodes {
		role, name := text(node.Role), strings.TrimSpace(text(node.Name))
		if node.Ignored {
			continue
		}
		seen[role]++
		switch role {
		case "button", "link", "textbox", "searchbox", "combobox", "spinbutton", "checkbox", "DisclosureTriangle", "region",
			"log", "navigation", "group", "progressbar", "image", "dialog":
			if role != "group" || node.BackendDOMNodeID == 0 {
				controls++
				require.NotEmpty(t, name, "a %s has no name: %v", role, node.Properties)
			}
		}
	}
	require.Greater(t, controls, 60)
	for _, role := range []string{"banner", "main", "navigation", "log", "table", "dialog", "status"} {
		if role != "dialog" { // it is closed
			require.NotZero(t, seen[role], "%s: %v", role, seen)
		}
	}
	require.Equal(t, 1, eval[int](b, "document.querySelectorAll('h1').length"))
	require.Equal(t, "polite", eval[string](b, "document.getElementById('log').getAttribute('aria-live')"))
	require.Empty(t, eval[string](b, `(() => { const ids = [...document.querySelectorAll('[id]')].map(e => e.id);
		return ids.filter((id, n) => ids.indexOf(id) !== n).join() })()`), "an id is there twice")
}

// showAll opens everything that can be opened.
func showAll(b *tab) {
	b.t.Helper()
	eval[bool](b, "document.querySelectorAll('#more > div').forEach(d => d.hidden = false), true")
	eval[bool](b, "document.querySelectorAll('details').forEach(d => { if (!d.matches('.menu')) d.open = true }), true")
	b.until("[...document.querySelectorAll('details[id]')].every(d => d.querySelector('.inside'))")
	eval[bool](b, "document.querySelectorAll('details').forEach(d => d.open = true), true")
}

// contrast lists the texts whose contrast to what is behind them is below WCAG's AA.
const contrast = `(() => {
	const rgb = (c) => { const m = c.match(/[\d.]+/g).map(Number); return m.length < 4 ? [...m, 1] : m };
	const light = (c) => { const [r, g, b] = c.map((v) => (v /= 255) <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
		return .2126 * r + .7152 * g + .0722 * b };
	const low = [];
	let looked = 0;
	for (const e of document.querySelectorAll('body *')) {
		const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
		if (!own && !e.matches('input') || !e.checkVisibility({ visibilityProperty: true })) continue;
		let at = e, back = [0, 0, 0, 0];
		while (at && back[3] === 0) { back = rgb(getComputedStyle(at).backgroundColor); at = at.parentElement }
		const style = getComputedStyle(e), ink = rgb(style.color);
		for (let up = e; up; up = up.parentElement) if (getComputedStyle(up).opacity !== '1') low.push('opacity ' + up.className);
		const [a, b] = [light(ink), light(back)].sort((x, y) => y - x), ratio = (a + .05) / (b + .05);
		const large = parseFloat(style.fontSize) >= 24 || parseFloat(style.fontSize) >= 18.66 && style.fontWeight >= 700;
		looked++;
		if (back[3] !== 1 || ink[3] !== 1 || ratio < (large ? 3 : 4.5))
			low.push(e.tagName + '.' + e.className + ' ' + ratio.toFixed(2) + ' ' + style.color + ' on ' + back + ': ' + e.textContent.slice(0, 30));
	}
	return { looked, low };
})()`

func TestBrowserContrast(t *testing.T) {
	t.Parallel()
	s := openShop(t, emulator.Config{})
	s.session()
	s.act(emulator.Trigger{Field: "message_reads", PSID: lee})
	_, err := s.e.Probe(t.Context())
	require.NoError(t, err)
	require.NoError(t, s.e.Inject("throttle", "", "", 1))
	require.NoError(t, s.e.Advance(25*time.Hour))
	b := openTab(t)
	b.watch()
	for _, scheme := range []string{"light", "dark"} {
		b.scheme(scheme)
		b.open(s.url + "/")
		showAll(b)
		eval[bool](b, "document.getElementById('said').textContent = 'wrong', true")
		got := eval[struct {
			Looked int
			Low    []string
		}](b, contrast)
		require.Empty(t, got.Low, scheme)
		require.Greater(t, got.Looked, 200, "hardly a text was looked at")
	}
}

func TestBrowserDark(t *testing.T) {
	t.Parallel()
	s := openShop(t, emulator.Config{})
	b := openTab(t)
	b.watch()
	back := func() int { // how light the page is, 0 to 765
		return eval[int](b, "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).slice(0, 3).reduce((a, b) => a + +b, 0)")
	}
	b.scheme("light")
	b.open(s.url + "/")
	require.Greater(t, back(), 600)
	b.scheme("dark")
	require.Less(t, back(), 200)
	b.do(chromedp.Click("#theme"))
	require.Greater(t, back(), 600, "the button is above the system's choice")
	b.open(s.url + "/")
	require.Greater(t, back(), 600, "the choice outlives a reload")
	b.do(chromedp.Click("#theme"))
	require.Less(t, back(), 200)
	require.Equal(t, "none", eval[string](b, `(() => { const d = document.createElement('p');
		d.innerHTML = '<span class="dots"><i></i></span>'; document.body.append(d);
		return getComputedStyle(d.querySelector('i')).animationName })()`), "motion is reduced when asked for")
	b.quiet(s.url)
}

// A whole conversation by Tab, Enter and letters. The focus stays where it is when the page changes.
func TestBrowserKeyboard(t *testing.T) {
	t.Parallel()
	s := openShop(t, emulator.Config{})
	b := openTab(t)
	b.watch()
	b.open(s.url + "/")
	to := func(key, expression string) {
		t.Helper()
		for range 200 {
			if eval[bool](b, "Boolean("+expression+")") {
				return
			}
			b.keys(key)
		}
		require.Fail(t, "not reached", expression)
	}
	const tabKey = "\t"
	back := func() { b.do(chromedp.KeyEvent(tabKey, chromedp.KeyModifiers(chromedp.ModifierShift))) }
	b.keys(tabKey)
	require.Equal(t, "skip", eval[string](b, "document.activeElement.className"))
	b.keys("\r")
	to(tabKey, "document.activeElement.id === 'text'")
	b.keys("hello", "\r")
	b.until("document.querySelector('#log .quick')")
	require.Equal(t, "text", eval[string](b, "document.activeElement.id"), "an update moved the focus")
	for !eval[bool](b, "document.activeElement.textContent === '"+hello+"'") {
		back()
	}
	b.keys("\r")
	b.until("document.querySelector('.card button')")
	require.Equal(t, hello, eval[string](b, "document.activeElement.textContent"), "an update moved the focus")
	to(tabKey, "document.activeElement.textContent === 'Buy the mug'")
	b.keys("\r")
	b.until("document.querySelector('#counted').textContent.includes('fb_mobile_purchase')")
	to(tabKey, "document.activeElement.closest('.faults') && document.activeElement.textContent === 'Throttle'")
	b.keys(" ")
	b.until("document.querySelector('#waiting').textContent.includes('throttle')")
	to(tabKey, "document.activeElement.closest('#turn-1 summary')")
	b.keys("\r")
	b.until("document.querySelector('#turn-1 .inside')")
	to(tabKey, "document.activeElement.dataset.tab === 'leads'")
	b.keys("\r")
	b.until("!document.querySelector('#tab-leads').hidden && document.querySelector('#tab-counted').hidden")
	b.keys("5")
	b.until("!document.querySelector('#tab-setup').hidden")
	b.keys("?")
	b.until("document.querySelector('#help').open")
	b.keys("\x1b")
	b.until("!document.querySelector('#help').open")
	b.keys("p")
	b.until("document.querySelector('#pause').getAttribute('aria-pressed') === 'true'")
	before := eval[int](b, "document.querySelectorAll('#rows > .turn').length")
	b.keys("a")
	b.until("fetch('/-/api/turns').then(r => r.json()).then(o => o.turns.length === " + fmt.Sprint(before+1) + ")")
	require.Equal(t, before, eval[int](b, "document.querySelectorAll('#rows > .turn').length"))
	b.keys("p")
	b.until("document.querySelectorAll('#rows > .turn').length === " + fmt.Sprint(before+1))
	b.quiet(s.url)
}

// 320 pixels are enough: nothing is wider than the screen, whatever is open.
func TestBrowserNarrow(t *testing.T) {
	t.Parallel()
	s := openShop(t, emulator.Config{})
	long := strings.Repeat("Donaudampfschifffahrt", 20)
	_, err := s.e.AddPerson(emulator.Person{Name: long[:200]})
	require.NoError(t, err)
	s.session()
	s.act(emulator.Trigger{Field: "messages", Text: long, PSID: kim})
	s.graph("/v26.0/"+long, url.Values{"x": {long}})
	b := openTab(t)
	b.watch()
	for _, width := range []int64{320, 780, 1260, 1440} {
		b.do(chromedp.EmulateViewport(width, 640))
		b.open(s.url + "/")
		fits := func(what string) {
			t.Helper()
			require.Empty(t, eval[[]string](b, `[...document.querySelectorAll('body *')].filter(e => {
				if (!e.checkVisibility() || e.closest('.scroll, .who, .skip, #more h2')) return false;
				const r = e.getBoundingClientRect();
				return r.width && (r.right > innerWidth + 1 || r.left < -1) }).map(e => e.outerHTML.slice(0, 120))`),
				"%s at %d", what, width)
			require.True(t, eval[bool](b, "document.documentElement.scrollWidth <= document.documentElement.clientWidth"),
				"%s at %d", what, width)
		}
		fits("the page")
		eval[bool](b, "document.querySelector('header .menu').open = true")
		fits("a menu")
		showAll(b)
		eval[bool](b, "document.querySelectorAll('.menu').forEach(d => d.open = false), true")
		fits("everything")
	}
}

func TestBrowserWithoutJavaScript(t *testing.T) {
	t.Parallel()
	s := openShop(t, emulator.Config{})
	b := openTab(t)
	b.watch()
	_, err := chromedp.Call(b.ctx, emulation.SetScriptExecutionDisabled,
		emulation.SetScriptExecutionDisabledParams{Value: true})
	require.NoError(t, err)
	text := func() string { return eval[string](b, "document.body.innerText") }
	submit := func(sel string) {
		t.Helper()
		_, err := chromedp.RunResponse(b.ctx, chromedp.Click(sel))
		require.NoError(t, err)
		s.work.Wait()
		b.do(chromedp.Reload())
	}
	b.open(s.url + "/?tab=leads")
	require.False(t, eval[bool](b, "document.documentElement.classList.contains('js')"))
	require.NotContains(t, text(), "Pause")
	b.do(chromedp.SendKeys("#text", hostile))
	submit(".compose button")
	require.Equal(t, hostile, eval[string](b, "document.querySelector('#log > .me .text').textContent"))
	require.Contains(t, text(), hello)
	require.False(t, eval[bool](b, "document.getElementById('tab-leads').hidden"), "the tab was kept")
	submit(".quick")
	submit(".card button")
	require.Contains(t, text(), "55.22 USD")
	submit("[data-tab=counted]")
	require.Contains(t, text(), "fb_mobile_purchase")
	b.do(chromedp.Click("#x-2 summary"))
	submit("#x-2 .nojs a")
	require.Contains(t, eval[string](b, "document.querySelector('#x-2 .inside').innerText"), "alert(1)")
	b.open(s.url + "/?tab=queue")
	b.do(chromedp.SetValue("#queue input[name=url]", "http://192.0.2.1/"))
	_, err = chromedp.RunResponse(b.ctx, chromedp.Click("#queue button"))
	require.NoError(t, err)
	require.Contains(t, eval[string](b, "document.getElementById('said').textContent"), "on this machine")
	require.Zero(t, eval[int](b, "document.images.length"))
	b.quiet(s.url)
}

// What Meta has (Pages, datasets, limits, a clock) is set in the page, with and without JavaScript.
func TestBrowserSetup(t *testing.T) {
	t.Parallel()
	for name, without := range map[string]bool{"with JavaScript": false, "without": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := openShop(t, emulator.Config{})
			b := openTab(t)
			b.watch()
			_, err := chromedp.Call(b.ctx, emulation.SetScriptExecutionDisabled,
				emulation.SetScriptExecutionDisabledParams{Value: without})
			require.NoError(t, err)
			press := func(button string, loads bool) {
				t.Helper()
				if !loads {
					b.do(chromedp.Click(button))
					return
				}
				_, err := chromedp.RunResponse(b.ctx, chromedp.Click(button))
				require.NoError(t, err)
			}
			b.open(s.url + "/?tab=setup")
			for _, step := range []struct{ form, field, value, want string }{
				{"usage", "percent", "95", "95 % used up"},
				{"clock", "skew", "-10m", "-10m0s off"},
				{"datasets", "id", "77", "Dataset 77"},
				{"pages", "id", "108001112223335", "Tea House"},
			} {
				form := `#setup form[action="/-/api/` + step.form + `"]:not(#undeclare) `
				b.do(chromedp.SetValue(form+"input[name="+step.field+"]", step.value))
				if step.form == "pages" {
					b.do(chromedp.SetValue(form+"input[name=name]", "Tea House"))
				}
				press(form+"button", without || step.form == "pages")
				b.until("document.querySelector('#setup')?.innerText.includes('" + step.want + "')")
			}
			b.until("document.querySelector('form[action=\"/-/api/person\"] select[name=page]')")
			require.Contains(t, eval[string](b, "document.getElementById('status').innerText"), "95 % of the limits used up")
			press("#setup button[form=undeclare]", without)
			b.until("document.querySelector('#setup')?.innerText.includes('No other ID is one.')")
			b.until("!document.querySelector('#setup button[form=undeclare]')")
			b.quiet(s.url)
		})
	}
}

// However long the session, what a browser lays out is bounded, and a key press touches none of it.
func TestBrowserLongSession(t *testing.T) {
	t.Parallel()
	s := openShop(t, emulator.Config{Max: 5000})
	for range 500 { // of ten exchanges each
		s.fill()
	}
	require.Equal(t, 5000, s.e.State().Exchanges)
	b := openTab(t)
	b.watch()
	b.open(s.url + "/")
	bounded := func() {
		t.Helper()
		require.LessOrEqual(t, eval[int](b, "document.getElementById('rows').childElementCount"), 70)
		require.LessOrEqual(t, eval[int](b, "document.getElementById('log').childElementCount"), 100)
		require.Less(t, eval[int](b, "document.querySelectorAll('*').length"), 4_000)
	}
	bounded()
	eval[bool](b, `(() => {
		window.changed = 0;
		new MutationObserver((list) => changed += list.length).observe(document.body,
			{ subtree: true, childList: true, attributes: true, characterData: true });
		window.took = [];
		const text = document.getElementById('text');
		text.focus();
		text.addEventListener('keydown', () => { const at = performance.now();
			requestAnimationFrame(() => setTimeout(() => took.push(performance.now() - at))) });
		return true })()`)
	for range 10 {
		b.keys("x")
	}
	b.until("took.length === 10")
	require.Zero(t, eval[int](b, "changed"), "a key press changes the page")
	t.Logf("5,000 exchanges: %d elements, the slowest of ten key presses on screen in %.0f ms",
		eval[int](b, "document.querySelectorAll('*').length"), eval[float64](b, "Math.max(...took)"))
	for range 30 {
		s.fill()
	}
	last := s.act(emulator.Trigger{Field: "messages", Text: "the last", PSID: kim})
	b.until(fmt.Sprintf("document.getElementById('m-%d')", last.ID))
	bounded()
	b.quiet(s.url)
}
