package deploy

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	yaml "go.yaml.in/yaml/v3"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
)

func mustRender(t *testing.T, values string) *release {
	t.Helper()
	r, err := render(chartFolder, valueSet{values: values})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestThreeNodesByDefault(t *testing.T) {
	if got := mustRender(t, "").node().Spec.Replicas; got == nil || *got != 3 {
		t.Errorf("replicas %v, want 3", got)
	}
}

func TestWhichImage(t *testing.T) {
	chart, err := loader.LoadDir(chartFolder)
	if err != nil {
		t.Fatal(err)
	}
	const digest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	for _, c := range []struct{ name, values, want string }{
		{"the chart's appVersion", ``, "ghcr.io/hookswitch/hookswitch:" + chart.AppVersion()},
		{"a tag", `image: {tag: edge}`, "ghcr.io/hookswitch/hookswitch:edge"},
		{"a digest before a tag", `image: {repository: r.example/h, tag: edge, digest: "` + digest + `"}`, "r.example/h@" + digest},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := mustRender(t, c.values)
			for _, p := range r.pods() {
				if got := p.spec.Containers[0].Image; got != c.want {
					t.Errorf("%s: got %s, want %s", p.owner, got, c.want)
				}
			}
		})
	}
}

// The base of every selfUri is what is configured, or what reaches the nodes.
func TestPublicURL(t *testing.T) {
	for _, c := range []struct{ name, values, want string }{
		{"the Service", ``, "http://prod-hookswitch.hooks.svc"},
		{"the Service with a port", `service: {port: 8480}`, "http://prod-hookswitch.hooks.svc:8480"},
		{"the Ingress", `ingress: {enabled: true, hosts: [a.example, b.example]}`, "http://a.example"},
		{"the Ingress with TLS", `ingress: {enabled: true, hosts: [a.example], tls: [{hosts: [a.example]}]}`, "https://a.example"},
		{"what is configured", "config: {publicUrl: \"https://c.example/x\"}\ningress: {enabled: true, hosts: [a.example]}", "https://c.example/x"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := mustRender(t, c.values)
			if got := each[*core.ConfigMap](r)[0].Data["HOOKSWITCH_PUBLIC_URL"]; got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
			if !strings.Contains(r.notes, c.want) {
				t.Errorf("the notes do not name %s", c.want)
			}
		})
	}
}

// A key that is given arrives as it is; one that is made is long and never the same.
func TestAdminKey(t *testing.T) {
	key := func(values string) string {
		return secretEntry(t, values, "admin-key")
	}
	if got, want := key(`adminKey: {value: 'hsk_#0:{odd}"characters"'}`), `hsk_#0:{odd}"characters"`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	made := regexp.MustCompile(`^hsk_[0-9A-Za-z]{43}$`)
	one, other := key(""), key("")
	if !made.MatchString(one) || one == other {
		t.Errorf("made %q and %q", one, other)
	}
}

// secretEntry returns an entry of one of the chart's own Secrets, or nothing.
func secretEntry(t *testing.T, values, entry string) string {
	t.Helper()
	for _, s := range each[*core.Secret](mustRender(t, values)) {
		if value, ok := s.Data[entry]; ok {
			return string(value)
		}
	}
	return ""
}

// The keyset that the chart makes is one as `hookswitch keys new-master` makes it, never the same, and outlives the release: a node
// without it reads no secret.
func TestMasterKeyset(t *testing.T) {
	parse := func() []byte {
		var k struct {
			PrimaryKeyID uint32 `json:"primaryKeyId"`
			Key          []struct {
				KeyID            uint32 `json:"keyId"`
				Status           string `json:"status"`
				OutputPrefixType string `json:"outputPrefixType"`
				KeyData          struct {
					TypeURL string `json:"typeUrl"`
					Value   []byte `json:"value"`
				} `json:"keyData"`
			} `json:"key"`
		}
		if err := json.Unmarshal([]byte(secretEntry(t, "", "master.keyset")), &k); err != nil {
			t.Fatal(err)
		}
		if len(k.Key) != 1 || k.PrimaryKeyID == 0 || k.Key[0].KeyID != k.PrimaryKeyID || k.Key[0].Status != "ENABLED" || k.Key[0].OutputPrefixType != "TINK" ||
			k.Key[0].KeyData.TypeURL != "type.googleapis.com/google.crypto.tink.AesGcmKey" {
			t.Errorf("made %+v", k)
		}
		return k.Key[0].KeyData.Value
	}
	one, other := parse(), parse()
	if len(one) != 34 || !bytes.HasPrefix(one, []byte{0x1a, 32}) || bytes.Equal(one, other) {
		t.Errorf("made %d and %d bytes", len(one), len(other))
	}
	if got := secretEntry(t, `masterKeyset: {existingSecret: keys, secretKey: k}`, "k"); got != "" {
		t.Error("made a keyset beside the one that is there")
	}
	for _, s := range each[*core.Secret](mustRender(t, "")) {
		if _, ok := s.Data["master.keyset"]; ok && s.Annotations["helm.sh/resource-policy"] != "keep" {
			t.Errorf("the Secret %s is removed with the release", s.Name)
		}
	}
}

// An upgrade keeps the keys and the password that the installation made: other ones would lock everybody out.
func TestUpgradeKeepsWhatWasMade(t *testing.T) {
	const values = `postgresql: {enabled: true}`
	before := map[string]map[string][]byte{}
	set := valueSet{values: values, found: map[string]map[string]any{}}
	for _, s := range each[*core.Secret](mustRender(t, values)) {
		before[s.Name] = s.Data
		set.found[s.Name] = map[string]any{}
		for entry, value := range s.Data {
			set.found[s.Name][entry] = base64.StdEncoding.EncodeToString(value)
		}
	}
	r, err := render(chartFolder, set)
	if err != nil {
		t.Fatal(err)
	}
	after := map[string]map[string][]byte{}
	for _, s := range each[*core.Secret](r) {
		after[s.Name] = s.Data
	}
	if len(before) != 3 || !reflect.DeepEqual(before, after) {
		t.Errorf("got %q, want %q", after, before)
	}
}

// An upgrade that looks for the keyset under another name makes no new one in its place: that would be the end of the old one.
func TestUpgradeReplacesNoKeyset(t *testing.T) {
	found := map[string]map[string]any{"prod-hookswitch-keyset": {"master.keyset": "e30="}}
	_, err := render(chartFolder, valueSet{values: `masterKeyset: {secretKey: other}`, found: found})
	if err == nil || !strings.Contains(err.Error(), "prod-hookswitch-keyset has no entry other") {
		t.Errorf("got %v, want an error that names the Secret and the entry", err)
	}
}

// The notes tell what is still to be done.
func TestNotes(t *testing.T) {
	for _, c := range []struct{ name, values, want string }{
		{"which Secret is missing", ``, "create secret generic hookswitch-database"},
		{"that the PostgreSQL is a trial", `postgresql: {enabled: true}`, "no backup"},
		{"how to read the key", `adminKey: {existingSecret: keys, secretKey: my.key}`, `get secret keys`},
		{"which entry the key is", `adminKey: {existingSecret: keys, secretKey: my.key}`, `{{index .data "my.key" | base64decode}}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if notes := mustRender(t, c.values).notes; !strings.Contains(notes, c.want) {
				t.Errorf("the notes do not say %q:\n%s", c.want, notes)
			}
		})
	}
}

// A change of the configuration makes new pods; nothing else does by itself.
func TestConfigurationRollsPods(t *testing.T) {
	sum := func(d *apps.Deployment) string { return d.Spec.Template.Annotations["checksum/config"] }
	before, after := mustRender(t, ""), mustRender(t, "config: {logLevel: debug}")
	if sum(before.node()) == "" || sum(before.node()) == sum(after.node()) {
		t.Errorf("checksums %q and %q", sum(before.node()), sum(after.node()))
	}
	if again := mustRender(t, ""); sum(before.node()) != sum(again.node()) {
		t.Error("the same values make new pods")
	}
}

// Every value says what it is for.
func TestValuesAreCommented(t *testing.T) {
	text, err := os.ReadFile(chartFolder + "/values.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if bare := uncommented(t, string(text)); len(bare) > 0 {
		t.Errorf("values without a comment: %v", bare)
	}
	if bare := uncommented(t, replaceOnce(t, string(text), "  # Whether to make an Ingress.\n", "")); !slices.Equal(bare, []string{"ingress.enabled"}) {
		t.Errorf("found %v, want ingress.enabled", bare)
	}
}

// uncommented lists the values for which neither they, nor what they are part of, have a comment above.
func uncommented(t *testing.T, text string) []string {
	t.Helper()
	var root yaml.Node
	if err := yaml.Unmarshal([]byte(text), &root); err != nil {
		t.Fatal(err)
	}
	var out []string
	var walk func(prefix string, n *yaml.Node)
	walk = func(prefix string, n *yaml.Node) {
		for i := 0; i+1 < len(n.Content); i += 2 {
			key, value := n.Content[i], n.Content[i+1]
			switch {
			case key.HeadComment != "" && (value.Kind != yaml.MappingNode || prefix != "" || len(value.Content) == 0):
			case value.Kind == yaml.MappingNode && len(value.Content) > 0:
				if prefix == "" && key.HeadComment != "" && key.Value == "resources" {
					continue // requests and limits explain themselves
				}
				walk(prefix+key.Value+".", value)
			default:
				out = append(out, prefix+key.Value)
			}
		}
	}
	walk("", root.Content[0])
	return out
}
