package report_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"idlehost/host/internal/lab/report"
	"idlehost/host/internal/lab/study"
	"idlehost/host/internal/testnet"
)

// browser is a headless Chromium that is spoken to over a pair of pipes, in
// the DevTools protocol: JSON with a zero byte behind.
type browser struct {
	t       *testing.T
	to      *os.File
	session string
	answers chan message // closed when the browser is gone

	mu     sync.Mutex // guards the following field
	errors []string   // what the page complained about

	id int
}

type message struct {
	ID     int             `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
	Result json.RawMessage `json:"result"`
	Error  *struct {
		Message string `json:"message"`
	} `json:"error"`
}

// startBrowser skips the test where there is none.
func startBrowser(t *testing.T) *browser {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("no chromium here: the page is not looked at")
	}
	theirs, to, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	from, theirs2, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
		"--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--hide-scrollbars", "--user-data-dir="+t.TempDir(),
		"--remote-debugging-pipe", "about:blank")
	cmd.ExtraFiles = []*os.File{theirs, theirs2}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	theirs.Close()
	theirs2.Close()
	b := &browser{t: t, to: to, answers: make(chan message, 16)}
	done := make(chan struct{})
	go func() { defer close(done); b.listen(from) }()
	t.Cleanup(func() {
		fmt.Fprint(to, `{"id":0,"method":"Browser.close"}`+"\x00") // what it says to that is nobody's
		kill := time.AfterFunc(20*time.Second, func() { cmd.Process.Kill() })
		defer kill.Stop()
		cmd.Wait()
		to.Close()
		from.Close()
		<-done
	})
	var target struct {
		TargetID string `json:"targetId"`
	}
	b.call("Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	var session struct {
		SessionID string `json:"sessionId"`
	}
	b.call("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &session)
	b.session = session.SessionID
	for _, domain := range []string{"Page", "Runtime", "Log", "Network"} {
		b.call(domain+".enable", nil, nil)
	}
	return b
}

// listen sorts what the browser says; it ends with the pipe.
func (b *browser) listen(from *os.File) {
	defer close(b.answers)
	r := bufio.NewReader(from)
	for {
		text, err := r.ReadBytes(0)
		if err != nil {
			return
		}
		var m message
		if json.Unmarshal(text[:len(text)-1], &m) != nil {
			continue
		}
		switch m.Method {
		case "":
			b.answers <- m
		case "Runtime.exceptionThrown", "Log.entryAdded":
			b.complain(m)
		case "Runtime.consoleAPICalled":
			if strings.Contains(string(m.Params), `"type":"error"`) || strings.Contains(string(m.Params), `"type":"warning"`) {
				b.complain(m)
			}
		case "Network.requestWillBeSent":
			if !strings.Contains(string(m.Params), `"url":"file:`) && !strings.Contains(string(m.Params), `"url":"about:`) {
				b.complain(m)
			}
		case "Page.javascriptDialogOpening":
			b.complain(m)
		}
	}
}

func (b *browser) complain(m message) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.errors = append(b.errors, fmt.Sprintf("%s %.1200s", m.Method, m.Params))
}

// complaints returns what the page has complained about since the last call.
func (b *browser) complaints() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	list := b.errors
	b.errors = nil
	return list
}

// call asks the browser and reads its answer into result.
func (b *browser) call(method string, params map[string]any, result any) {
	b.t.Helper()
	b.id++
	ask := map[string]any{"id": b.id, "method": method}
	if params != nil {
		ask["params"] = params
	}
	if b.session != "" {
		ask["sessionId"] = b.session
	}
	text, err := json.Marshal(ask)
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := b.to.Write(append(text, 0)); err != nil {
		b.t.Errorf("%s: %v", method, err)
		return
	}
	limit := time.NewTimer(testnet.Patience)
	defer limit.Stop()
	for {
		select {
		case m, ok := <-b.answers:
			if !ok {
				b.t.Fatalf("%s: the browser is gone", method)
			}
			if m.ID != b.id {
				continue
			}
			if m.Error != nil {
				b.t.Fatalf("%s: %s", method, m.Error.Message)
			}
			if result != nil {
				if err := json.Unmarshal(m.Result, result); err != nil {
					b.t.Fatalf("%s: %v", method, err)
				}
			}
			return
		case <-limit.C:
			b.t.Fatalf("%s: no answer", method)
		}
	}
}

// eval runs a script, which may return a promise, and reads its value into
// result.
func (b *browser) eval(script string, result any) {
	b.t.Helper()
	var answer struct {
		Result struct {
			Value json.RawMessage `json:"value"`
		} `json:"result"`
		Exception json.RawMessage `json:"exceptionDetails"`
	}
	b.call("Runtime.evaluate", map[string]any{"expression": script, "returnByValue": true, "awaitPromise": true}, &answer)
	if answer.Exception != nil {
		b.t.Fatalf("%.200s: %.1000s", script, answer.Exception)
	}
	if result != nil {
		if err := json.Unmarshal(answer.Result.Value, result); err != nil {
			b.t.Fatalf("%.200s gives %s: %v", script, answer.Result.Value, err)
		}
	}
}

// eventually polls a condition of the page: a frame has to be drawn first.
func (b *browser) eventually(condition string) {
	b.t.Helper()
	var ok bool
	b.eval(`new Promise(done => { const end = performance.now() + 10000; const look = () => { const ok = !!(`+condition+`);
		if (ok || performance.now() > end) done(ok); else requestAnimationFrame(look); }; look(); })`, &ok)
	if !ok {
		b.t.Errorf("the page never shows %s", condition)
	}
}

// size sets the window, in pixels.
func (b *browser) size(width, height int) {
	b.call("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}, nil)
}

// scheme sets the colours that the reader prefers.
func (b *browser) scheme(name string) {
	b.call("Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": name}}}, nil)
}

// open shows the page of a study, and waits until it is ready.
func (b *browser) open(s *study.Study) {
	b.t.Helper()
	path := filepath.Join(b.t.TempDir(), "report.html")
	f, err := os.Create(path)
	if err != nil {
		b.t.Fatal(err)
	}
	defer f.Close()
	if err := report.HTML(f, s); err != nil {
		b.t.Fatal(err)
	}
	b.visit("file://" + path)
}

// visit shows a page of ours.
func (b *browser) visit(url string) {
	b.t.Helper()
	b.call("Page.navigate", map[string]any{"url": url}, nil)
	b.eventually(`location.href.startsWith('file:') && document.documentElement?.dataset.ready === 'yes'`)
}
