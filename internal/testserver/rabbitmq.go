package testserver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

const rabbitMQVariable = "TASKGEN_TEST_RABBITMQ_URL"

const getRabbitMQ = `rabbitmq-server is not on PATH. Get RabbitMQ 3.10 or later, and do not let it run as a service for this:
    Debian, Ubuntu   sudo apt-get install rabbitmq-server && sudo systemctl disable --now rabbitmq-server
    macOS            brew install rabbitmq
    elsewhere        the generic Unix build of https://www.rabbitmq.com/docs/install-generic-unix, its sbin on PATH
or let ` + rabbitMQVariable + ` name a RabbitMQ that runs already`

// RabbitMQ starts a RabbitMQ without plugins, as a node of its own that shares
// nothing with one that the machine runs: name, cookie, ports, Erlang's port
// mapper. The lines are added to its rabbitmq.conf, as in
// RabbitMQ("consumer_timeout = 10000"); one that begins with a bracket, as Erlang's lists
// do, to its advanced.config.
func RabbitMQ(conf ...string) (*Server, error) {
	if s := external(rabbitMQVariable); s != nil {
		return s, nil
	}
	return start("rabbitmq", func(dir string) (plan, error) { return rabbitMQPlan(dir, "", conf) })
}

// rabbitMQPlan is that of a node of this name, which RabbitMQ keeps its data by; an
// empty one: a name that no other node has.
func rabbitMQPlan(dir, node string, conf []string) (plan, error) {
	exe, err := rabbitMQProgram()
	if err != nil {
		return plan{}, err
	}
	epmd, err := exec.LookPath("epmd")
	if err != nil {
		return plan{}, errors.New("epmd, Erlang's port mapper, is not on PATH: it comes with Erlang, in the bin folder of the erts-* folder if nowhere else")
	}
	ports, err := freePorts(3)
	if err != nil {
		return plan{}, err
	}
	amqp, dist, mapper := ports[0], ports[1], ports[2]
	env, err := rabbitMQHome(dir, conf)
	if err != nil {
		return plan{}, err
	}
	if node == "" {
		node = fmt.Sprintf("taskgen-%d", amqp)
	}
	env = append(env,
		"RABBITMQ_NODENAME="+node+"@localhost",
		"RABBITMQ_NODE_IP_ADDRESS=127.0.0.1",
		"RABBITMQ_NODE_PORT="+strconv.Itoa(amqp),
		"RABBITMQ_DIST_PORT="+strconv.Itoa(dist),
		"ERL_EPMD_PORT="+strconv.Itoa(mapper),
		"ERL_EPMD_ADDRESS=127.0.0.1",
	)
	return plan{
		url: "amqp://guest:guest@" + loopback(amqp) + "/",
		daemons: []*daemon{
			// Left alone, RabbitMQ would start a port mapper that stays for good.
			{name: "epmd", argv: []string{epmd, "-port", strconv.Itoa(mapper), "-address", "127.0.0.1"}, ready: func(ctx context.Context, _ *daemon) error {
				return listens(ctx, loopback(mapper))
			}},
			{name: "rabbitmq", argv: []string{exe}, env: env, ready: func(ctx context.Context, _ *daemon) error {
				return rabbitMQReady(ctx, loopback(amqp), node)
			}},
		},
	}, nil
}

// rabbitMQProgram finds the server's own script. Debian puts another before it,
// which gives up root's rights and logs to /var/log.
func rabbitMQProgram() (string, error) {
	const debian = "/usr/lib/rabbitmq/bin/rabbitmq-server"
	exe, err := exec.LookPath("rabbitmq-server")
	if err != nil || filepath.Dir(exe) == "/usr/sbin" {
		if _, err := os.Stat(debian); err == nil {
			return debian, nil
		}
	}
	if err != nil {
		return "", errors.New(getRabbitMQ)
	}
	return exe, nil
}

// rabbitMQHome lays out the files of a node in dir, and returns the environment
// that keeps the node within it.
func rabbitMQHome(dir string, conf []string) ([]string, error) {
	at := func(name string) string { return filepath.Join(dir, name) }
	files := map[string]string{"rabbitmq.conf": "", "enabled_plugins": "[].\n"}
	for _, line := range conf {
		name := "rabbitmq.conf"
		if strings.HasPrefix(line, "[") {
			name = "advanced.config"
		}
		files[name] += line + "\n"
	}
	for name, text := range files {
		if err := os.WriteFile(at(name), []byte(text), 0o600); err != nil {
			return nil, err
		}
	}
	return []string{
		"HOME=" + dir, // of .erlang.cookie
		"RABBITMQ_MNESIA_BASE=" + at("data"),
		"RABBITMQ_LOG_BASE=" + at("log"),
		"RABBITMQ_LOGS=-",
		"RABBITMQ_CONFIG_FILE=" + at("rabbitmq"),
		"RABBITMQ_ADVANCED_CONFIG_FILE=" + at("advanced.config"),
		"RABBITMQ_CONF_ENV_FILE=" + at("rabbitmq-env.conf"),
		"RABBITMQ_GENERATED_CONFIG_DIR=" + at("generated"),
		"RABBITMQ_ENABLED_PLUGINS_FILE=" + at("enabled_plugins"),
		"RABBITMQ_PID_FILE=" + at("pid"),
		// The script becomes the server instead of waiting for it. That is meant
		// for an Erlang shell on a terminal, which -noinput then does without.
		"RABBITMQ_ALLOW_INPUT=1",
		"RABBITMQ_SERVER_START_ARGS=-noinput",
		// Threads that spin while they wait are no good to those who share the
		// machine.
		"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=-kernel inet_dist_use_interface {127,0,0,1} +sbwt none +sbwtdcpu none +sbwtdio none",
	}, nil
}

// RabbitMQCtl runs rabbitmqctl, the tool beside the server's own program, on a server
// that RabbitMQ has started, and returns what it prints.
func (s *Server) RabbitMQCtl(ctx context.Context, args ...string) (string, error) {
	if err := s.ours("administer"); err != nil {
		return "", err
	}
	s.mu.Lock()
	node := s.daemons[len(s.daemons)-1]
	s.mu.Unlock()
	cmd := exec.CommandContext(ctx, filepath.Join(filepath.Dir(node.argv[0]), "rabbitmqctl"), args...)
	cmd.Env = append(os.Environ(), node.env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("rabbitmqctl %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

// rabbitMQReady says hello, and waits for a Connection.Start with the node's name
// in it. RabbitMQ listens when all else is done.
func rabbitMQReady(ctx context.Context, addr, node string) error {
	conn, err := dial(ctx, addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "AMQP\x00\x00\x09\x01"); err != nil {
		return err
	}
	var said bytes.Buffer
	for chunk := make([]byte, 4096); !bytes.Contains(said.Bytes(), []byte(node+"@")); {
		n, err := conn.Read(chunk)
		if err != nil {
			return fmt.Errorf("the greeting is not that of node %s: %w", node, err)
		}
		said.Write(chunk[:n])
	}
	return nil
}

// listens says whether somebody takes connections at the address.
func listens(ctx context.Context, addr string) error {
	conn, err := dial(ctx, addr)
	if err != nil {
		return err
	}
	return conn.Close()
}
