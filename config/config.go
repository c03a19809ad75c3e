package config

import (
	"reflect"
	"time"
)

// A Config is what a file and the environment say about a program: which providers it uses,
// how its queues and its pool work, where results and jobs are kept, and who can watch it.
// [Load], [Parse] and [FromEnvironment] make one, and [Config.Build] makes a program of it. It
// can be printed: its secrets show as marks.
type Config struct {
	Providers map[string]ProviderConfig `config:"providers" doc:"where tasks are kept, by names of your choice"`
	Queues    map[string]QueueConfig    `config:"queues" doc:"the queues, by their names in the code. If the section is there, each queue of the code must be in it; queues that are not in the code are left to other programs"`
	Pool      PoolConfig                `config:"pool" doc:"the workers"`
	Results   ResultsConfig             `config:"results" doc:"where results of tasks are kept"`
	Scheduler SchedulerConfig           `config:"scheduler" doc:"the scheduler, which enqueues tasks by the clock"`
	Fleet     FleetConfig               `config:"fleet" doc:"the fleet that the workers join, so that operators see them and give them orders"`
	History   HistoryConfig             `config:"history" doc:"the history: what became of tasks, recorded for a time"`
	Server    ServerConfig              `config:"server" import:"server" doc:"the API, for programs in any language and for operators. It serves jobs, results, workers and runs if the program has a scheduler, results, a fleet and a history"`
	Metrics   MetricsConfig             `config:"metrics" import:"metrics" doc:"an HTTP server with the program's metrics and health. It has no authentication: who reaches it can read them"`
	Traces    TracesConfig              `config:"traces" import:"traces" doc:"OpenTelemetry spans of what the program does, sent to a collector by OTLP over HTTP. What this section leaves out is as the standard variables OTEL_… say"`
	Log       LogConfig                 `config:"log" doc:"what the program logs, to standard error; without this section it logs to slog.Default"`

	positions positions
	classic   *classic
}

// ProviderConfig says how a provider is opened.
type ProviderConfig struct {
	URL      URL    `config:"url" file:"true" doc:"URL of the provider; required"`
	Password Secret `config:"password" file:"true" doc:"password for the URL, in place of one in it; nothing in it is escaped"`
	// Options is the struct of options of the provider, such as Options of config/redis, or
	// nil.
	Options any `config:"options" doc:"options of the provider, as in its table below; they override parameters of the URL"`
}

// QueueConfig says how a queue works. The zero value of a field leaves what the code
// declares, or the default.
type QueueConfig struct {
	Provider      string         `config:"provider" default:"the only provider" doc:"name of the provider that the queue is on"`
	Visibility    time.Duration  `config:"visibility" default:"as in the code, or 30s" doc:"lease of a task; it must not be shorter than the code declares"`
	MaxDeliveries int            `config:"max_deliveries" default:"as in the code, or 10" doc:"crashes of a suspect until it goes to the dead letter queue; half as many, rounded up, make a task a suspect, so that with 10 it dies after 15"`
	DLQ           string         `config:"dlq" default:"as in the code, or NAME-dlq" doc:"name of the dead letter queue"`
	Retention     *time.Duration `config:"retention" default:"as in the code, or no limit" doc:"how long a task may wait after it became due; 0s: no limit"`
	Unknown       *time.Duration `config:"unknown" default:"as in the code, or 10m" doc:"how long a task of an unknown type or shape is handed on to other workers; 0s: not at all"`
	Capacity      *int           `config:"capacity" default:"as in the code, or no bound" doc:"bound of the tasks on the queue, where the provider keeps one; 0: none"`
	Weight        int            `config:"weight" default:"1" doc:"share of the workers while other queues have tasks too; not in a strict pool"`
	Concurrency   int            `config:"concurrency" default:"no bound" doc:"how many of the queue's tasks run at a time in one process"`
	Rate          Rate           `config:"rate" default:"no bound" doc:"how many of the queue's tasks one process starts in a time"`
}

// PoolConfig says how the workers of a program work.
type PoolConfig struct {
	Name    string        `config:"name" default:"host and process" doc:"name of the worker in the record of failed runs"`
	Workers int           `config:"workers" default:"10" doc:"how many handlers run at a time"`
	Strict  bool          `config:"strict" default:"false" doc:"a worker takes from the first queue that has a task, in the order of the section queues; else queues share the workers by weight"`
	Grace   time.Duration `config:"grace" default:"30s" doc:"how long handlers may continue after the program begins to stop"`
	Types   []string      `config:"types" default:"all types of the queues" doc:"wire names of the types that the pool is for"`
}

// ResultsConfig says where results of tasks are kept.
type ResultsConfig struct {
	Provider string `config:"provider" default:"the only provider, if it keeps results" doc:"name of a provider that keeps results: memory, sqlite or redis"`
}

// SchedulerConfig says where jobs are kept, and whether this program fires them.
type SchedulerConfig struct {
	Provider string `config:"provider" default:"the only provider, if it keeps jobs" doc:"name of a provider that keeps jobs: memory, sqlite or redis"`
	Enabled  *bool  `config:"enabled" default:"true if the code has schedules" doc:"whether the program runs the scheduler; any number of processes may"`
}

// FleetConfig says where workers register: see package fleet. The zero value: nowhere.
type FleetConfig struct {
	Provider string `config:"provider" default:"none: the workers join no fleet" doc:"name of a provider that keeps a fleet: memory, sqlite, redis or nats"`
}

// HistoryConfig says where what became of tasks is recorded, and for how long: see package
// history. The zero value: nowhere.
type HistoryConfig struct {
	Provider  string        `config:"provider" default:"none: nothing is recorded" doc:"name of a provider that keeps a history: memory, sqlite or redis"`
	Retention time.Duration `config:"retention" default:"168h" doc:"how long records are kept"`
	MaxBytes  Bytes         `config:"max_bytes" default:"64MiB" doc:"how much is kept; the oldest records make room"`
}

// MetricsConfig says where a program shows its metrics and its health. The zero value:
// nowhere. A program that sets it imports package config/metrics.
type MetricsConfig struct {
	Listen string `config:"listen" default:"none: there is no server" doc:"address of the server, like 127.0.0.1:9464; :9464 is that port on all addresses. It serves /metrics, /livez and /readyz"`
}

// TracesConfig says which spans a program makes, and where they go. With its zero value in
// code it makes none. A program that sets it imports package config/traces.
type TracesConfig struct {
	Enabled            *bool  `config:"enabled" default:"true if the section is there" doc:"whether there are spans"`
	Ratio              *Ratio `config:"ratio" default:"as OTEL_TRACES_SAMPLER says, or 1" doc:"share of the traces that is kept; a span below another one is kept if that one is"`
	Endpoint           URL    `config:"endpoint" file:"true" default:"as OTEL_EXPORTER_OTLP_ENDPOINT says, or https://localhost:4318" doc:"URL of the collector, to which /v1/traces is added; a user and password in it are sent as basic authentication"`
	Headers            Secret `config:"headers" file:"true" default:"as OTEL_EXPORTER_OTLP_HEADERS says" doc:"headers of the requests to the collector, as NAME=VALUE with commas between them; in a value, % and the comma are %25 and %2C"`
	Service            string `config:"service" default:"as OTEL_SERVICE_NAME says" doc:"name of the program in its traces"`
	ParentFromProducer bool   `config:"parent_from_producer" default:"false" doc:"a task and what led to it are one trace, for which the programs that enqueue it need the same setting; else each run of a task is a trace of its own, with a link"`
	ErrorOnRetry       bool   `config:"error_on_retry" default:"false" doc:"the span of each run that failed has the status Error; else only that of a run that its task died of"`
}

// LogConfig says what a program logs.
type LogConfig struct {
	Level  string `config:"level" enum:"debug,info,warn,error" default:"info" doc:"the least level that is logged"`
	Format string `config:"format" enum:"text,json" default:"text" doc:"how records are written"`
}

// table is that of a Config.
var table = tableOf(reflect.TypeFor[Config]())

// only returns the name of the only provider, or "".
func (c *Config) only() string {
	if len(c.Providers) == 1 {
		for name := range c.Providers {
			return name
		}
	}
	return ""
}
