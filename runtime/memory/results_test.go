package memory

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
)

func put(t *testing.T, rs *Results, id, value, failure string, ttl time.Duration) {
	t.Helper()
	require.NoError(t, rs.PutResult(t.Context(), id, []byte(value), failure, ttl))
}

func TestAwaitWakesWhenTheResultComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rs := NewResults()
		got := make(chan string)
		for range 3 {
			go func() {
				v, err := rs.Await(context.Background(), "a")
				assert.NoError(t, err)
				got <- string(v)
			}()
		}
		synctest.Wait()
		began := time.Now()
		put(t, rs, "a", "1", "", time.Hour)
		for range 3 {
			require.Equal(t, "1", <-got)
		}
		require.Zero(t, time.Since(began))
	})
}

func TestAwaitEndsWithItsContextAndLeavesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rs := NewResults()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := rs.Await(ctx, "a")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Empty(t, rs.byID)
	})
}

func TestAResultEndsWithItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rs := NewResults()
		put(t, rs, "short", "1", "", time.Minute)
		put(t, rs, "default", "1", "", 0)
		put(t, rs, "replaced", "", "boom", time.Minute)
		put(t, rs, "replaced", "2", "", time.Hour)
		time.Sleep(time.Minute)
		synctest.Wait()
		rs.mu.Lock()
		require.Len(t, rs.byID, 2, "the timer took the first, with nobody asking")
		rs.mu.Unlock()
		got, err := rs.Await(t.Context(), "replaced")
		require.NoError(t, err)
		require.Equal(t, "2", string(got))
		time.Sleep(driver.DefaultResultRetention - time.Minute - time.Nanosecond)
		_, err = rs.Await(t.Context(), "default")
		require.NoError(t, err)
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		rs.mu.Lock()
		defer rs.mu.Unlock()
		require.Empty(t, rs.byID)
		require.Empty(t, rs.ends)
	})
}

func TestManyResultsLeaveNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rs := NewResults()
		for i := range 20_000 {
			put(t, rs, fmt.Sprint(i), "1", "", time.Duration(i%100+1)*time.Second)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		rs.mu.Lock()
		defer rs.mu.Unlock()
		require.Empty(t, rs.byID)
		require.Zero(t, cap(rs.ends))
		require.Zero(t, rs.room)
	})
}

func TestAPutWithAnEndedContextKeepsNothing(t *testing.T) {
	rs := NewResults()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, rs.PutResult(ctx, "a", nil, "", time.Hour), context.Canceled)
	require.Empty(t, rs.byID)
}
