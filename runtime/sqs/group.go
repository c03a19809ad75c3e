package sqs

import (
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// A group is the messages of one message group from one receive of a fifo queue, in
// order. Its head is ready or with a worker; the others wait behind it, under the same
// lease, until it is completed or dead. SQS gives no message of the group to anybody
// else meanwhile. It is guarded by engine.mu.
type group struct{ line []*message }

// line makes groups of received messages and returns their heads.
func line(ms []*message, raw []types.Message) []*message {
	key := make(map[string]string, len(raw))
	for _, r := range raw {
		key[aws.ToString(r.ReceiptHandle)] = r.Attributes[string(types.MessageSystemAttributeNameMessageGroupId)]
	}
	groups := make(map[string]*group)
	var heads []*message
	for _, m := range ms {
		k := key[m.handle]
		g := groups[k]
		if g == nil {
			g = &group{}
			groups[k] = g
			heads = append(heads, m)
		}
		m.group = g
		g.line = append(g.line, m)
	}
	return heads
}

// line is how many messages stand in a message's line, itself included.
func (m *message) line() int {
	if m.group == nil {
		return 1
	}
	return len(m.group.line)
}

// lined is the message with those behind it.
func (m *message) lined() []*message {
	if m.group == nil {
		return []*message{m}
	}
	return slices.Clone(m.group.line)
}

// behind are those behind the message.
func (m *message) behind() []*message {
	if m.group == nil {
		return nil
	}
	i := slices.Index(m.group.line, m)
	return slices.Clone(m.group.line[i+1:])
}

// cutLine takes out what was lost, and all that stands behind it: SQS hands that
// out again, in order. It returns what was cut off though it was not lost.
func (m *message) cutLine(lost map[*message]bool) []*message {
	if m.group == nil {
		return nil
	}
	i := slices.IndexFunc(m.group.line, func(o *message) bool { return lost[o] })
	if i < 0 {
		return nil
	}
	rest := slices.DeleteFunc(slices.Clone(m.group.line[i:]), func(o *message) bool { return lost[o] })
	m.group.line = m.group.line[:i]
	return rest
}

// next takes the head off its line and makes the next one ready. mu is held.
func (e *engine) next(m *message) {
	g := m.group
	if g == nil || len(g.line) == 0 || g.line[0] != m {
		return
	}
	g.line = g.line[1:]
	if len(g.line) > 0 {
		m.lane.ready = append(m.lane.ready, g.line[0])
		e.wakeAll()
		e.holdBack()
	}
}
