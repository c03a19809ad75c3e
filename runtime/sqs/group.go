package sqs

import (
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// A group is the messages of one message group from one receive of a fifo queue, in
// order. Its head is ready or with a worker; its followers wait, under the same
// lease, until it is completed or dead. SQS gives no message of the group to anybody
// else meanwhile. It is guarded by queueState.mu.
type group struct{ messages []*message }

// groupHeads makes groups of received messages and returns their heads.
func groupHeads(ms []*message, raw []types.Message) []*message {
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
		g.messages = append(g.messages, m)
	}
	return heads
}

// groupSize is how many messages the group of a message has, itself included.
func (m *message) groupSize() int {
	if m.group == nil {
		return 1
	}
	return len(m.group.messages)
}

// withFollowers is all messages of a head's group, in order.
func (m *message) withFollowers() []*message {
	if m.group == nil {
		return []*message{m}
	}
	return slices.Clone(m.group.messages)
}

// followers are the messages of the group that come after this one.
func (m *message) followers() []*message {
	if m.group == nil {
		return nil
	}
	i := slices.Index(m.group.messages, m)
	return slices.Clone(m.group.messages[i+1:])
}

// cutAtLost removes the first lost message and all after it from the group: SQS hands them
// out again, in order. It returns those that were removed though they were not lost.
func (m *message) cutAtLost(lost map[*message]bool) []*message {
	if m.group == nil {
		return nil
	}
	i := slices.IndexFunc(m.group.messages, func(o *message) bool { return lost[o] })
	if i < 0 {
		return nil
	}
	rest := slices.DeleteFunc(slices.Clone(m.group.messages[i:]), func(o *message) bool { return lost[o] })
	m.group.messages = m.group.messages[:i]
	return rest
}

// advanceGroup removes the head from its group and makes the next message ready. mu is held.
func (e *queueState) advanceGroup(m *message) {
	g := m.group
	if g == nil || len(g.messages) == 0 || g.messages[0] != m {
		return
	}
	g.messages = g.messages[1:]
	if len(g.messages) > 0 {
		m.source.ready = append(m.source.ready, g.messages[0])
		e.wakeAll()
		e.scheduleGiveBack()
	}
}
