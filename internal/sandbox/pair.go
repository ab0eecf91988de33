// SPDX-License-Identifier: MIT OR Apache-2.0

package sandbox

// Signals reach three processes: sampan, process 1 and the program stand in one process group, so that the terminal's
// job control works as if there were no sandbox. A signal to the group (Ctrl-C) has reached the program already, and
// must not come twice: many programs take the second for "at once". A signal to sampan alone must be passed on. The
// two are told apart by who got it: if both sampan and process 1 did, it was the group's.

// side is who got a signal.
type side byte

const (
	outer side = iota // sampan
	inner             // process 1
)

// pairing matches the signals of the two sides. The zero value is ready.
type pairing struct {
	next    int
	waiting []half
}

type half struct {
	id   int
	sig  int
	from side
}

// add takes in a signal. When the other side had the same one a moment ago, it was the group's, and nothing is to be
// done. Else the caller must call expire with id, a moment later.
func (p *pairing) add(sig int, from side) (id int, alone bool) {
	for i, h := range p.waiting {
		if h.sig == sig && h.from != from {
			p.waiting = append(p.waiting[:i], p.waiting[i+1:]...)
			return 0, false
		}
	}
	p.next++
	p.waiting = append(p.waiting, half{p.next, sig, from})
	return p.next, true
}

// expire says which signal is to be passed on, if no partner came for it.
func (p *pairing) expire(id int) (sig int, ok bool) {
	for i, h := range p.waiting {
		if h.id == id {
			p.waiting = append(p.waiting[:i], p.waiting[i+1:]...)
			return h.sig, true
		}
	}
	return 0, false
}
