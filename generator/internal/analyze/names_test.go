package analyze

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestNamesOfTasks(t *testing.T) {
	for structName, want := range map[string][2]string{
		"EmbeddingTask":    {"Embedding", "embedding"},
		"URLFetchTask":     {"URLFetch", "url_fetch"},
		"FetchURLTask":     {"FetchURL", "fetch_url"},
		"HTTPServer2Task":  {"HTTPServer2", "http_server2"},
		"HTTP2ServerTask":  {"HTTP2Server", "http2_server"},
		"OAuthTask":        {"OAuth", "oauth"},
		"OAuth2LoginTask":  {"OAuth2Login", "oauth2_login"},
		"OAuthorsTask":     {"OAuthors", "o_authors"},
		"IPv4LookupTask":   {"IPv4Lookup", "ipv4_lookup"},
		"LookupIPv6Task":   {"LookupIPv6", "lookup_ipv6"},
		"GraphQLQueryTask": {"GraphQLQuery", "graphql_query"},
		"GraphQuestTask":   {"GraphQuest", "graph_quest"},
		"ParseURLsTask":    {"ParseURLs", "parse_urls"},
		"URLsTask":         {"URLs", "urls"},
		"IDsOfUsersTask":   {"IDsOfUsers", "ids_of_users"},
		"URLSetTask":       {"URLSet", "url_set"},
		"S3UploadTask":     {"S3Upload", "s3_upload"},
		"Base64EncodeTask": {"Base64Encode", "base64_encode"},
		"XTask":            {"X", "x"},
		"AXBTask":          {"AXB", "axb"},
		"Task":             {"Task", "task"},
		"Embedding":        {"Embedding", "embedding"},
		"TaskTask":         {"Task", "task"},
		"Multitask":        {"Multitask", "multitask"},
		"embeddingTask":    {"Embedding", "embedding"},
		"Send_EmailTask":   {"Send_Email", "send_email"},
		"Send_Task":        {"Send", "send"},
		"_Task":            {"_Task", "task"},
		"ÜberweisungTask":  {"Überweisung", "überweisung"},
		"éclairTask":       {"Éclair", "éclair"},
		"日本Task":           {"日本", "日本"},
		"V2":               {"V2", "v2"},
	} {
		base := baseName(structName)
		assert.Equal(t, want[0], base, structName)
		assert.Equal(t, want[1], wireName(base), structName)
	}
}
