package sqstest

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"
)

// settings are the attributes of a queue that a user sets.
type settings struct {
	delay, visibility, retention, wait time.Duration
	maxSize                            int
	contentDedup, scopeByGroup         bool
	perGroupLimit                      bool
	redrive                            *redrivePolicy
	allow                              *redriveAllowPolicy
	rest                               map[string]string // what the fake keeps and does not act on
}

type redrivePolicy struct {
	Target      string      `json:"deadLetterTargetArn"`
	MaxReceives json.Number `json:"maxReceiveCount"` // a number, or one in quotes
}

func (p *redrivePolicy) max() int {
	n, _ := strconv.Atoi(p.MaxReceives.String())
	return n
}

type redriveAllowPolicy struct {
	Permission string   `json:"redrivePermission"`
	Sources    []string `json:"sourceQueueArns,omitempty"`
}

const (
	maxBatch      = 10
	maxBytes      = 1 << 20 // of a message, and of a batch in all
	maxDelay      = 900
	maxVisibility = 43200
	maxWait       = 20
)

func defaultSettings() settings {
	return settings{
		visibility: 30 * time.Second, retention: 4 * 24 * time.Hour, maxSize: maxBytes,
		rest: map[string]string{"SqsManagedSseEnabled": "true"},
	}
}

func (s settings) clone() settings {
	s.rest = maps.Clone(s.rest)
	return s
}

// show renders the settings as attributes.
func (s settings) show(fifo bool) map[string]string {
	seconds := func(d time.Duration) string { return strconv.Itoa(int(d / time.Second)) }
	a := maps.Clone(s.rest)
	a["DelaySeconds"] = seconds(s.delay)
	a["VisibilityTimeout"] = seconds(s.visibility)
	a["MessageRetentionPeriod"] = seconds(s.retention)
	a["ReceiveMessageWaitTimeSeconds"] = seconds(s.wait)
	a["MaximumMessageSize"] = strconv.Itoa(s.maxSize)
	if fifo {
		a["FifoQueue"] = "true"
		a["ContentBasedDeduplication"] = strconv.FormatBool(s.contentDedup)
		a["DeduplicationScope"], a["FifoThroughputLimit"] = "queue", "perQueue"
		if s.scopeByGroup {
			a["DeduplicationScope"] = "messageGroup"
		}
		if s.perGroupLimit {
			a["FifoThroughputLimit"] = "perMessageGroupId"
		}
	}
	if s.redrive != nil {
		a["RedrivePolicy"] = fmt.Sprintf(`{"deadLetterTargetArn":%q,"maxReceiveCount":%d}`, s.redrive.Target, s.redrive.max())
	}
	if s.allow != nil {
		text, _ := json.Marshal(s.allow)
		a["RedriveAllowPolicy"] = string(text)
	}
	return a
}

// set changes what attributes name. FifoQueue is left to the caller.
func (s *settings) set(attributes map[string]string, fifo bool) *Error {
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		if err := s.setOne(name, attributes[name], fifo); err != nil {
			return err
		}
	}
	if s.perGroupLimit && !s.scopeByGroup {
		return invalidValue("FifoThroughputLimit", "perMessageGroupId needs the DeduplicationScope messageGroup.")
	}
	return nil
}

func (s *settings) setOne(name, value string, fifo bool) *Error {
	seconds := func(to *time.Duration, least, most int) *Error {
		n, err := number(name, value, least, most)
		if err == nil {
			*to = time.Duration(n) * time.Second
		}
		return err
	}
	switch name {
	case "DelaySeconds":
		return seconds(&s.delay, 0, maxDelay)
	case "VisibilityTimeout":
		return seconds(&s.visibility, 0, maxVisibility)
	case "MessageRetentionPeriod":
		return seconds(&s.retention, 60, 14*24*3600)
	case "ReceiveMessageWaitTimeSeconds":
		return seconds(&s.wait, 0, maxWait)
	case "MaximumMessageSize":
		n, err := number(name, value, 1024, maxBytes)
		if err == nil {
			s.maxSize = n
		}
		return err
	case "ContentBasedDeduplication", "DeduplicationScope", "FifoThroughputLimit":
		if !fifo {
			return invalidAttribute(name)
		}
		return s.setOrdering(name, value)
	case "RedrivePolicy", "RedriveAllowPolicy":
		return s.setPolicy(name, value)
	case "Policy", "KmsMasterKeyId", "KmsDataKeyReusePeriodSeconds", "SqsManagedSseEnabled":
		if value == "" {
			delete(s.rest, name)
		} else {
			s.rest[name] = value
		}
		return nil
	}
	return invalidAttribute(name)
}

func (s *settings) setOrdering(name, value string) *Error {
	choices := map[string]struct {
		to      *bool
		no, yes string
	}{
		"ContentBasedDeduplication": {&s.contentDedup, "false", "true"},
		"DeduplicationScope":        {&s.scopeByGroup, "queue", "messageGroup"},
		"FifoThroughputLimit":       {&s.perGroupLimit, "perQueue", "perMessageGroupId"},
	}
	c := choices[name]
	if value != c.no && value != c.yes {
		return invalidValue(name, "")
	}
	*c.to = value == c.yes
	return nil
}

// setPolicy reads a policy. Whether the queues that it names are there and fit
// is for the Server to see.
func (s *settings) setPolicy(name, value string) *Error {
	bad := func(reason string) *Error { return outOfRange(name, value, reason) }
	if name == "RedriveAllowPolicy" {
		s.allow = nil
		if value == "" {
			return nil
		}
		p := new(redriveAllowPolicy)
		if json.Unmarshal([]byte(value), p) != nil {
			return bad("Policy could not be parsed.")
		}
		switch {
		case p.Permission != "allowAll" && p.Permission != "denyAll" && p.Permission != "byQueue":
			return bad("redrivePermission must be allowAll, denyAll or byQueue.")
		case (p.Permission == "byQueue") != (len(p.Sources) > 0) || len(p.Sources) > 10:
			return bad("sourceQueueArns goes with byQueue, and names 1 to 10 queues.")
		}
		s.allow = p
		return nil
	}
	s.redrive = nil
	if value == "" {
		return nil
	}
	p := new(redrivePolicy)
	if json.Unmarshal([]byte(value), p) != nil {
		return bad("Redrive policy is not a valid JSON map.")
	}
	if _, _, ok := parseARN(p.Target); !ok {
		return bad("Invalid value for deadLetterTargetArn.")
	}
	if n := p.max(); n < 1 || n > 1000 {
		return bad("Invalid value for maxReceiveCount: it is 1 to 1000.")
	}
	s.redrive = p
	return nil
}

func number(name, value string, least, most int) (int, *Error) {
	n, err := strconv.Atoi(value)
	if err != nil || n < least || n > most {
		return 0, invalidValue(name, "")
	}
	return n, nil
}
