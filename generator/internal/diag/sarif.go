package diag

import (
	"cmp"
	"encoding/json"
	"io"
	"net/url"
	"path/filepath"
	"unicode/utf8"
)

// The parts of a log of SARIF 2.1.0 that tools read.
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool       sarifTool     `json:"tool"`
		ColumnKind string        `json:"columnKind"`
		Results    []sarifResult `json:"results"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name  string      `json:"name"`
		URI   string      `json:"informationUri"`
		Rules []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID          string     `json:"id"`
		Description *sarifText `json:"shortDescription,omitempty"`
	}
	sarifText struct {
		Text string `json:"text"`
	}
	sarifResult struct {
		Rule      string          `json:"ruleId"`
		Level     Severity        `json:"level"`
		Message   sarifText       `json:"message"`
		Locations []sarifLocation `json:"locations,omitempty"`
		Related   []sarifLocation `json:"relatedLocations,omitempty"`
	}
	sarifLocation struct {
		Physical sarifPhysical `json:"physicalLocation"`
		Message  *sarifText    `json:"message,omitempty"`
	}
	sarifPhysical struct {
		Artifact sarifArtifact `json:"artifactLocation"`
		Region   sarifRegion   `json:"region"`
	}
	sarifArtifact struct {
		URI  string `json:"uri"`
		Base string `json:"uriBaseId,omitempty"`
	}
	sarifRegion struct {
		Line   int `json:"startLine"`
		Column int `json:"startColumn"`
		End    int `json:"endColumn,omitempty"`
	}
)

// SARIF writes diagnostics as a log of SARIF 2.1.0, which code scanners and editors show.
// describe says what a rule requires, or nothing. Paths below base, which should be the root
// of the repository, are relative to it.
func SARIF(w io.Writer, ds []Diagnostic, base string, describe func(rule string) string) error {
	run := sarifRun{
		Tool:       sarifTool{sarifDriver{Name: "taskgen", URI: "https://github.com/taskgen/taskgen", Rules: []sarifRule{}}},
		ColumnKind: "unicodeCodePoints", Results: []sarifResult{},
	}
	s := sarif{base: base, sources: make(map[string][]string)}
	known := make(map[string]bool)
	for _, d := range ds {
		if !known[d.Rule] && d.Rule != "" {
			known[d.Rule] = true
			rule := sarifRule{ID: d.Rule}
			if text := describe(d.Rule); text != "" {
				rule.Description = &sarifText{text}
			}
			run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, rule)
		}
		r := sarifResult{Rule: d.Rule, Level: d.Severity, Message: sarifText{short(d.Message)}}
		if d.Fix != "" {
			r.Message.Text += "\nfix: " + short(d.Fix)
		}
		if d.Pos.File != "" {
			r.Locations = []sarifLocation{s.location(d, "")}
		}
		if d.Related != nil {
			r.Related = []sarifLocation{s.location(Diagnostic{Pos: d.Related.Pos}, short(d.Related.Note))}
		}
		run.Results = append(run.Results, r)
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(sarifLog{"https://json.schemastore.org/sarif-2.1.0.json", "2.1.0", []sarifRun{run}})
}

type sarif struct {
	base    string
	sources map[string][]string
}

func (s *sarif) location(d Diagnostic, note string) sarifLocation {
	path := relative(s.base, d.Pos.File)
	at := sarifArtifact{URI: (&url.URL{Path: filepath.ToSlash(path)}).String()}
	if filepath.IsAbs(path) {
		at.URI = (&url.URL{Scheme: "file", Path: filepath.ToSlash(path)}).String()
	} else {
		at.Base = "%SRCROOT%"
	}
	region := sarifRegion{Line: max(1, d.Pos.Line), Column: s.column(d, d.Pos.Column)}
	if d.End > d.Pos.Column {
		region.End = s.column(d, d.End)
	}
	l := sarifLocation{Physical: sarifPhysical{at, region}}
	if note != "" {
		l.Message = &sarifText{note}
	}
	return l
}

// column is a column in characters, of one in bytes.
func (s *sarif) column(d Diagnostic, column int) int {
	ls := lines(s.sources, d.Pos.File)
	if d.Pos.Line < 1 || d.Pos.Line > len(ls) || column < 1 || column-1 > len(ls[d.Pos.Line-1]) {
		return cmp.Or(max(0, column), 1)
	}
	return utf8.RuneCountInString(ls[d.Pos.Line-1][:column-1]) + 1
}
