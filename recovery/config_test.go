package recovery

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/primary"
)

func TestNewJobReportsEveryFaultTogether(t *testing.T) {
	_, err := NewJob(Config{Name: "a/../b", Tasks: 0, M: -1, Every: -time.Second, Retain: -1, StepBack: true,
		Compression: 9, Region: 7, MemoryBytes: -1, Restart: FailureRate{}})
	require.ErrorIs(t, err, ErrConfig)
	for _, part := range []string{"Name", "Primary is nil", "M -1", "Tasks 0", "duration", "Retain", "StepBack", "Compression 9", "Region 7", "MemoryBytes -1", "FailureRate"} {
		require.ErrorContains(t, err, part)
	}
}

func TestConfigFaults(t *testing.T) {
	good := func() Config { return Config{Name: "j", Tasks: 2, M: 16, Primary: primary.NewMemory()} }
	_, err := NewJob(good())
	require.NoError(t, err)
	for name, change := range map[string]func(*Config){
		"more tasks than key groups": func(c *Config) { c.Tasks = 17 },
		"M beyond the limit":         func(c *Config) { c.M = 32769 },
		"savepoint of another M":     func(c *Config) { c.From = &primary.Manifest{M: 8} },
		"operator with a bad name":   func(c *Config) { c.Operator = "a b" },
		"name of two elements":       func(c *Config) { c.Name = "a/b" },
		"operator of two elements":   func(c *Config) { c.Operator = "a/b" },
		"step back with one":         func(c *Config) { c.StepBack, c.Retain = true, 1 },
		"negative restart attempts":  func(c *Config) { c.Restart = Fixed{Attempts: -1} },
		"jitter beyond one":          func(c *Config) { c.Restart = Exponential{Jitter: 1.1} },
		"factor below one":           func(c *Config) { c.Restart = Exponential{Factor: 0.5} },
	} {
		t.Run(name, func(t *testing.T) {
			c := good()
			change(&c)
			_, err := NewJob(c)
			require.ErrorIs(t, err, ErrConfig)
		})
	}
	t.Run("step back retains two", func(t *testing.T) {
		c := good()
		c.StepBack = true
		c, err := c.withDefaults()
		require.NoError(t, err)
		require.Equal(t, 2, c.Retain)
	})
}
