package sqstest

import (
	"encoding/base64"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The one account and region that there are.
const (
	account  = "000000000000"
	region   = "us-east-1"
	senderID = "AIDAEXAMPLEOFTHEFAKE"
)

// quarantine is how long the name of a deleted queue cannot be taken again, and
// how long after a purge there cannot be another.
const quarantine = 60 * time.Second

func arn(name string) string { return "arn:aws:sqs:" + region + ":" + account + ":" + name }

// parseARN takes the ARN of a queue apart.
func parseARN(s string) (owner, name string, ok bool) {
	parts := strings.Split(s, ":")
	if len(parts) != 6 || parts[0] != "arn" || parts[2] != "sqs" || parts[5] == "" {
		return "", "", false
	}
	return parts[4], parts[5], true
}

func (s *Server) byARN(a string) *queue {
	owner, name, ok := parseARN(a)
	if q := s.queues[name]; ok && q != nil && q.owner == owner {
		return q
	}
	return nil
}

func (q *queue) arn() string { return "arn:aws:sqs:" + region + ":" + q.owner + ":" + q.name }

// find returns the queue that a URL names by its last part.
func (s *Server) find(url string) (*queue, *Error) {
	if url == "" {
		return nil, missingParameter("QueueUrl")
	}
	parts := strings.Split(url, "/")
	q := s.queues[parts[len(parts)-1]]
	if q == nil || q.owner != account && (len(parts) < 2 || parts[len(parts)-2] != q.owner) {
		return nil, noSuchQueue()
	}
	return q, nil
}

// names are those of the queues, in order.
func (s *Server) names() []string { return slices.Sorted(maps.Keys(s.queues)) }

func (s *Server) createQueue(r *createQueueRequest, host string) (any, *Error) {
	fifo, err := checkName(r)
	if err != nil {
		return nil, err
	}
	wanted := defaultSettings()
	if err := s.apply(r.QueueName, fifo, &wanted, r.Attributes); err != nil {
		return nil, err
	}
	now := s.clock.Now()
	if q := s.queues[r.QueueName]; q != nil {
		have, want := q.settings.show(q.fifo), wanted.show(fifo)
		for _, name := range slices.Sorted(maps.Keys(r.Attributes)) {
			if have[name] != want[name] {
				return nil, &Error{
					Type: "QueueNameExists", Code: "QueueAlreadyExists",
					Message: "A queue already exists with the same name and a different value for attribute " + name,
				}
			}
		}
		return queueURL{URL: urlOf(host, r.QueueName)}, nil
	}
	if at, ok := s.buried[r.QueueName]; ok && now.Sub(at) < quarantine {
		return nil, simple("QueueDeletedRecently", "You must wait 60 seconds after deleting a queue before you can create another with the same name.")
	}
	delete(s.buried, r.QueueName)
	q := &queue{
		id: s.newID(), name: r.QueueName, owner: account, fifo: fifo, settings: wanted, tags: maps.Clone(r.Tags),
		created: now, modified: now,
	}
	q.clear()
	s.queues[q.name] = q
	return queueURL{URL: urlOf(host, q.name)}, nil
}

func urlOf(host, name string) string { return "http://" + host + "/" + account + "/" + name }

// checkName checks the name and the type of a queue to create, and takes
// FifoQueue from its attributes.
func checkName(r *createQueueRequest) (fifo bool, err *Error) {
	base, suffixed := strings.CutSuffix(r.QueueName, ".fifo")
	asked, ok := r.Attributes["FifoQueue"]
	switch {
	case r.QueueName == "":
		return false, missingParameter("QueueName")
	case base == "" || len(r.QueueName) > 80 || !onlyWith(base, "-_"):
		return false, invalidParameter("Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length")
	case ok && asked != "true":
		return false, invalidValue("FifoQueue", "A standard queue leaves it out.")
	case suffixed && !ok, !suffixed && ok:
		return false, invalidParameter("The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, must end with .fifo suffix and be 1 to 80 in length.")
	}
	attributes := maps.Clone(r.Attributes)
	delete(attributes, "FifoQueue")
	r.Attributes = attributes
	return ok, nil
}

// apply sets attributes and checks the policy among them.
func (s *Server) apply(name string, fifo bool, to *settings, attributes map[string]string) *Error {
	if err := to.set(attributes, fifo); err != nil {
		return err
	}
	if value := attributes["RedrivePolicy"]; value != "" {
		return s.checkRedrive(name, fifo, to.redrive, value)
	}
	return nil
}

func (s *Server) getQueueURL(r *getQueueURLRequest, host string) (any, *Error) {
	if r.QueueName == "" {
		return nil, missingParameter("QueueName")
	}
	if q := s.queues[r.QueueName]; q == nil || q.owner != account {
		return nil, noSuchQueue()
	}
	return queueURL{URL: urlOf(host, r.QueueName)}, nil
}

// deleteQueue answers the calls that wait on the queue, too.
func (s *Server) deleteQueue(r *queueURL) (any, *Error) {
	q, err := s.find(r.URL)
	if err != nil {
		return nil, err
	}
	delete(s.queues, q.name)
	s.buried[q.name] = s.clock.Now()
	q.clear()
	q.deleted = true
	for e := q.polls.Front(); e != nil; e = q.polls.Front() {
		s.finish(e.Value.(*poll), pollResult{err: noSuchQueue()})
	}
	s.touch(q)
	return nil, nil
}

func (s *Server) purgeQueue(r *queueURL) (any, *Error) {
	q, err := s.find(r.URL)
	if err != nil {
		return nil, err
	}
	now := s.clock.Now()
	if !q.purged.IsZero() && now.Sub(q.purged) < quarantine {
		err := simple("PurgeQueueInProgress", "Only one PurgeQueue operation on %s is allowed every 60 seconds.", q.name)
		err.Status = 403
		return nil, err
	}
	q.clear()
	q.purged = now
	s.touch(q)
	return nil, nil
}

func (s *Server) getAttributes(r *getAttributesRequest) (any, *Error) {
	q, err := s.find(r.URL)
	if err != nil {
		return nil, err
	}
	q.advance(s.clock.Now())
	s.touch(q)
	all := q.settings.show(q.fifo)
	all["QueueArn"] = q.arn()
	all["CreatedTimestamp"] = strconv.FormatInt(q.created.Unix(), 10)
	all["LastModifiedTimestamp"] = strconv.FormatInt(q.modified.Unix(), 10)
	counts := s.countsOf(q)
	all["ApproximateNumberOfMessages"] = strconv.Itoa(counts[0])
	all["ApproximateNumberOfMessagesNotVisible"] = strconv.Itoa(counts[1])
	all["ApproximateNumberOfMessagesDelayed"] = strconv.Itoa(counts[2])
	chosen := make(map[string]string)
	for _, name := range r.AttributeNames {
		value, ok := all[name]
		switch {
		case name == "All":
			maps.Copy(chosen, all)
		case ok:
			chosen[name] = value
		case !slices.Contains(unset, name):
			return nil, invalidAttribute(name)
		}
	}
	return getAttributesAnswer{Attributes: chosen}, nil
}

// tally counts the messages that are visible, in flight and delayed.
func (q *queue) tally() [3]int { return [3]int{q.visible(), q.inFlight, q.delayed} }

// unset are the attributes that a queue need not have.
var unset = []string{
	"Policy", "RedrivePolicy", "RedriveAllowPolicy", "KmsMasterKeyId", "KmsDataKeyReusePeriodSeconds",
	"FifoQueue", "ContentBasedDeduplication", "DeduplicationScope", "FifoThroughputLimit",
}

func (s *Server) setAttributes(r *setAttributesRequest) (any, *Error) {
	q, err := s.find(r.URL)
	if err != nil {
		return nil, err
	}
	if _, ok := r.Attributes["FifoQueue"]; ok {
		if !q.fifo {
			return nil, invalidAttribute("FifoQueue")
		}
		return nil, invalidValue("FifoQueue", "Modifying queue type is not supported.")
	}
	changed := q.settings.clone()
	if err := s.apply(q.name, q.fifo, &changed, r.Attributes); err != nil {
		return nil, err
	}
	q.settings, q.modified = changed, s.clock.Now()
	s.touch(q)
	return nil, nil
}

func (s *Server) listQueues(r *listQueuesRequest, host string) (any, *Error) {
	urls, token, err := page(s.names(), r, host)
	if err != nil {
		return nil, err
	}
	return listQueuesAnswer{QueueURLs: urls, NextToken: token}, nil
}

func (s *Server) listSources(r *listQueuesRequest, host string) (any, *Error) {
	dead, err := s.find(r.URL)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, q := range s.sourcesOf(dead) {
		names = append(names, q.name)
	}
	urls, token, err := page(names, r, host)
	if err != nil {
		return nil, err
	}
	return listSourcesAnswer{QueueURLs: urls, NextToken: token}, nil
}

// page picks what one answer lists of names, which are in order, and the token
// of the next: the name it ended with.
func page(names []string, r *listQueuesRequest, host string) ([]string, string, *Error) {
	most := 1000
	if r.MaxResults != nil {
		most = *r.MaxResults
	}
	after, decodeErr := base64.StdEncoding.DecodeString(r.NextToken)
	switch {
	case most < 1 || most > 1000:
		return nil, "", outOfRange("MaxResults", most, "Must be between 1 and 1000, if provided.")
	case decodeErr != nil, r.NextToken != "" && r.MaxResults == nil:
		return nil, "", invalidParameter("Invalid or expired next token.")
	}
	urls, last := []string{}, ""
	for _, name := range names {
		if !strings.HasPrefix(name, r.QueueNamePrefix) || name <= string(after) {
			continue
		}
		if len(urls) == most {
			if r.MaxResults == nil {
				break
			}
			return urls, base64.StdEncoding.EncodeToString([]byte(last)), nil
		}
		urls, last = append(urls, urlOf(host, name)), name
	}
	return urls, "", nil
}

func (s *Server) tag(r *tagsRequest) (any, *Error) {
	q, err := s.find(r.URL)
	if err != nil {
		return nil, err
	}
	if q.tags == nil {
		q.tags = make(map[string]string)
	}
	maps.Copy(q.tags, r.Tags)
	return nil, nil
}

func (s *Server) untag(r *tagsRequest) (any, *Error) {
	q, err := s.find(r.URL)
	if err != nil {
		return nil, err
	}
	for _, key := range r.TagKeys {
		delete(q.tags, key)
	}
	return nil, nil
}

func (s *Server) listTags(r *queueURL) (any, *Error) {
	q, err := s.find(r.URL)
	if err != nil {
		return nil, err
	}
	return tagsAnswer{Tags: maps.Clone(q.tags)}, nil
}
