package layout

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The README's program is the body of an example that is compiled and run.
func TestTheProgramInTheReadmeIsAnExample(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	_, rest, ok := strings.Cut(string(readme), "```go\n")
	require.True(t, ok, "the README has a Go program")
	program, _, ok := strings.Cut(rest, "```")
	require.True(t, ok)
	example, err := os.ReadFile("../../recovery/readme_test.go")
	require.NoError(t, err)
	var indented strings.Builder
	for line := range strings.Lines(program) {
		indented.WriteString("\t" + line)
	}
	require.Contains(t, string(example), indented.String(), "README.md and recovery/readme_test.go differ")
}
