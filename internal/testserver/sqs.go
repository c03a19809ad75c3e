package testserver

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// The SQS emulators, which are npm packages. Neither keeps anything beyond its
// process, so that a Restart empties it.
const (
	// FauxSQS has the semantics of queues right: leases, dead letters, the order
	// and the lock of a message group, long polls, load. It takes parameters and
	// handles that AWS refuses.
	FauxSQS = "fauxqs"
	// LocalAWSSQS has the errors of AWS right. Its long polls wait for a full
	// batch, and its FIFO queues do not lock groups.
	LocalAWSSQS = "local-aws-sqs"
)

// SQS starts FauxSQS. URL is its endpoint; it takes any credentials.
func SQS() (*Server, error) {
	if s := external("TASKGEN_TEST_SQS_ENDPOINT"); s != nil {
		return s, nil
	}
	return SQSEmulator(FauxSQS)
}

// SQSEmulator starts FauxSQS or LocalAWSSQS, whatever the environment names. The
// packages, at the versions of emulators/package.json, are installed the first
// time, into the user's cache folder.
func SQSEmulator(name string) (*Server, error) {
	node, launcher, err := emulators()
	if err != nil {
		return nil, err
	}
	return start(name, func(string) (plan, error) {
		ports, err := freePorts(1)
		if err != nil {
			return plan{}, err
		}
		addr := loopback(ports[0])
		return plan{"http://" + addr, []*daemon{{
			name: name, argv: []string{node, launcher, name, strconv.Itoa(ports[0])},
			ready: func(ctx context.Context, _ *daemon) error { return sqsReady(ctx, addr) },
		}}}, nil
	})
}

// sqsReady lists the queues. A new emulator has none, so that what lists any, or does not
// understand, belongs to another program.
func sqsReady(ctx context.Context, addr string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+addr+"/", strings.NewReader("{}"))
	if err != nil {
		return err
	}
	req.Close = true
	req.Header.Set("Content-Type", "application/x-amz-json-1.0")
	req.Header.Set("X-Amz-Target", "AmazonSQS.ListQueues")
	req.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=test/20300101/us-east-1/sqs/aws4_request, SignedHeaders=host, Signature=none")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK || strings.Contains(string(body), "http") {
		return fmt.Errorf("ListQueues answers %s: %.200s", resp.Status, body)
	}
	return nil
}

// emulators are the paths of Node.js and of the launcher among the installed packages.
func emulators() (node, launcher string, err error) {
	return NodePackages("internal/testserver/emulators", "launch.mjs")
}
