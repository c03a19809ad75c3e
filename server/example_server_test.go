package server_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/memory"
	"github.com/taskgen/taskgen/server"
)

// A welcome is a payload, and welcomeSpec is in the generated package: tasks.WelcomeSpec.
type welcome struct {
	User  string `json:"user"`
	Token string `json:"token" task:"secret"`
}

var welcomeSpec = runtime.Spec[welcome]{Type: "welcome", Queue: "mail", Secrets: []string{"/token"}}

// post calls a method as any HTTP client can, and returns the status and the answer.
func post(ctx context.Context, url, token, request string) (string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(request))
	if err != nil {
		return "", err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+token)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(r)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return res.Status + " " + string(bytes.ReplaceAll(body, []byte(" "), nil)), err
}

// A program serves its queues to callers with tokens, by JSON over HTTP, gRPC and gRPC-Web.
func ExampleNew() {
	ctx, stop := context.WithCancel(context.Background())
	provider := memory.New()
	defer provider.Close()
	manager := runtime.NewManager(runtime.ManagerConfig{})
	defer manager.Close()
	if err := manager.Open(ctx, provider, runtime.QueueConfig{Name: "mail"}); err != nil {
		log.Fatal(err)
	}
	s, err := server.New(server.Config{
		Manager: manager,
		Types:   []server.Type{&welcomeSpec},
		Tokens: []server.Token{
			{Name: "shop", Role: server.Operator, Secret: "5b1f6a0c9d3e4872"}, // of the environment, say
			{Name: "wall", Role: server.Viewer, Secret: "0c9d3e48725b1f6a"},
		},
		Audit: func(r server.AuditRecord) { fmt.Println("audit:", r.Caller, r.Procedure, r.Subjects, r.Code) },
	})
	if err != nil {
		log.Fatal(err)
	}
	ln, err := s.Listen(ctx, "127.0.0.1:0") // s.Serve(ctx, "127.0.0.1:7460") does both
	if err != nil {
		log.Fatal(err)
	}
	over := make(chan error, 1)
	go func() { over <- s.ServeOn(ctx, ln) }()

	service := "http://" + ln.Addr().String() + "/taskgen.v1.QueueService/"
	task := `{"task":{"type":"welcome","id":"w1","payload":"{\"user\":\"ada\",\"token\":\"hunter2\"}"}}`
	for _, token := range []string{"0c9d3e48725b1f6a", "5b1f6a0c9d3e4872"} {
		answer, err := post(ctx, service+"Enqueue", token, task)
		fmt.Println(strings.Fields(answer)[0], err)
	}
	answer, err := post(ctx, service+"Peek", "0c9d3e48725b1f6a", `{"queue":"mail"}`)
	fmt.Println(strings.Contains(answer, "ada"), strings.Contains(answer, "hunter2"), err)
	stop()
	fmt.Println(<-over)
	// Output:
	// audit: wall /taskgen.v1.QueueService/Enqueue [] permission_denied
	// 403 <nil>
	// audit: shop /taskgen.v1.QueueService/Enqueue [welcome w1] ok
	// 200 <nil>
	// true false <nil>
	// <nil>
}

// The records of a server are kept in a file, in which admins look by ListAuditRecords.
func ExampleOpenAuditLog() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	audit, err := server.OpenAuditLog(filepath.Join(dir, "audit.jsonl"))
	if err != nil {
		log.Fatal(err)
	}
	defer audit.Close() // after the server
	provider, manager := memory.New(), runtime.NewManager(runtime.ManagerConfig{})
	defer provider.Close()
	defer manager.Close()
	if err := manager.Open(ctx, provider, runtime.QueueConfig{Name: "mail"}); err != nil {
		log.Fatal(err)
	}
	s, err := server.New(server.Config{Manager: manager, AuditLog: audit, Audit: func(server.AuditRecord) {}})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	call := func(method, request string) string {
		r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/taskgen.v1.QueueAdminService/"+method, strings.NewReader(request))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, r)
		return w.Body.String()
	}
	call("PauseQueue", `{"queue":"mail","reason":"the mail server is down"}`)
	fmt.Println(strings.Contains(call("ListAuditRecords", `{}`), "the mail server is down"))
	// Output: true
}
