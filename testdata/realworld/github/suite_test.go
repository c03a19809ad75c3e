package github_test

import (
	"math/rand/v2"
	"reflect"

	"github.com/google/go-github/v82/github"

	"github.com/taskgen/taskgen/testdata/realworld/internal/roundtrip"
)

// Suite is what the test that is laid over this package begins with.
func Suite() *roundtrip.Suite {
	return &roundtrip.Suite{
		Values: map[reflect.Type]func(*rand.Rand) any{
			reflect.TypeFor[github.RequiredReviewer](): reviewer,
			reflect.TypeFor[github.CustomPropertyValue](): func(*rand.Rand) any {
				return github.CustomPropertyValue{PropertyName: "colours", Value: []string{"red", "green"}}
			},
			reflect.TypeFor[github.RepositoryRule](): rule,
			reflect.TypeFor[github.ProjectV2Item](): func(*rand.Rand) any {
				kind := github.ProjectV2ItemContentType("Issue")
				return github.ProjectV2Item{ContentType: &kind, Content: &github.ProjectV2ItemContent{Issue: &github.Issue{Title: github.Ptr("an issue")}}}
			},
		},
		Told: map[string]string{
			"github.TreeEntry.URL":    "MarshalJSON leaves it out where there is neither SHA nor content: FIELD_ONE_WAY",
			"github.Event.RawPayload": "a pointer to null arrives as nil",
		},
	}
}

// reviewer: UnmarshalJSON takes no others, and panics without a type.
func reviewer(r *rand.Rand) any {
	if r.IntN(2) == 0 {
		return github.RequiredReviewer{Type: github.Ptr("User"), Reviewer: &github.User{Login: github.Ptr("ann")}}
	}
	return github.RequiredReviewer{Type: github.Ptr("Team"), Reviewer: &github.Team{Slug: github.Ptr("owners")}}
}

// rule: UnmarshalJSON reads the parameters into a type that goes with the rule's.
func rule(r *rand.Rand) any {
	if r.IntN(2) == 0 {
		return github.RepositoryRule{Type: github.RulesetRuleTypeCreation}
	}
	return github.RepositoryRule{Type: github.RulesetRuleTypeUpdate, Parameters: &github.UpdateRuleParameters{UpdateAllowsFetchAndMerge: true}}
}
