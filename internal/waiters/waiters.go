// Package waiters keeps who waits for news of what.
package waiters

// A Board holds the channels of those who wait, by what they wait for. The zero value
// is empty. It has no lock: its owner guards it.
type Board map[string]map[chan struct{}]bool

// Add registers a waiter. The channel holds one piece of news, and is closed with the
// board. first says that nobody else waits for the same.
func (b Board) Add(name string) (news chan struct{}, first bool) {
	if first = b[name] == nil; first {
		b[name] = make(map[chan struct{}]bool, 1)
	}
	news = make(chan struct{}, 1)
	b[name][news] = true
	return news, first
}

// Remove removes a waiter. last says that no other waits for the same thing.
func (b Board) Remove(name string, news chan struct{}) (last bool) {
	delete(b[name], news)
	if last = len(b[name]) == 0; last {
		delete(b, name)
	}
	return last
}

// Wake tells all who wait for something.
func (b Board) Wake(name string) {
	for news := range b[name] {
		Tell(news)
	}
}

// Tell puts news into the channel of one who waits, unless there is some.
func Tell(news chan struct{}) {
	select {
	case news <- struct{}{}:
	default:
	}
}

// Close closes the channels of all, and empties the board.
func (b Board) Close() {
	for _, waiting := range b {
		for news := range waiting {
			close(news)
		}
	}
	clear(b)
}
