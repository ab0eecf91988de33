// SPDX-License-Identifier: MIT OR Apache-2.0

package ui

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

const (
	barDelay   = 150 * time.Millisecond // what takes less needs no bar
	barRefresh = 100 * time.Millisecond
	barWidth   = 26 // columns of the bar itself
	barNarrow  = 50 // columns of a terminal on which the bar gives way to the words
)

// bar is one line at the bottom of the terminal. mpb keeps the beat and draws the bar; what it draws goes through
// Streams.draw, so that text and bar share one lock and text is never late.
type bar struct {
	streams *Streams
	now     func() time.Time
	start   time.Time
	mpb     *mpb.Progress
	row     *mpb.Bar

	mu      sync.Mutex
	closed  bool
	image   string
	stage   string           // kind of the last event
	running []string         // crates being compiled, in the order they started
	last    string           // the crate that was compiled last, or those being compiled, parted by ", "
	done    int64            // crates ready
	total   int64            // crates in all
	layers  map[string]share // by image and layer
}

// share is a part of a whole, in bytes.
type share struct{ done, total int64 }

func (p *progress) handleBar(e Event) {
	if e.Kind != "compile" && e.Kind != "layer" {
		p.tell(e)
		return
	}
	p.mu.Lock()
	if p.bar == nil && !p.closed {
		p.bar = newBar(p.streams, p.start, p.now, p.refresh)
	}
	b := p.bar
	p.mu.Unlock()
	if b != nil {
		b.handle(e)
	}
}

func newBar(s *Streams, start time.Time, now func() time.Time, refresh <-chan any) *bar {
	b := &bar{streams: s, start: start, now: now, layers: map[string]share{}}
	beat := mpb.WithRefreshRate(barRefresh)
	if refresh != nil {
		beat = mpb.WithManualRefresh(refresh)
	}
	b.mpb = mpb.New(mpb.WithConsoleWriter(&console{bar: b}), beat)
	filled := mpb.BarStyle().Lbound("[").Filler("=").Tip(">").Padding(" ").Rbound("]").Build()
	b.row, _ = b.mpb.Add(0, mpb.BarFillerFunc(func(w io.Writer, st decor.Statistics) error {
		return b.fill(filled, w, st)
	}), mpb.PrependDecorators(decor.Any(b.left)), mpb.AppendDecorators(decor.Any(b.right)), mpb.BarFillerTrim())
	return b
}

// handle takes in a compile or layer event.
func (b *bar) handle(e Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.image, b.stage = e.Image, e.Kind
	if e.Kind == "layer" {
		b.layers[e.Image+"\x00"+e.Text] = share{e.Done, e.Total}
		return
	}
	b.done, b.total = e.Done, e.Total
	if e.Crate == "" {
		return
	}
	if i := slices.Index(b.running, e.Crate); i >= 0 && e.Text != "started" {
		b.running = slices.Delete(b.running, i, i+1)
	} else if i < 0 && e.Text == "started" {
		b.running = append(b.running, e.Crate)
	}
	if e.Text == "" {
		b.last = e.Crate
	}
}

// counts is how far the stage is: crates, or the bytes of all layers.
func (b *bar) counts() (done, total int64) {
	if b.stage != "layer" {
		return b.done, b.total
	}
	for _, s := range b.layers {
		done, total = done+s.done, total+s.total
	}
	return done, total
}

// left is what stands before the bar.
func (b *bar) left(decor.Statistics) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return oneLine(b.stage+" "+b.image) + " "
}

// right is what stands behind the bar: counts, time, crates as far as they fit.
func (b *bar) right(st decor.Statistics) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	done, total := b.counts()
	words := []string{""}
	switch {
	case total <= 0:
	case b.stage == "layer":
		words = append(words, Bytes(done)+"/"+Bytes(total))
	default:
		words = append(words, fmt.Sprintf("%d/%d", done, total))
	}
	words = append(words, elapsed(b.now().Sub(b.start)))
	text := strings.Join(words, " ")
	crates := b.running
	if len(crates) == 0 && b.last != "" {
		crates = strings.Split(b.last, ", ") // cargo's bar names all that it works at
	}
	if b.stage == "layer" {
		crates = nil
	}
	room := st.AvailableWidth - len(text) - 1
	if st.AvailableWidth >= barNarrow-10 {
		room -= barWidth
	}
	return text + fit(crates, room)
}

// elapsed is Duration at the pace of a bar: whole seconds once there are ten.
func elapsed(d time.Duration) string {
	if d < 10*time.Second {
		return fmt.Sprintf("%.1f s", max(d, 0).Seconds())
	}
	if d < time.Minute {
		return fmt.Sprintf("%d s", d/time.Second)
	}
	return Duration(d.Truncate(time.Second))
}

// fit lists names as far as they have room, and says how many more there are.
func fit(names []string, room int) string {
	text := ""
	for i, name := range names {
		name, _, _ = strings.Cut(oneLine(name), " ") // the version is in the log
		more := ""
		if rest := len(names) - i - 1; rest > 0 {
			more = fmt.Sprintf(" +%d", rest)
		}
		sep := ", "
		if i == 0 {
			sep = " "
		}
		if len(text)+len(sep)+len(name)+len(more) > room {
			if i > 0 && len(text)+len(fmt.Sprintf(" +%d", len(names)-i)) <= room {
				text += fmt.Sprintf(" +%d", len(names)-i)
			}
			return text
		}
		text += sep + name
	}
	return text
}

// oneLine is Escape for a place that has one line only.
func oneLine(text string) string {
	return strings.Join(strings.Fields(Escape(text)), " ")
}

// fill draws the bar itself: our counts, since mpb would end a bar that is full.
func (b *bar) fill(filled mpb.BarFiller, w io.Writer, st decor.Statistics) error {
	b.mu.Lock()
	st.Current, st.Total = b.counts()
	b.mu.Unlock()
	st.RequestedWidth = barWidth
	st.Completed, st.Aborted = false, false
	if st.AvailableWidth < 8 {
		return nil
	}
	st.Total = max(st.Total, 1)
	st.Current = min(st.Current, st.Total)
	return filled.Fill(w, st)
}

// close wipes the bar and waits until mpb's goroutines are gone.
func (b *bar) close() {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	b.streams.draw(nil)
	b.row.Abort(true)
	b.mpb.Wait()
	b.streams.draw(nil) // a frame may have been on its way
}

// visible says whether the bar may be drawn: not for work that is over at once.
func (b *bar) visible() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return !b.closed && b.now().Sub(b.start) >= barDelay
}

// console is mpb's way to the terminal.
type console struct {
	bar  *bar
	rows bytes.Buffer
}

func (c *console) IsTerminal() bool { return true }

// GetTermSize leaves the last column free: some terminals wrap when it is written.
func (c *console) GetTermSize() (width, height int, err error) {
	return max(c.bar.streams.width()-1, 1), 2, nil
}

// Write is for text printed through mpb. Nobody does, but it would not be lost.
func (c *console) Write(b []byte) (int, error) {
	c.bar.streams.write(b)
	return len(b), nil
}

func (c *console) ReadFrom(r io.Reader) (int64, error) { return c.rows.ReadFrom(r) }

func (c *console) Flush(int) error {
	if c.bar.visible() {
		c.bar.streams.draw(c.rows.Bytes())
	}
	c.rows.Reset()
	return nil
}
