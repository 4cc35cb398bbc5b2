package primary

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/heapstate/heapstate/primary/internal/commitlog"
)

func TestNames(t *testing.T) {
	id := uuid.New()
	task := TaskID{Operator: "my-op-7", Task: 12}
	for _, savepoint := range []bool{false, true} {
		name := objectName("j", Trigger{Checkpoint: 34, Savepoint: savepoint}, task, id, 56)
		require.NoError(t, CheckName(name))
		want := stored{area: areaObject, checkpoint: 34, epoch: 56}
		if savepoint {
			want.area = areaSavepoint
		}
		require.Equal(t, want, parseName("j", name))
		require.Equal(t, stored{}, parseName("k", name))
	}
	require.Equal(t, stored{area: areaLog, slot: 5}, parseName("j", commitlog.RecordName("j", 5)))
	require.Equal(t, stored{area: areaLog, slot: 5}, parseName("j", commitlog.CopyName("j", 5)))
	require.Equal(t, stored{area: areaOrigin}, parseName("j", commitlog.OriginName("j")))
	require.Equal(t, stored{area: areaManifest, checkpoint: 5}, parseName("j", savepointManifestName("j", 5)))
	u := id.String()
	for _, name := range []string{
		"", "j", "j/", "j/log", "j/log/5", "j/log/" + padded(5) + "/x", "j/log/" + padded(0),
		"j/objects/5/o-0-" + u + "-1", "j/objects/" + padded(5), "j/objects/" + padded(5) + "/x",
		"j/objects/" + padded(5) + "/o-0-" + u, "j/objects/" + padded(5) + "/o-0-" + u + "-01", "j/objects/" + padded(5) + "/o-0-" + u + "-",
		"j/objects/" + padded(5) + "/" + u + "-1", "j/objects/" + padded(5) + "/manifest", "j/other/" + padded(5) + "/o-0-" + u + "-1",
		"j/savepoints/" + padded(5) + "/manifest/x", "j/savepoints/" + padded(5) + "/manifest2",
	} {
		require.Equal(t, stored{}, parseName("j", name), name)
	}
}
