package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"
)

// list prints the tasks of all packages: a table, or for programs a JSON array.
func (r *report) list() error {
	if r.format == "json" {
		return r.listJSON()
	}
	w := tabwriter.NewWriter(r.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "TYPE\tQUEUE\tTIMEOUT\tRETRIES\tSCHEDULE\tSHAPE\tSTRUCT\tAT")
	for _, p := range r.result.Packages {
		for _, t := range p.Tasks {
			schedule := strings.Join(t.Cron, ", ")
			if schedule == "" {
				schedule = "-"
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\t%s\t%s.%s\t%s:%d\n",
				strings.Join(append([]string{t.Type}, t.Aliases...), ", "), t.Queue, t.Timeout, t.Retries, schedule, t.Shape, p.Name, t.Struct, r.name(t.File), t.Line)
		}
	}
	return w.Flush()
}

// A listed is a task as list prints it for programs.
type listed struct {
	Type      string   `json:"type"`
	Aliases   []string `json:"aliases,omitempty"`
	Queue     string   `json:"queue"`
	Timeout   string   `json:"timeout"`
	Retries   int      `json:"retries"`
	Schedules []string `json:"schedules,omitempty"`
	Shape     string   `json:"shape"`
	Reads     []string `json:"reads,omitempty"`
	Package   string   `json:"package"` // import path
	Struct    string   `json:"struct"`
	File      string   `json:"file"`
	Line      int      `json:"line"`
}

func (r *report) listJSON() error {
	all := []listed{}
	for _, p := range r.result.Packages {
		for _, t := range p.Tasks {
			all = append(all, listed{
				Type: t.Type, Aliases: t.Aliases, Queue: t.Queue, Timeout: t.Timeout.String(), Retries: t.Retries, Schedules: t.Cron,
				Shape: t.Shape, Reads: t.Reads, Package: p.Path, Struct: t.Struct, File: r.name(t.File), Line: t.Line,
			})
		}
	}
	enc := json.NewEncoder(r.stdout)
	enc.SetIndent("", "  ")
	return enc.Encode(all)
}
