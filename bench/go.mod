module github.com/taskgen/taskgen/bench

go 1.26.0

replace github.com/taskgen/taskgen => ../

tool github.com/taskgen/taskgen/cmd/taskgen

require (
	github.com/stretchr/testify v1.11.1
	github.com/taskgen/taskgen v0.0.0
)

require (
	github.com/dave/jennifer v1.7.1 // indirect
	github.com/davecgh/go-spew v1.1.1 // indirect
	github.com/mattn/go-sqlite3 v1.14.53 // indirect
	github.com/netresearch/go-cron v0.14.0 // indirect
	github.com/pmezard/go-difflib v1.0.0 // indirect
	github.com/rogpeppe/go-internal v1.16.0 // indirect
	golang.org/x/mod v0.42.0 // indirect
	golang.org/x/sync v0.24.0 // indirect
	golang.org/x/time v0.16.0 // indirect
	golang.org/x/tools v0.52.0 // indirect
	gopkg.in/yaml.v3 v3.0.1 // indirect
	maragu.dev/goqite v0.4.0 // indirect
)
