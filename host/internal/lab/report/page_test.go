package report_test

import (
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"

	"idlehost/host/internal/lab/report"
	"idlehost/host/internal/lab/study"
)

func page(t *testing.T, s *study.Study) string {
	t.Helper()
	var b strings.Builder
	if err := report.HTML(&b, s); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestPageNeedsNothing: no address in it is ever fetched, and nothing may run
// that is not in it.
func TestPageNeedsNothing(t *testing.T) {
	text := page(t, sample())
	for _, bad := range []string{"<link", "<img", "<iframe", "src=", "@import", "url(", "unsafe-", "{{", "fetch(", "XMLHttpRequest"} {
		if strings.Contains(text, bad) {
			t.Errorf("the page has %s", bad)
		}
	}
	if !strings.Contains(text, `content="default-src 'none'; script-src 'sha256-`) {
		t.Error("the page has no rules")
	}
}

func TestPageIsTheSameTwice(t *testing.T) {
	if a, b := page(t, sample()), page(t, sample()); a != b {
		t.Error("the same study gives two pages")
	}
}

// TestPageIsReadWithoutScripts: the answer, the tables and the command are text.
func TestPageIsReadWithoutScripts(t *testing.T) {
	text := page(t, sample())
	for _, want := range []string{
		`<h1 id="headline" aria-live="polite">adaptive costs`, "<noscript><pre", "best fixed, 53.9 s",
		"host replay --trace town.trace --policy adaptive:quantile=0.9 --policy fixed:5s --policy fixed:28s",
		"--worth 2m --rtt 50ms --round-trips 2 --handshake-cpu 600us --seed 1 --out report.html",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in the page", want)
		}
	}
}

// TestCommandIsOneForAShell: what is copied into a shell runs nothing else.
func TestCommandIsOneForAShell(t *testing.T) {
	s := sample()
	s.Trace.Name, s.Setting.Tenant, s.Setting.WarmupMs, s.Setting.Limit, s.Setting.HoldBytes = "a b'; rm -rf $HOME\n", "t`id`", 90_000, 7, 900
	s.Policies[0].Name, s.Policies[0].Params = "adaptive:quantile=0.9,b=1,2,a=3", map[string]string{"a": "3", "quantile": "0.9", "b": "1,2"}
	text := page(t, s)
	for _, want := range []string{
		" --policy adaptive:quantile=0.9,b=1,2,a=3 ",
		`--trace &#39;a b&#39;\&#39;&#39;; rm -rf $HOME�&#39; `, "--tenant &#39;t`id`&#39;", "--warmup 1m30s", "--limit 7", "--hold-bytes 900",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in the page", want)
		}
	}
	if strings.Contains(text, "--policy canary") {
		t.Error("what was recorded cannot be played")
	}
}

func TestPageTellsOfWhatFails(t *testing.T) {
	s := sample()
	s.Trace.Sample = math.NaN()
	if err := report.HTML(io.Discard, s); err == nil || !strings.Contains(err.Error(), "town.trace") {
		t.Errorf("not a number: %v", err)
	}
	if err := report.HTML(full{}, sample()); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("a full disk: %v", err)
	}
}

// TestBrowser looks at the page with a browser.
func TestBrowser(t *testing.T) {
	b := startBrowser(t)
	t.Run("answer", b.in(testAnswer))
	t.Run("price", b.in(testPrice))
	t.Run("sizes and colours", b.in(testSizes))
	t.Run("keys and tips", b.in(testKeys))
	t.Run("choices", b.in(testChoices))
	t.Run("differences", b.in(testDifferences))
	t.Run("hostile", b.in(testHostile))
	t.Run("extremes", b.in(testExtremes))
	t.Run("paper", b.in(testPaper))
}

// in runs a test with the browser, and holds the page to no complaint.
func (b *browser) in(test func(*testing.T, *browser)) func(*testing.T) {
	return func(t *testing.T) {
		outer := b.t
		b.t = t
		defer func() { b.t = outer }()
		b.size(1440, 900)
		b.scheme("light")
		b.complaints()
		test(t, b)
		for _, c := range b.complaints() {
			t.Errorf("the page complains: %s", c)
		}
	}
}

// testAnswer holds the page's program to the same words as this package's.
func testAnswer(t *testing.T, b *browser) {
	for _, worth := range []int64{0, 1000, 30_000, 120_000, 7_200_000} {
		s := sample()
		reprice(s, worth)
		text := page(t, s)
		_, rest, _ := strings.Cut(text, `aria-live="polite">`)
		want, _, _ := strings.Cut(rest, "</h1>")
		b.open(s)
		var got string
		b.eval(`document.getElementById('headline').textContent`, &got)
		if got != want {
			t.Errorf("worth %d ms: the page says %q, the text %q", worth, got, want)
		}
	}
}

// reprice gives a study another price.
func reprice(s *study.Study, to int64) {
	for i := range s.Policies {
		p := &s.Policies[i].Total
		p.CostMs += (to - s.Setting.WorthMs) * p.Premature
	}
	b := &s.Bounds
	for i := range b.Fixed {
		p := &b.Fixed[i]
		p.CostMs += (to - s.Setting.WorthMs) * p.Premature
		if i == 0 || p.CostMs < b.BestFixed.CostMs {
			b.BestFixed = *p
		}
	}
	s.Setting.WorthMs = to
}

const names = `[...document.querySelectorAll('.ranking tbody .name')].map(n => n.textContent)`

func testPrice(t *testing.T, b *browser) {
	b.open(sample())
	var before, after []string
	b.eval(names, &before)
	if fmt.Sprint(before) != "[knows the future adaptive best fixed in hindsight, 53.9\u00a0s fixed 75s fixed 300s fixed 28s fixed 5s canary (shadow)]" {
		t.Errorf("at first the ranking is %q", before)
	}
	b.eval(`{ const r = document.getElementById('worth'); r.focus(); r.value = 1000; r.dispatchEvent(new Event('input', {bubbles: true})); }`, nil)
	b.eventually(`/60.min/.test(document.getElementById('worth-out').textContent)`)
	b.eventually(`document.getElementById('headline').textContent.startsWith('fixed 300s costs')`)
	b.eval(names, &after)
	if after[2] != "fixed 300s" && after[1] != "fixed 300s" {
		t.Errorf("with dear reconnects the ranking is %q", after)
	}
	b.eval(`document.getElementById('worth-reset').click()`, nil)
	b.eventually(`document.getElementById('headline').textContent.startsWith('adaptive costs')`)
	b.eventually(`document.querySelector('.ranking tbody .name').textContent === 'knows the future'`)
	var wins string
	b.eval(`document.getElementById('wins').textContent`, &wins)
	for _, want := range []string{"fixed 5s up to", "adaptive from", "fixed 300s from"} {
		if !strings.Contains(wins, want) {
			t.Errorf("%q is not in %q", want, wins)
		}
	}
	var strip int
	if b.eval(`document.getElementById('strip').children.length`, &strip); strip < 3 {
		t.Errorf("the strip has %d parts", strip)
	}
}

// wide reports by how much the page is wider than the window.
const wide = `document.documentElement.scrollWidth - document.documentElement.clientWidth`

func testSizes(t *testing.T, b *browser) {
	for _, width := range []int{320, 390, 820, 1440} {
		b.size(width, 800)
		b.open(sample())
		var by, charts int
		if b.eval(wide, &by); by > 0 {
			t.Errorf("at %d pixels the page is %d too wide", width, by)
		}
		b.eventually(`document.querySelectorAll('.uplot').length === 4`)
		b.eval(`[...document.querySelectorAll('.uplot')].filter(u => u.offsetWidth > u.parentNode.clientWidth || u.offsetWidth < 200).length`, &charts)
		if charts > 0 {
			t.Errorf("at %d pixels %d charts do not fit", width, charts)
		}
	}
	b.size(390, 800)
	b.eventually(`[...document.querySelectorAll('.uplot')].every(u => u.offsetWidth <= u.parentNode.clientWidth)`)
	const ground = `getComputedStyle(document.body).backgroundColor`
	var light, dark, forced string
	b.eval(ground, &light)
	b.scheme("dark")
	b.eventually(ground + ` !== '` + light + `'`)
	b.eval(ground, &dark)
	b.eval(`document.getElementById('theme').click()`, nil)
	b.eventually(ground + ` === '` + light + `'`)
	b.eval(`document.getElementById('theme').click()`, nil)
	if b.eval(ground, &forced); forced != dark {
		t.Errorf("dark is %s, then %s", dark, forced)
	}
}

// testKeys: whoever has no mouse reaches every chart and its numbers.
func testKeys(t *testing.T, b *browser) {
	b.open(sample())
	var reach int
	b.eval(`[...document.querySelectorAll('.plot')].filter(p => p.tabIndex === 0 && p.getAttribute('aria-label')).length`, &reach)
	if reach != 4 {
		t.Errorf("%d charts can be reached", reach)
	}
	for _, id := range []string{"prices", "open", "gaps"} {
		b.eval(`{ const p = document.querySelector('#`+id+` .plot'); p.scrollIntoView({behavior: 'instant'}); p.focus({preventScroll: true}); }`, nil)
		b.eval(`new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))`, nil) // a tip goes with what scrolls
		for range 3 {
			b.call("Input.dispatchKeyEvent", map[string]any{"type": "keyDown", "key": "ArrowRight"}, nil)
		}
		b.eventually(`!document.getElementById('tip').hidden && document.getElementById('tip').textContent.length > 10`)
		b.call("Input.dispatchKeyEvent", map[string]any{"type": "keyDown", "key": "Escape"}, nil)
		b.eventually(`document.getElementById('tip').hidden`)
	}
	b.eval(`document.getElementById('pareto').scrollIntoView({behavior: 'instant'})`, nil)
	var at struct{ X, Y, W, H float64 }
	b.eval(`(() => { const r = document.querySelector('#pareto .u-over').getBoundingClientRect(); return {X: r.left, Y: r.top, W: r.width, H: r.height}; })()`, &at)
	for x := 0.0; x < at.W; x += 20 { // along the middle, something is near
		b.call("Input.dispatchMouseEvent", map[string]any{"type": "mouseMoved", "x": at.X + x, "y": at.Y + at.H*0.35}, nil)
		var tip string
		if b.eval(`document.getElementById('tip').hidden ? '' : document.getElementById('tip').textContent`, &tip); strings.Contains(tip, "idle connections held") {
			return
		}
	}
	t.Error("no tip of the front was found")
}

func testChoices(t *testing.T, b *browser) {
	b.open(sample())
	var rows int
	count := `document.querySelectorAll('#held .fate').length`
	b.eval(count, &rows)
	b.eval(`document.querySelector('#pick .chip').click()`, nil)
	b.eventually(fmt.Sprintf("%s === %d", count, rows-1))
	b.eval(`[...document.querySelectorAll('#pick .chip')].slice(1).forEach(c => c.click())`, nil)
	b.eventually(count + ` === 0`)
	b.eval(`[...document.querySelectorAll('#pick .chip')].forEach(c => c.click())`, nil)
	b.eventually(fmt.Sprintf("%s === %d", count, rows))
	b.eval(`[...document.querySelectorAll('.choice button')].forEach(c => c.click())`, nil)
	b.eventually(`document.querySelector('#kinds .heat').textContent.includes('%')`)
	b.eval(`document.getElementById('copy').click()`, nil)
	b.eventually(`/Copied|Selected/.test(document.getElementById('copy').textContent)`)
	var findings []string
	b.eval(`[...document.querySelectorAll('.findings li')].map(l => l.textContent)`, &findings)
	if len(findings) != 2 || !strings.Contains(findings[0], "2 s under the 30 s beat of 212 clients") {
		t.Errorf("the page points out %q", findings)
	}
}

func testDifferences(t *testing.T, b *browser) {
	b.open(sample())
	b.eval(`document.querySelector('#differences > details > summary').click()`, nil)
	b.eventually(`document.querySelectorAll('#differences .decision').length === 36 && document.querySelector('#differences .uplot')`)
	b.eval(`document.querySelector('#differences .decision > summary').click()`, nil)
	b.eventually(`document.querySelector('#differences .asked')`)
	var asked string
	b.eval(`document.querySelector('#differences .asked').textContent`, &asked)
	for _, want := range []string{"idle_ms", "31000", "9223372036854775807", "client_gaps", "12: 40", "policy, active"} {
		if !strings.Contains(asked, want) {
			t.Errorf("%q is not in %q", want, asked)
		}
	}
}

// testHostile: names come from uploads, logs and clients.
func testHostile(t *testing.T, b *browser) {
	const evil = `</script><script>window.owned=1</script><img src=x onerror="window.owned=1"><!--<script>'"&{{study}}` + "\u2028\u202e`${window.owned=1}`"
	s := sample()
	s.Trace.Name, s.Trace.Origin, s.Trace.Tenants, s.Notes, s.Setting.Tenant = evil, evil, []string{evil}, []string{evil}, evil
	s.Trace.Kinds[0].Name = evil
	for i := range s.Policies {
		p := &s.Policies[i]
		p.Name, p.Module, p.Digest, p.Params, p.Faults = evil+p.Name, evil, evil, map[string]string{evil: evil, "__proto__": evil}, map[string]int64{evil: 3}
		p.Kinds[0].Kind, p.Agreement = evil, &study.Agreement{Recorded: 4, Same: 2, First: evil}
	}
	s.Cliffs[0].Policy, s.Cliffs[0].Text, s.Spikes[0].Policy, s.Spikes[0].Text = evil, evil, evil, ""
	d := &s.Differences[0]
	d.Policies, d.Client, d.Kind = [2]string{evil, evil}, evil, evil
	d.Decisions[0][0] = study.Decision{Event: evil, Phase: evil, Action: evil, Source: evil, Role: evil, Outcome: evil, Asked: map[string]int64{evil: 1, "now_ms": math.MaxInt64, "__proto__[1]": 7}}
	b.size(390, 800)
	b.open(s)
	b.eval(`document.querySelectorAll('details').forEach(d => d.open = true)`, nil)
	b.eventually(`document.querySelector('#differences .decision')`)
	b.eval(`document.querySelectorAll('details').forEach(d => d.open = true)`, nil)
	b.eventually(`document.querySelector('#differences .asked')`)
	b.eval(`document.querySelectorAll('button').forEach(c => c.click())`, nil)
	var owned, foreign, by int
	b.eval(`'owned' in window ? 1 : 0`, &owned)
	b.eval(`document.querySelectorAll('img, iframe, script:not([type])').length`, &foreign)
	if owned != 0 || foreign != 2 {
		t.Errorf("a name ran (%d), or made elements (%d)", owned, foreign)
	}
	if b.eval(wide, &by); by > 0 {
		var who string
		b.eval(`[...document.querySelectorAll("body *")].filter(e => e.getBoundingClientRect().right > document.documentElement.clientWidth + 1 && !e.closest(".scroll, .pick")).map(e => e.tagName + "." + e.className + " " + e.parentNode.className).slice(0, 6).join("; ")`, &who)
		t.Errorf("long names make the page %d too wide: %s", by, who)
	}
}

func testExtremes(t *testing.T, b *browser) {
	many := sample()
	for i := range 30 {
		p := many.Policies[i%5]
		p.Name = fmt.Sprintf("%s #%d", p.Name, i)
		many.Policies = append(many.Policies, p)
	}
	huge := sample()
	huge.Trace.Requests, huge.Trace.SpanMs, huge.Trace.StartMs = math.MaxInt64, math.MaxInt64, math.MaxInt64
	huge.Policies[0].Total = study.Tally{Gaps: math.MaxInt64, HeldMs: math.MaxInt64, CostMs: math.MaxInt64, Premature: math.MaxInt64, PeakOpen: math.MaxInt64}
	huge.Policies[0].Open = []study.Sample{{}, {AtMs: math.MaxInt64, Open: math.MaxInt64}}
	huge.Policies[0].Closed = []study.Bin{{LowMs: math.MaxInt64 - 1, Count: math.MaxInt64}}
	huge.Bounds.BestFixed.TimeoutMs = -1
	huge.Bounds.Fixed = append(huge.Bounds.Fixed, study.Point{TimeoutMs: -1, HeldMs: math.MaxInt64, CostMs: math.MaxInt64})
	huge.Differences[0].Decisions[0][0].AtMs = math.MaxInt64
	silent := sample()
	silent.Trace.Gaps, silent.Gaps, silent.Bounds, silent.Differences = 0, nil, study.Bounds{}, nil
	for i := range silent.Policies {
		p := &silent.Policies[i]
		*p = study.Outcome{Name: p.Name, Source: "replay"}
	}
	for name, s := range map[string]*study.Study{
		"nothing": {}, "one": {Policies: many.Policies[:1], Bounds: many.Bounds, Trace: many.Trace, Setting: many.Setting},
		"no policy": {Bounds: many.Bounds, Trace: many.Trace, Setting: many.Setting, Gaps: many.Gaps}, "many": many, "huge": huge, "silent": silent,
	} {
		b.open(s)
		b.eval(`document.querySelectorAll('details').forEach(d => d.open = true)`, nil)
		b.eval(`{ const r = document.getElementById('worth'); r.value = 200; r.dispatchEvent(new Event('input')); }`, nil)
		b.eval(`new Promise(requestAnimationFrame)`, nil)
		var text string
		b.eval(`document.body.innerText`, &text)
		for _, nonsense := range []string{"NaN", "Infinity", "undefined", "null", "[object"} {
			if strings.Contains(text, nonsense) {
				i := strings.Index(text, nonsense)
				t.Errorf("%s: the page says %q", name, text[max(0, i-80):min(len(text), i+40)])
			}
		}
		for _, c := range b.complaints() {
			t.Errorf("%s: %s", name, c)
		}
	}
}

// testPaper: what is printed has white ground, and all of it is there.
func testPaper(t *testing.T, b *browser) {
	b.scheme("dark")
	b.open(sample())
	var pdf struct {
		Data string `json:"data"`
	}
	b.call("Page.printToPDF", map[string]any{"printBackground": true}, &pdf)
	if len(pdf.Data) < 20_000 {
		t.Errorf("what is printed has %d bytes", len(pdf.Data))
	}
	b.eventually(`document.documentElement.dataset.theme === undefined`)
}
