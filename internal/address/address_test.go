package address

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestParseTakesWhatNetURLTakes(t *testing.T) {
	u, err := Parse("amqp://app:p%25ss@host:5672/vhost")
	require.NoError(t, err)
	password, _ := u.User.Password()
	assert.Equal(t, "p%ss", password)
	assert.Equal(t, "host:5672", u.Host)
}

// Whatever a password is, the error of the URL that holds it has nothing of it: url.Parse
// quotes the URL, an escape, or what it takes for a port.
func TestAnErrorShowsNothingOfThePassword(t *testing.T) {
	refused := 0
	rapid.Check(t, func(t *rapid.T) {
		password := rapid.StringMatching(`[0-9]{0,2}[A-Z0-9%/#?@:!\[\]\x00 ]{4,12}`).Draw(t, "password")
		u, err := Parse("redis://app:" + password + "@host:6379/0")
		if err == nil {
			assert.Equal(t, "host:6379", u.Host, "another host than the one behind the password")
			return
		}
		refused++
		for i := 0; i+3 <= len(password); i++ {
			if part := password[i : i+3]; !strings.Contains(errSyntax.Error(), part) {
				assert.NotContains(t, err.Error(), part)
			}
		}
		assert.Same(t, errSyntax, err)
	})
	assert.NotZero(t, refused)
}
