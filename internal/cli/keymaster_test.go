package cli_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hookswitch/hookswitch/internal/seal"
)

// A key is removed from the keyset only when nothing is under it, the server has no problem, and other nodes have had the time to see
// the new one; else nothing is changed and it is said why.
func TestPruneMaster(t *testing.T) {
	path := filepath.Join(t.TempDir(), "master.keyset")
	first, err := seal.MakeFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var status atomic.Pointer[string]
	var asked atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, strings.ReplaceAll(*status.Load(), "LOOKED", time.UnixMilli(1_000_000+asked.Add(1)*8_000).UTC().Format(time.RFC3339Nano)))
	}))
	t.Cleanup(server.Close)
	env := []string{"HOOKSWITCH_SERVER=" + server.URL, "HOOKSWITCH_API_KEY=k", "HOOKSWITCH_MASTER_KEYSET_FILE=" + path}
	if code, _, stderr := run(t, env, "", "keys", "rotate-master"); code != 0 {
		t.Fatalf("%d %s", code, stderr)
	}
	rotated, err := seal.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	answer := func(primary uint32, remaining, records int, problem string) string {
		used := time.UnixMilli(1_000_000).UTC().Format(time.RFC3339Nano)
		return fmt.Sprintf(`{"primary":%d,"remaining":%d,"lookedAt":"LOOKED","problem":%q,"keys":[{"number":%d,"held":true,"records":%d,"usedSince":%q},{"number":%d,"held":true,"records":5,"usedSince":%q}]}`,
			primary, remaining, problem, first.Primary(), records, used, rotated.Primary(), used)
	}
	for name, tt := range map[string]struct {
		answer, want string
		code         int
	}{
		"another key is primary": {strings.Replace(answer(first.Primary(), 0, 0, ""), `"problem":"",`, "", 1), "nothing was removed", 4},
		"records remain":         {strings.Replace(answer(rotated.Primary(), 3, 3, ""), `"problem":"",`, "", 1), "3 records are not under it", 4},
		"a problem":              {answer(rotated.Primary(), 0, 0, "the disk is full"), "the disk is full", 4},
	} {
		status.Store(&tt.answer)
		code, _, stderr := run(t, env, "", "keys", "rotate-master", "--prune")
		if code != tt.code || !strings.Contains(stderr, tt.want) {
			t.Errorf("%s: %d %s", name, code, stderr)
		}
		if k, err := seal.ReadFile(path); err != nil || !slices.Equal(k.Numbers(), rotated.Numbers()) {
			t.Errorf("%s: the keyset was changed, %v", name, err)
		}
	}
	well := strings.Replace(answer(rotated.Primary(), 0, 0, ""), `"problem":"",`, "", 1)
	status.Store(&well)
	asked.Store(0)
	if code, _, stderr := run(t, env, "", "keys", "rotate-master", "--prune"); code != 0 || asked.Load() != 2 {
		t.Errorf("%d, asked %d times: %s", code, asked.Load(), stderr)
	}
	if k, err := seal.ReadFile(path); err != nil || !slices.Equal(k.Numbers(), []uint32{rotated.Primary()}) {
		t.Errorf("pruned: %v", err)
	}
}

// Two rotations at the same time are made one after the other, and both see their end.
func TestRotateMasterBesideAnother(t *testing.T) {
	database := filepath.Join(t.TempDir(), "h.db")
	server := launch(t, []string{"HOOKSWITCH_ADMIN_KEY=" + adminKey}, "", "serve", "--database", database, "--listen", "127.0.0.1:0")
	env := []string{"HOOKSWITCH_ADMIN_KEY=" + adminKey, "HOOKSWITCH_SERVER=" + server.await(&server.stderr, `msg=listening url=(\S+)`)[1]}
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			if code, _, stderr := run(t, env, "", "keys", "rotate-master", "--wait", "--database", database); code != 0 || !strings.Contains(stderr, "Everything is sealed with the new key") {
				t.Errorf("%d %s", code, stderr)
			}
		})
	}
	wg.Wait()
	if k, err := seal.ReadFile(database + ".keyset"); err != nil || len(k.Numbers()) != 3 {
		t.Errorf("%v", err)
	}
}
