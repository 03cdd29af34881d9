package pgtest

import (
	"errors"
	"os"
	"strings"
	"testing"
)

func TestServerOfAProgramIsGoneAfterClose(t *testing.T) {
	server, err := New(Setting("fsync", "on"))
	if err != nil {
		t.Fatal(err)
	}
	want(t, server.URL(maintenance), "SHOW fsync", "on")
	for range 2 {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := execute(server.URL(maintenance), "SELECT 1"); err == nil {
		t.Error("a closed server answers")
	}
	if _, err := os.Stat(server.ground.folder); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder is still there: %v", err)
	}
	if shared, err := process.prepare(); err != nil || shared.folder == server.ground.folder {
		t.Errorf("error %v; the folder of the tests' servers is the program's", err)
	}
}

func TestServerOfAProgramThatDoesNotStartLeavesNothing(t *testing.T) {
	t.Setenv("TMPDIR", openFolder(t))
	server, err := New(Setting("no_such_setting", "1"))
	if err == nil || !strings.Contains(err.Error(), `configuration parameter "no_such_setting"`) {
		t.Errorf("got %v, want the reason that is in the log", err)
	}
	if server != nil {
		t.Error("there is a server although it did not start")
	}
	left, err := os.ReadDir(os.TempDir())
	if err != nil || len(left) > 0 {
		t.Errorf("error %v, left behind: %v", err, left)
	}
}
