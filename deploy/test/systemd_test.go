package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// exposureMax is what `systemd-analyze security` may say at most, in tenths: from 0, safe, to 100, unsafe. Not far below it is what a server
// on the network cannot do without.
const exposureMax = "15"

// unit are the settings of a unit file, each with its values in their order.
type unit map[string][]string

// readUnit reads a unit file without continued lines (https://www.freedesktop.org/software/systemd/man/latest/systemd.syntax.html).
func readUnit(text string) unit {
	u := unit{}
	for line := range strings.Lines(text) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(key, "#") {
			u[key] = append(u[key], value)
		}
	}
	return u
}

// hardening is what keeps a server that was taken over from taking the machine.
func hardening() map[string]string {
	out := map[string]string{
		"User": "hookswitch", "CapabilityBoundingSet": "", "AmbientCapabilities": "", "ProtectSystem": "strict", "ProtectProc": "invisible",
		"KeyringMode": "private", "SystemCallArchitectures": "native", "UMask": "0077", "StateDirectoryMode": "0700", "LimitCORE": "0",
		"RestrictAddressFamilies": "AF_INET AF_INET6 AF_UNIX AF_NETLINK", "Restart": "always", "StartLimitIntervalSec": "0",
	}
	for _, name := range []string{
		"NoNewPrivileges", "ProtectHome", "ProtectClock", "ProtectHostname", "ProtectKernelLogs", "ProtectKernelModules", "ProtectKernelTunables",
		"ProtectControlGroups", "PrivateTmp", "PrivateMounts", "PrivateDevices", "PrivateUsers", "RemoveIPC", "LockPersonality", "MemoryDenyWriteExecute",
		"RestrictNamespaces", "RestrictRealtime", "RestrictSUIDSGID",
	} {
		out[name] = "yes"
	}
	return out
}

// The unit is one that systemd takes, closes what the program does not need, gives it its secrets as credentials and lets it drain. Where
// systemd-analyze is there, it is asked, too.
func TestSystemdUnit(t *testing.T) {
	text := read(t, "../systemd/hookswitch.service")
	for _, p := range slices.Concat(unitProblems(t, text), analysed(t, text)) {
		t.Error(p)
	}
	for _, c := range []struct{ name, old, replacement, want string }{
		{"root", "User=hookswitch", "User=root", "User"},
		{"a capability", "CapabilityBoundingSet=\n", "CapabilityBoundingSet=CAP_SYS_ADMIN\n", "CapabilityBoundingSet"},
		{"a setting that is gone", "NoNewPrivileges=yes\n", "", "NoNewPrivileges"},
		{"a setting that is taken back", "ProtectHome=yes\n", "ProtectHome=yes\nProtectHome=no\n", "ProtectHome"},
		{"system calls of the privileged", "SystemCallFilter=~@privileged @resources\n", "", "SystemCallFilter"},
		{"a secret in the environment", "HOOKSWITCH_ADMIN_KEY_FILE=%d/admin-key", "HOOKSWITCH_ADMIN_KEY=hsk_key", "HOOKSWITCH_ADMIN_KEY"},
		{"a variable that is no key", "HOOKSWITCH_ADMIN_KEY_FILE", "HOOKSWITCH_ADMINKEY_FILE", "no key of the configuration"},
		{"a credential that is not loaded", "%d/admin-key", "%d/adminkey", "no credential adminkey"},
		{"a credential for nothing", "Environment=HOOKSWITCH_MASTER_KEYSET_FILE=%d/master.keyset\n", "", "master.keyset is loaded for nothing"},
		{"another command", " serve ", " demo ", "ExecStart"},
		{"too short a time to drain", "TimeoutStopSec=30", "TimeoutStopSec=15", "TimeoutStopSec"},
		{"no memory limit", "MemoryMax=512M\n", "", "MemoryMax"},
	} {
		t.Run("detects "+c.name, func(t *testing.T) {
			found := strings.Join(unitProblems(t, replaceOnce(t, text, c.old, c.replacement)), "\n")
			if !strings.Contains(found, c.want) {
				t.Errorf("found %q, want something about %q", found, c.want)
			}
		})
	}
}

func unitProblems(t *testing.T, text string) (out problems) {
	t.Helper()
	u := readUnit(text)
	for name, want := range hardening() {
		if got := u[name]; len(got) != 1 || got[0] != want {
			out.add("%s is %q, want it once as %q", name, got, want)
		}
	}
	if want := []string{"@system-service", "~@privileged @resources"}; !slices.Equal(u["SystemCallFilter"], want) {
		out.add("SystemCallFilter is %q", u["SystemCallFilter"])
	}
	if got := u["ExecStart"]; len(got) != 1 || !strings.HasPrefix(got[0], "/usr/local/bin/hookswitch serve --config /etc/hookswitch/") {
		out.add("ExecStart is %q", got)
	}
	if got := u["MemoryMax"]; len(got) != 1 {
		out.add("MemoryMax is %q", got)
	}
	checkCredentials(&out, u)
	drain := regexp.MustCompile(`(?m)^drain-timeout: (\S+)$`).FindStringSubmatch(read(t, "../../internal/config/default.yaml"))
	if drain == nil {
		t.Fatal("default.yaml has no drain-timeout")
	}
	longest, err := time.ParseDuration(drain[1])
	if err != nil {
		t.Fatal(err)
	}
	if stop, err := time.ParseDuration(strings.Join(u["TimeoutStopSec"], "") + "s"); err != nil || stop <= longest {
		out.add("TimeoutStopSec is %v, the drain takes up to %v", stop, longest)
	}
	return out
}

// checkCredentials shows that what is secret comes from files that systemd loads, each of which is used.
func checkCredentials(out *problems, u unit) {
	loaded := map[string]bool{}
	for _, c := range u["LoadCredential"] {
		id, file, _ := strings.Cut(c, ":")
		if !strings.HasPrefix(file, "/etc/hookswitch/credentials/") {
			out.add("the credential %s is loaded from %q", id, file)
		}
		loaded[id] = false
	}
	for _, e := range u["Environment"] {
		name, value, _ := strings.Cut(e, "=")
		if !slices.Contains(variables(), name) {
			out.add("%s is no key of the configuration", name)
		}
		if slices.Contains(secretVariables(), name) {
			out.add("%s is in the environment, which systemctl shows to everybody", name)
		}
		if id, ok := strings.CutPrefix(value, "%d/"); ok {
			if _, ok := loaded[id]; !ok {
				out.add("there is no credential %s", id)
			}
			loaded[id] = true
		}
	}
	for id, used := range loaded {
		if !used {
			out.add("the credential %s is loaded for nothing", id)
		}
	}
}

// analysed is what systemd itself has to say of the unit, with a program that is there in place of ours.
func analysed(t *testing.T, text string) (out problems) {
	t.Helper()
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Log("there is no systemd-analyze: the unit was only read")
		return nil
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "hookswitch.service")
	if err := os.WriteFile(file, []byte(replaceOnce(t, text, "/usr/local/bin/hookswitch", self)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"verify", file}, {"security", "--offline=true", "--no-pager", "--threshold=" + exposureMax, file}} {
		said, err := exec.CommandContext(t.Context(), analyze, args...).CombinedOutput()
		if err != nil || args[0] == "verify" && len(said) > 0 {
			out.add("systemd-analyze %s: %v\n%s", args[0], err, said)
		}
	}
	return out
}
